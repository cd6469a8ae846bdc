"""Time and memory of a piece of code in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass

_AROUND = """
import json, sys, time
from pathlib import Path
from exseos.errors import ExseosError
{imports}
def peak():
    # Not getrusage: a process inherits that number from the one that started it.
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, start, said = peak(), time.process_time(), ""
try:
{code}
except ExseosError as error:
    said = str(error)
print(json.dumps([said, time.process_time() - start, peak() - before]))
"""


@dataclass(frozen=True)
class Measured:
    """The message of the ``ExseosError`` that ended it ("" for none), seconds of the processor, and bytes of memory it took."""

    said: str
    seconds: float
    memory: int


def measure(imports: str, code: str, *arguments: str, limit: float = 60) -> Measured:
    """Run ``code``, which may end with an ``ExseosError``, and nothing else; it finds ``arguments`` in ``sys.argv[1:]``."""
    program = _AROUND.format(imports=textwrap.dedent(imports), code=textwrap.indent(textwrap.dedent(code), "    "))
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Measured(*json.loads(done.stdout.splitlines()[-1]))
