"""The one family of errors that ExSeOS-HLS raises on purpose.

Every message answers three questions: what failed, where, and what to do about it.
"""

from __future__ import annotations


class ExseosError(Exception):
    """Something failed that the user can understand and act upon.

    ``what`` states the fact, ``where`` names the file, line, URL or stage, ``hint`` says what to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)


class UsageError(ExseosError):
    """The request itself is wrong: a bad spec, a bad option, a file that is not there."""

    exit_code = 2


class HostError(ExseosError):
    """The machine, not the experiment, is the cause: disk, memory, engine, network, a kill."""


class DigestMismatch(ExseosError):  # noqa: N818 (says more than an "Error" would)
    """Bytes are not those that a digest promises."""


class CapsuleError(ExseosError):
    """A capsule file is damaged, tampered with or not a capsule."""


class StageError(ExseosError):
    """A stage failed because of the experiment: user code, model, data or design."""
