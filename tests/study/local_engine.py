"""An engine that runs a script of the test as a plain process: for what the host makes of good and bad workers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.progress import Progress, Quiet

GOOD = """
import json, os, sys, time
from pathlib import Path
inside = json.loads(os.environ["MOUNTS"])
def real(path):
    target = max((target for target in inside if path == target or path.startswith(target + "/")), key=len)
    return Path(inside[target] + path[len(target):])
def say(**event):
    sys.stdout.write(json.dumps(event) + "\\n")
    sys.stdout.flush()
for line in sys.stdin:
    request = json.loads(line)
    number = request["id"]
    if request["op"] == "hello":
        say(id=number, event="done", result={"python": "3.11"})
        continue
    if request["op"] == "warm":
        stage = request["stage"]
        WARM
        say(id=number, event="done", result={})
        continue
    stage, task = request["stage"], request["task"]
    out = real(task["output"])
    %s
    say(id=number, event="done", result={"facts": {}})
"""
"""A worker that answers hello and warm; what stands for ``%s`` is done for each stage, in place of ``WARM`` before."""


@dataclass
class LocalProcess(Process):
    """A process of this machine with pipes."""

    popen: subprocess.Popen[bytes]
    errors: BinaryIO
    why: str | None = None

    @property
    def stdin(self) -> BinaryIO:
        return cast(BinaryIO, self.popen.stdin)

    @property
    def stdout(self) -> BinaryIO:
        return cast(BinaryIO, self.popen.stdout)

    def stderr_tail(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(20)

    def reason(self) -> str | None:
        return self.why


class LocalImage:
    """The name of an image that is never used."""

    id = "sha256:" + "1" * 64
    environment: Mapping[str, str] = {}

    def archive(self) -> Iterator[bytes]:
        yield b""

    def rootfs(self) -> Path:
        return Path("/")


@dataclass
class LocalEngine(Engine):
    """Runs ``script`` with Python for every worker."""

    script: str
    why: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    """More that a script finds in its environment."""
    started: list[LocalProcess] = field(default_factory=list)
    mounts: list[tuple[Mount, ...]] = field(default_factory=list)
    limits: list[Limits] = field(default_factory=list)

    name = "local"
    rank = 99

    def available(self) -> str | None:
        return None

    def version(self) -> str:
        return "local 1"

    def load(self, image: ImageSource, progress: Progress = Quiet()) -> str:  # noqa: B008
        return image.id

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        import json

        errors = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - lives as long as the process
        if command.argv[-2:-1] == ["exseos.worker.warm"]:
            popen = subprocess.Popen([sys.executable, "-I", "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
            return LocalProcess(popen, errors)
        environment = {**self.variables, "MOUNTS": json.dumps({mount.target: str(mount.source) for mount in mounts})}
        program = next(mount.source for mount in mounts if mount.target == "/out").parent / "worker.py"
        program.write_text(self.script.replace("WARM", "pass"), encoding="utf-8")
        popen = subprocess.Popen(
            [sys.executable, "-I", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        self.started.append(LocalProcess(popen, errors, self.why))
        self.mounts.append(tuple(mounts))
        self.limits.append(limits)
        return self.started[-1]

    def remove(self, image: ImageSource) -> None:
        """Nothing was loaded."""

    def unenforced(self) -> tuple[str, ...]:
        return ("everything",)
