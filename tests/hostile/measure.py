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

def peak():
    # Of this process alone: the kernel's ru_maxrss begins with what the process had that started it.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))

{imports}
before, start, said = peak(), time.process_time(), ""
try:
{code}
except ExseosError as error:
    said = str(error)
print(json.dumps([said, time.process_time() - start, peak() - before, peak()]))
"""


@dataclass(frozen=True)
class Measured:
    """The message of the ``ExseosError`` that ended it ("" for none), seconds of the processor, and bytes of memory it took.

    ``peak`` is the memory of the whole process, Python and all that was imported included.
    """

    said: str
    seconds: float
    memory: int
    peak: int


def measure(imports: str, code: str, *arguments: str, limit: float = 60) -> Measured:
    """Run ``code``, which may end with an ``ExseosError``, and nothing else; it finds ``arguments`` in ``sys.argv[1:]``."""
    program = _AROUND.format(imports=textwrap.dedent(imports), code=textwrap.indent(textwrap.dedent(code), "    "))
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=limit, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Measured(*json.loads(done.stdout.splitlines()[-1]))
