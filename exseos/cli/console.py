"""How lines and progress look: bars on a terminal, plain lines elsewhere. Progress is on standard error, results on standard output."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from exseos.text import LIMIT, visible

_PLAIN_SECONDS = 10.0
_FRAMES = {number: f"\\u{number:04x}" for number in range(0x2500, 0x2580)}
"""What tables are drawn with, so that no text in a cell draws another."""


def cell(value: object, *, escaped: bool = False, limit: int = LIMIT, style: str = "") -> Text:
    """``value``, which anybody may have written, for a line or table: on one line, and neither markup nor part of a table."""
    return Text(visible(value, escaped=escaped, limit=limit).translate(_FRAMES), style=style)


def say(console: Console, *parts: str | Text | tuple[str, str], indent: int = 4) -> None:
    """Print one line: text, with its style or without, but no markup.

    On a terminal, what does not fit is indented, so that no text can be so long that it begins a line.
    """
    line = Text.assemble(*parts)
    if not console.is_terminal:
        console.print(line, soft_wrap=True)
        return
    for number, part in enumerate(line.wrap(console, max(20, console.width - indent), overflow="fold")):
        console.print(Text(" " * indent if number else "") + part, soft_wrap=True)


class _Amount(ProgressColumn):
    """Bytes as MB, anything else as a count."""

    def render(self, task: Task) -> Text:
        if task.fields.get("unit") == "B":
            total = "?" if task.total is None else f"{task.total / 1e6:,.0f}"
            return Text(f"{task.completed / 1e6:,.0f}/{total} MB", style="progress.download")
        return MofNCompleteColumn().render(task)


class Terminal:
    """Progress for a person: finished steps scroll by, running ones have a bar."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False)
        self._live = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=30),
            _Amount(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Terminal:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def step(self, text: str) -> None:
        say(self._live.console, ("•", "green"), " ", cell(text, escaped=True))

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        with self._lock:
            if task not in self._tasks:
                self._tasks[task] = self._live.add_task(visible(task, escaped=True, limit=200), total=total, unit=unit)
            self._live.update(self._tasks[task], completed=done, total=total)
            if total is not None and done >= total:
                self._live.remove_task(self._tasks.pop(task))


class Plain:
    """Progress for a log: a line per step, and every ten seconds how far a long one is."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True, color_system=None)
        self._last = time.monotonic()

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is open."""

    def step(self, text: str) -> None:
        self._last = time.monotonic()
        self.console.print(visible(text, escaped=True), markup=False)

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        if time.monotonic() - self._last < _PLAIN_SECONDS:
            return
        scale, name = (1e6, " MB") if unit == "B" else (1, "")
        of = "" if total is None else f" of {total / scale:,.0f}"
        self.step(f"{task}: {done / scale:,.0f}{of}{name}")


def progress() -> Terminal | Plain:
    """The one that fits standard error."""
    return Terminal() if Console(stderr=True).is_terminal else Plain()
