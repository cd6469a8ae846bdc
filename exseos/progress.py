"""How long work tells that it goes on; the CLI decides how that looks."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what is happening. Calls are cheap and come from any thread."""

    def step(self, text: str) -> None:
        """One line worth keeping: something has begun or ended."""

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        """``task`` has done ``done`` of ``total`` units (None: unknown); ``done == total`` ends it."""


class Quiet:
    """Says nothing."""

    def step(self, text: str) -> None: ...

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None: ...
