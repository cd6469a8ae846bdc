"""Every command that README and docs show is run, as it is shown and in that order, in a folder where its names exist.

What is put in place of what a machine of the tests cannot have: ``examples/tiny`` for ``examples/magic`` (which ``test_magic`` builds),
stand-ins for vendors' tools, ``examples/tiny`` as what the user writes into a new experiment. What two documents show is run once.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest

from exseos.cli import _group
from tests.e2e.conftest import CAPSULE, require_engine
from tests.e2e.documents import DOCUMENTS, commands, expanded, inline, name_of
from tests.e2e.running import Ended, Exseos
from tests.e2e.vendor import Tools
from tests.readers import hls_samples, test_quartus

NOT_RUN = {
    "make demo": "the three commands below it for examples/magic, which test_magic runs, after a set-up of the whole machine",
    "make test": "this test is part of it",
}
SUBSTITUTES = {
    "examples/magic/": "examples/tiny/",
    "magic-gamma.capsule.zip": CAPSULE,
    "/tools/Xilinx/": "tools/Xilinx/",
    "NAME=FILE": "events=magic.dat",
    "NAME=DIR": "vitis=tools/Xilinx/Vitis/2023.2",
}
CODES = {
    "exseos capsule replay paper.capsule.zip": 4,  # it has a vendor's stage
    "exseos capsule replay paper.capsule.zip --toolchain": 0,
}
"""Exit codes of commands that begin so, if not 0; the longest beginning counts."""
VITIS = """\
convert: {backend: Vitis, io_type: io_parallel, strategy: latency, clock_ns: 5, part: xczu9eg-ffvb1156-2-e}
synthesize: {toolchain: vitis}
claims:
  - {text: "The model is small", metric: parameters, level: float, value: 16}
"""
VIVADO = "implement: {toolchain: vivado}\n"


@dataclass
class Desk:
    """A user's folder in which all documents are followed, and how the commands ended that were typed there."""

    exseos: Exseos
    here: Path
    ended: dict[tuple[Path, str], Ended] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.exseos.folder

    def run(self, typed: str) -> Ended:
        """Type a command into a shell, whose working folder is kept from one to the next, if it was not typed there before."""
        place = (self.here, typed)
        if place not in self.ended:
            self._prepare(typed)
            kept = self.home / ".here"
            line = f"{typed}\nstatus=$?; pwd > {kept}; exit $status"
            self.ended[place] = self.exseos.but(folder=self.here).shell(line, seconds=1200)
            self.here = Path(kept.read_text().strip())
        return self.ended[place]

    def _prepare(self, typed: str) -> None:
        """What the text around a command asks for."""
        mine = self.home / "my-experiment"
        if "my-experiment/" in typed and not mine.exists():
            self.run("exseos init my-experiment")
        if "my-experiment/spec.yaml --toolchain" in typed:
            shutil.rmtree(mine)
            write(self.exseos.sources, mine, "my-experiment", VITIS)


def write(sources: Path, folder: Path, name: str, sections: str) -> None:
    """``examples/tiny`` without its lock, with other sections of hardware; the stand-ins run their Tcl by ``tclsh``."""
    shutil.copytree(sources / "examples/tiny", folder, ignore=shutil.ignore_patterns("*.lock", "README.md"), dirs_exist_ok=True)
    text = (folder / "spec.yaml").read_text()
    for old, new in {"name: tiny": f"name: {name}", "epochs: 3": "epochs: 1", '"3.11"\n': '"3.11"\n  packages: [tcl]\n'}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "spec.yaml").write_text(text[: text.index("convert:")] + sections)


