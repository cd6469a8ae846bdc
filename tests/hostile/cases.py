"""How an attack on a capsule file is made and judged, where nothing of it may even be run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exseos.cli import main
from tests.hostile.forger import Forgery

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]")

_TRACEBACK = re.compile(r"^\s*Traceback", re.MULTILINE)
"""At the beginning of a line: one of the author's code is quoted within."""


def plain(text: str) -> str:
    """``text``, which holds no command to a terminal, no traceback of ours and nothing that turns it."""
    assert not (found := _CONTROL.search(text)), f"{found!r} in {text[:3000]!r}"
    assert not _TRACEBACK.search(text), text
    return text


def everything(folder: Path) -> set[str]:
    """All names below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


class Bench:
    """Runs the four commands on a file, and sees that nothing is left behind."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.file = folder / "paper.capsule.zip"
        self.store = folder / "store"

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Exit code, and all that was said, which is fit for a terminal."""
        self._capsys.readouterr()
        code = main([*map(str, arguments)])
        said = self._capsys.readouterr()
        return code, plain(said.out + said.err)

    def refuse(self, expected: str, forgery: Forgery | None = None) -> str:
        """``verify``, ``replay`` and ``unpack`` refuse the file, the first saying what ``expected`` matches."""
        if forgery is not None:
            forgery.write(self.file)
        before = everything(self.folder)
        code, said = self.run("capsule", "verify", self.file)
        assert code != 0
        assert re.search(expected, said), f"{said}\n--- has no ---\n{expected}"
        for command in (["replay", self.file], ["unpack", self.file, self.folder / "unpacked"]):
            code, more = self.run("capsule", *command)
            assert code in (1, 2), f"{command[0]}: {code} {more}"
            assert "exseos: error: " in more
        left = {name for name in everything(self.folder) - before if not _of_a_store(name)}
        assert not left
        return said


def _of_a_store(name: str) -> bool:
    """The empty folders that any command makes."""
    return name in ("store", "store/cache", "store/scratch", "store/stages", "store/cache/tmp")
