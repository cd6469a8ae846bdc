"""The command line as a user meets it: a process of its own, from a copy of the source tree."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("exseos", "capsule_templates", "examples", "Dockerfile.base", "pyproject.toml")
_IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.capsule.zip")


def copy_sources(folder: Path) -> Path:
    """The source tree as it is now, in ``folder``: whatever happens to the checkout later, a test sees one state of it."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_IGNORED)
        else:
            shutil.copyfile(source, folder / name)
    return folder


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams, for the message of a failed assertion."""
        return f"exit code {self.code}\n{self.out}\n{self.err}"

    @property
    def error(self) -> str:
        """What follows ``exseos: error: `` on standard error; empty if nothing does."""
        return self.err.partition("exseos: error: ")[2].strip()


@dataclass(frozen=True)
class Exseos:
    """``exseos`` of the copied sources, with a store and a working folder. Variables of ``environment`` replace the caller's own."""

    sources: Path
    store: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: Sequence[str] = ()
    """Command that the program is given to, such as ``unshare --net``."""
    python: str = sys.executable

    def but(self, **changes: object) -> Exseos:
        """The same with some fields changed; variables are added to those there are."""
        variables = changes.pop("environment", {})
        assert isinstance(variables, Mapping)
        return replace(self, environment={**self.environment, **variables}, **changes)  # type: ignore[arg-type]

    def command(self, *arguments: str | Path) -> list[str]:
        """The whole command line."""
        return [*self.wrapper, self.python, "-P", "-m", "exseos", *map(str, arguments)]

    def variables(self) -> dict[str, str]:
        """The whole environment."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EXSEOS_STORE", "XDG_"))}
        return {**own, "PYTHONPATH": str(self.sources), "EXSEOS_STORE": str(self.store), "COLUMNS": "200", **self.environment}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start it with pipes."""
        return self._start(self.command(*arguments), self.variables())

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, *arguments: str | Path, seconds: float = 900) -> Ended:
        """Run it to its end."""
        return _ended(self.start(*arguments), seconds)

    def shell(self, line: str, seconds: float = 900) -> Ended:
        """Run ``line`` by a shell that finds this ``exseos`` under its name: for commands as they are printed or documented."""
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "exseos")
            program.write_text(f'#!/bin/sh\nexec {shlex.join(self.command())} "$@"\n')
            program.chmod(0o755)
            variables = self.variables()
            return _ended(self._start(["bash", "-c", line], {**variables, "PATH": f"{folder}:{variables['PATH']}"}), seconds)


def _ended(started: subprocess.Popen[str], seconds: float) -> Ended:
    with started as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Ended(process.returncode, out, err)
