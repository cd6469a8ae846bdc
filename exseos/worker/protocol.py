"""The language between host and worker: one JSON object per line, requests on stdin, events on stdout.

Request   ``{"id": n, "op": "run", "stage": "train", "task": {…Task…}}``, ``{"id": n, "op": "hello"}``,
          ``{"id": n, "op": "warm", "stage": "train"}`` (load what it needs) or ``{"id": n, "op": "bye"}``.
Events    ``{"id": n, "event": "progress", "text": …, "done": …, "total": …}`` any number of times, then one of
          ``{"id": n, "event": "done", "result": {…}}`` and ``{"id": n, "event": "error", "error": {…Failure…}}``.

Anything user code or a tool prints goes to stderr: the worker keeps the real stdout for itself. Lines longer than
``MAX_LINE`` or not of this form are the mark of a broken or hostile worker and end it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_LINE = 1 << 20


class Mounted(BaseModel):
    """An installation of a vendor's toolchain, and what the lock says it is."""

    model_config = ConfigDict(extra="forbid")

    root: str
    version: str
    fingerprint: str


class Task(BaseModel):
    """One run of one stage. All paths are the container's."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any]
    """The stage's part of the spec, all values concrete: what enters the stage key."""
    seed: int
    inputs: dict[str, str] = Field(default_factory=dict)
    """Earlier stage → folder with its outputs, read-only."""
    data: dict[str, str] = Field(default_factory=dict)
    """Name of a data source → file, read-only."""
    toolchains: dict[str, Mounted] = Field(default_factory=dict)
    """Name of a vendor's toolchain → where it is mounted, read-only."""
    seconds: float | None = None
    """How long the tools of the stage may run; None: as the stage says."""
    allow_inexact: bool = False
    """Whether what does not repeat is told among the facts and not an error; never a part of the stage's key."""
    timing: Literal["one cpu"] | None = None
    """How the threads of the stage run: on one CPU, so that they take turns in another way; None: as the machine lets them."""
    files: str = "/spec"
    """Folder with the spec's own files (user code), read-only."""
    output: str
    """An empty folder to fill."""


class Failure(BaseModel):
    """Why a stage failed, in the words of ``ExseosError``, with the user's own traceback if their code raised."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["experiment", "host"]
    """``experiment``: the same would happen anywhere. ``host``: memory, disk or a signal on this machine."""
    what: str
    where: str | None = None
    hint: str | None = None
    traceback: str | None = None
