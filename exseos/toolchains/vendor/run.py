"""Running a vendor's tools in the worker: a clean environment, a time limit, and failures that say what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from exseos.errors import ExseosError, HostError, StageError
from exseos.toolchains.base import Tool, Work
from exseos.toolchains.process import run_tool, tail
from exseos.toolchains.vendor.base import Role, VendorToolchain
from exseos.toolchains.vendor.licence import NETWORK, licence_hint, licence_line, licence_set, redacted, secrets
from exseos.toolchains.vendor.reports import RUN_FILE

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_LOCALE = "en_US.UTF-8"
_LOCALE_SOURCE = Path("/usr/share/i18n/locales/en_US")
HOME = ".home"
"""The tools' home folder below the stage's outputs; the log of the one that runs is in it."""
_KILLED = re.compile(
    r"^make(?:\[\d+\])?: \*\*\* .*\b(?:Killed|Terminated)\b|unable to execute command: (?:Killed|Terminated)\b|: Subprocess killed\b",
    re.MULTILINE,
)
"""How make, CMake and compilers' drivers, which end with an exit code of their own, tell that a program below them was killed."""
_LARGEST = 256 << 20
"""Bytes of a file that is looked through for values of licence variables."""
LOG = "tool.log"
"""All that the tools of a stage printed, one after another."""


@dataclass
class Run:
    """One stage of a vendor's toolchain: ``folder`` is where its tools work, and is removed at the end."""

    toolchain: VendorToolchain
    tool: Tool
    work: Work
    folder: Path
    home: Path
    commands: list[list[str]] = field(default_factory=list)
    seconds: float = 0.0

    def __call__(self, what: str, argv: Sequence[str], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
        """Run one tool until it ends well; ``what`` names the work. Raises ``StageError`` or ``HostError``."""
        log = self.home / f"{len(self.commands)}.log"
        begin = time.monotonic()
        self.commands.append([Path(argv[0]).name, *argv[1:]])
        try:
            run_tool(
                argv,
                cwd or self.folder,
                max(1.0, self.work.seconds - self.seconds),
                log,
                what=f"{self.toolchain.title} ({what})",
                environment={**self._environment(), **(variables or {})},
                inherit=False,
                too_slow="Allow it more time with --hours, or use a smaller design.",
                progress=lambda line: self.work.progress(f"{what}: {line}", None, None),
            )
        except ExseosError as error:
            explained = self._explained(error, log) or error
            kind = type(explained)
            raise kind(self._told(explained.what), where=explained.where, hint=self._told(explained.hint or "") or None) from error
        finally:
            self.seconds += time.monotonic() - begin
            self._append(log, what)

    def require(self, patterns: Sequence[str]) -> None:
        """Raise ``StageError`` unless each pattern finds a file with content: the exit codes of these tools say little."""
        for pattern in patterns:
            if not any(path.is_file() and path.stat().st_size for path in self.folder.glob(pattern)):
                log = self.work.output / LOG
                reason = licence_line(log)
                hint = licence_hint(self.toolchain) if reason else "Its log says why."
                raise StageError(
                    self._told(f"{self.toolchain.title} ended, but left no {pattern}; its last words:\n{tail(log)}"),
                    where=self.toolchain.name,
                    hint=hint,
                )

    def keep(self, patterns: Sequence[str], *, under: str = "", least: int = 0) -> None:
        """Copy files of the working folder to the stage's outputs, with their paths; ``least`` is how many there must be."""
        found = sorted({path for pattern in patterns for path in self.folder.glob(pattern) if path.is_file() and not path.is_symlink()})
        if len(found) < least:
            raise StageError(f"{self.toolchain.title} left no {' or '.join(patterns)}", where=self.toolchain.name)
        for path in found:
            target = self.work.output / under / path.relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            self._hide_licences(target)

    def _environment(self) -> dict[str, str]:
        own = self.toolchain.environment(self.tool.root, self.home)
        path = ":".join(filter(None, (own.pop("PATH", ""), _SYSTEM_PATH)))
        licences = licence_set(self.toolchain, os.environ)
        return {"PATH": path, "HOME": str(self.home), "USER": "exseos", "TERM": "dumb", **locale_variables(self.home), **licences, **own}

    def _append(self, log: Path, what: str) -> None:
        """The tool's output, behind that of the tools before it."""
        if not log.exists():
            return
        self._hide_licences(log)
        with (self.work.output / LOG).open("ab") as whole, log.open("rb") as part:
            whole.write(f"==== {what}\n".encode())
            shutil.copyfileobj(part, whole)
        log.unlink()

    def _told(self, text: str) -> str:
        """``text`` with the variables' names for the values of licence variables: a tool may print them, a record must not."""
        return redacted(text, secrets([self.toolchain], os.environ))

    def _hide_licences(self, path: Path) -> None:
        """The same in a file, whatever else it holds."""
        hidden = {value.encode(): f"${name}".encode() for value, name in secrets([self.toolchain], os.environ).items()}
        if not hidden or path.stat().st_size > _LARGEST:
            return
        data = changed = path.read_bytes()
        for value in sorted(hidden, key=len, reverse=True):
            changed = changed.replace(value, hidden[value])
        if changed != data:
            path.write_bytes(changed)

    def _explained(self, error: ExseosError, log: Path) -> ExseosError | None:
        """A better error, if the log tells of a missing licence or of a program that was killed."""
        if not log.exists() or isinstance(error, HostError):
            return None
        if reason := licence_line(log):
            what = f"{self.toolchain.title} has no licence: {reason}"
            return StageError(what, where=self.toolchain.name, hint=licence_hint(self.toolchain))
        if _KILLED.search(tail(log)):
            return HostError(error.what, where=error.where, hint="A program was killed: most often the memory ran out.")
        return None


@contextmanager
def running(toolchain: VendorToolchain, work: Work, role: Role) -> Iterator[Run]:
    """A ``Run`` in a fresh folder below the stage's outputs; at the end ``run.json`` and ``metrics.json`` are written there."""
    tool = toolchain.tool(work)
    work.facts["network"] = os.environ.get(NETWORK, "none")
    folder, home = work.output / ".work", work.output / HOME
    folder.mkdir()
    home.mkdir()
    run = Run(toolchain, tool, work, folder, home)
    try:
        yield run
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    record = {
        "toolchain": toolchain.name,
        "version": tool.version,
        "fingerprint": tool.fingerprint,
        "commands": run.commands,
        "seconds": round(run.seconds, 3),
    }
    (work.output / RUN_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    work.write_metrics(toolchain.metrics(role, work.output, tool))


def locale_variables(home: Path) -> dict[str, str]:
    """en_US.UTF-8, compiled into ``home`` from the system's sources on first use; C.UTF-8 where there are none."""
    if not _LOCALE_SOURCE.exists() or shutil.which("localedef") is None:
        return {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    folder = home / "locale"
    if not (folder / _LOCALE).is_dir():
        folder.mkdir(exist_ok=True)
        # localedef's exit code is 1 for warnings, of which the sources of Debian give some
        command = ["localedef", "--force", "-i", "en_US", "-f", "UTF-8", str(folder / _LOCALE)]
        with suppress(ExseosError):
            run_tool(command, home, 60, home / "localedef.log", what="localedef")
    if not (folder / _LOCALE).is_dir():
        return {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return {"LANG": _LOCALE, "LC_ALL": _LOCALE, "LOCPATH": str(folder)}
