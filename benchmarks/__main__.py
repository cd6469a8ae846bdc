"""Run every benchmark, one after the other; exit code 1 if one of them missed a target or failed."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import modules

failed = []
for name in modules():
    print(f"==== {name}", flush=True)
    if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]).returncode:
        failed.append(name)
sys.exit(f"missed or failed: {', '.join(failed)}" if failed else 0)
