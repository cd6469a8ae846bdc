"""How progress looks: bars on a terminal, plain lines elsewhere; always on standard error, results go to standard output."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

_PLAIN_SECONDS = 10.0


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
            TextColumn("  {task.description}"),
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
        self._live.console.print(f"[green]•[/green] {Text(_printable(text)).markup}")

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        with self._lock:
            if task not in self._tasks:
                self._tasks[task] = self._live.add_task(task, total=total, unit=unit)
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
        self.console.print(_printable(text), markup=False)

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        if time.monotonic() - self._last < _PLAIN_SECONDS:
            return
        scale, name = (1e6, " MB") if unit == "B" else (1, "")
        of = "" if total is None else f" of {total / scale:,.0f}"
        self.step(f"{task}: {done / scale:,.0f}{of}{name}")


def _printable(text: str) -> str:
    """Without what would command a terminal: steps may quote a capsule."""
    return "".join(letter if letter in "\n\t" or letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def progress() -> Terminal | Plain:
    """The one that fits standard error."""
    return Terminal() if Console(stderr=True).is_terminal else Plain()
