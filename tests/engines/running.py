"""Running a program in a container from start to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount

SMALL = Limits(memory_bytes=256 << 20, processes=64, open_files=100, seconds=60, tmp_bytes=16 << 20)


@dataclass(frozen=True)
class Outcome:
    """How a container ended and what it said."""

    code: int
    out: bytes
    err: str
    reason: str | None

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


def run(
    engine: Engine,
    image: ImageSource,
    argv: Sequence[object],
    mounts: Sequence[Mount] = (),
    limits: Limits = SMALL,
    environment: Mapping[str, str] | None = None,
    workdir: str = "/",
    host_network: bool = False,
) -> Outcome:
    """Run the hostile program with ``argv`` and read all it says."""
    command = Command(["hostile", *map(str, argv)], environment or {}, workdir, host_network)
    process = engine.start(image, command, mounts, limits)
    with process.stdin, process.stdout:
        process.stdin.close()
        out = process.stdout.read()
        return Outcome(process.wait(90), out, process.stderr_tail(), process.reason())


def assert_stopped(outcome: Outcome) -> None:
    """Every attempt was made, and none succeeded."""
    assert outcome.code == 0, outcome
    assert outcome.lines, outcome
    assert [line for line in outcome.lines if not line.startswith("stopped: ")] == []