@pytest.fixture(scope="module")
def desk(warm: Exseos, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("desk")
    store = home / "store"
    store.mkdir()
    (store / "cache").symlink_to(warm.store / "cache")
    shutil.copytree(warm.store / "stages", store / "stages", copy_function=os.link)
    exseos = warm.but(folder=home, store=store, environment={"EDITOR": str(_editor(home, warm.sources))})
    shutil.copytree(warm.sources / "examples", home / "examples")
    with zipfile.ZipFile(warm.folder / CAPSULE) as archive:
        (home / "magic.dat").write_bytes(archive.read("data/events/magic.dat"))
    tools = Tools.lay_out(home / "tools/Xilinx")
    write(warm.sources, home, "both", VITIS + VIVADO)
    for folder, text in {
        "my_prj": hls_samples.SAMPLES.values(),
        "other_prj": hls_samples.SAMPLES.values(),
        "vitis": hls_samples.SAMPLES.values(),
        "quartus": test_quartus.SAMPLES,
    }.items():
        (home / folder).mkdir()
        (home / folder / "report.rpt").write_text(next(iter(text)))
    write(warm.sources, home / "paper-experiment", "paper", VITIS)
    ended = exseos("capsule", "build", "paper-experiment/spec.yaml", "-o", "paper.capsule.zip", *tools.arguments[:2], seconds=1200)
    assert ended.code == 0, ended.text
    yield Desk(exseos, home)
    shutil.rmtree(home)


def _editor(home: Path, sources: Path) -> Path:
    """An editor that makes an experiment of ``examples/tiny`` of the one whose spec it is given, and leaves its name."""
    program = home / "editor"
    lines = [
        'folder=$(dirname "$1"); name=$(grep ^name: "$1")',
        f'cp "{sources}"/examples/tiny/experiment.py "{sources}"/examples/tiny/spec.yaml "$folder"',
        'sed -i "s/^name:.*/$name/" "$1"',
    ]
    program.write_text("\n".join(["#!/bin/sh", "set -e", *lines, ""]))
    program.chmod(0o755)
    return program


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.network
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("document", [document for document in DOCUMENTS if commands(document)], ids=name_of)
def test_its_commands(desk: Desk, document: Path) -> None:
    shown = commands(document)
    if any("docker" in one.line for one in shown):
        require_engine("docker")
    desk.here = desk.home
    for one in shown:
        if one.line in NOT_RUN:
            continue
        for typed in map(substituted, one.typed):
            ended = desk.run(typed)
            assert ended.code in codes(typed), f"{name_of(document)}: {typed}\n{ended.text}"
            assert "Traceback" not in ended.err


def substituted(typed: str) -> str:
    for shown, there in SUBSTITUTES.items():
        typed = typed.replace(shown, there)
    return typed


def codes(typed: str) -> set[int]:
    """A doctor may find that this machine lacks something."""
    if typed.startswith("exseos doctor"):
        return {0, 1}
    beginnings = [beginning for beginning in CODES if typed.startswith(beginning)]
    return {CODES[max(beginnings, key=len)] if beginnings else 0}


def test_what_is_not_run_is_shown_somewhere_and_is_no_command_of_ours() -> None:
    shown = {one.line for document in DOCUMENTS for one in commands(document)}
    assert set(NOT_RUN) <= shown
    assert not any(line.startswith("exseos") for line in NOT_RUN)


def test_commands_are_found() -> None:
    found = {name_of(document): len(commands(document)) for document in DOCUMENTS}
    assert found["README.md"] >= 12
    assert {"docs/capsule.md", "docs/doctor.md", "docs/metrics.md", "docs/replay.md", "docs/toolchains.md"} <= {
        name for name, number in found.items() if number
    }
    assert list(expanded("a [--x] [--y b|c]")) == ["a", "a --x", "a --y b", "a --y c"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_running_text_exist(document: Path) -> None:
    for text in inline(document):
        assert_exists(text.split()[1:], text)


def assert_exists(words: list[str], text: str) -> None:
    """``words`` lead to a command of ours, and it has all options that they name."""
    command: click.Command = _group()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"there is no `{text}`"
        command = found
    options = {name for parameter in command.get_params(click.Context(command)) for name in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, f"`{text}` has an option that there is not"
