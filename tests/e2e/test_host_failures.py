"""What fails on the reviewer's machine in a replay: "not checkable here" with the reason and exit code 4, never a difference."""

from __future__ import annotations

import os
import re
import shutil
import signal
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from exseos.capsule import replay as replaying
from exseos.capsule.inspect import inspect
from exseos.capsule.verdict import Verdict
from exseos.engines.base import Command, ImageSource, Limits, Mount, Process
from exseos.engines.bubblewrap import Bubblewrap
from exseos.progress import Quiet
from exseos.store import Store
from tests.e2e.conftest import CAPSULE, require_engine
from tests.e2e.running import Ended, Exseos
from tests.e2e.test_full_disk import disk

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk or give a file away")


def replayed(exseos: Exseos, capsule: Path, *arguments: str, engine: str = "bubblewrap") -> tuple[dict[str, str], dict[str, str], Ended]:
    """What was said of the stages, and why."""
    ended = exseos("capsule", "replay", capsule, "--json", "--engine", engine, *arguments)
    assert ended.code == 4, ended.text
    assert "Traceback" not in ended.err
    verdict = Verdict.model_validate_json(ended.out)
    assert "different" not in {entry.verdict for entry in verdict.entries}
    stages = [entry for entry in verdict.entries if entry.kind == "stage"]
    return {one.name: one.verdict for one in stages}, {one.name: one.detail for one in stages}, ended


@pytest.fixture
def capsule(warm: Exseos) -> Path:
    return warm.folder / CAPSULE


def test_a_worker_that_is_killed(exseos: Exseos, capsule: Path) -> None:
    """As the kernel does when the machine is short of memory; the container that waits for its stage dies as well, and is replaced."""
    require_engine("bubblewrap")
    with exseos.start("capsule", "replay", capsule, "--json", "--engine", "bubblewrap") as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("train: loading TensorFlow"):
            assert process.poll() is None
        for worker in leaves(process.pid):
            os.kill(worker, signal.SIGKILL)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 4, f"{out}\n{err}"
    said = {entry.name: entry for entry in Verdict.model_validate_json(out).entries if entry.kind == "stage"}
    assert {name for name, entry in said.items() if entry.verdict != "identical"} == {"train"}
    assert said["train"].verdict == "not checkable here"
    assert "the worker ended in the middle of its work" in said["train"].detail


def leaves(process: int) -> list[int]:
    """The processes below ``process`` that have none below themselves."""
    children = [int(child) for path in Path(f"/proc/{process}/task").glob("*/children") for child in path.read_text().split()]
    return [leaf for child in children for leaf in leaves(child) or [child]]


def test_too_little_time(exseos: Exseos, capsule: Path) -> None:
    require_engine("bubblewrap")
    said, why, _ = replayed(exseos, capsule, "--hours", "0.0005")
    assert set(said.values()) <= {"identical", "not checkable here"}
    assert said["train"] == said["simulate"] == "not checkable here"
    late = [why[stage] for stage, verdict in said.items() if verdict == "not checkable here"]
    assert all(re.search(r"time limit of [01](\.\d+)? s|the time is up", reason) for reason in late), why
    assert "the time is up" in why["synthesize"]
    assert "--hours" in why["synthesize"]


class WithoutTools(Bubblewrap):
    """Workers that find no program, as in an image that lacks them."""

    name: ClassVar[str] = "without tools"

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        if command.argv[-1] == "exseos.worker":
            command = replace(command, environment={**command.environment, "PATH": "/nowhere"})
        return super().start(image, command, mounts, limits)


def test_a_tool_that_is_not_here(warm: Exseos, capsule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_engine("bubblewrap")
    monkeypatch.setattr(replaying, "choose", lambda name: (WithoutTools(), "the test asks for it"))
    verdict = replaying.replay(replaying.ReplayRequest(capsule), Store(warm.store), Quiet())
    assert verdict.exit_code == 4
    stages = {entry.name: entry for entry in verdict.entries if entry.kind == "stage"}
    assert {name for name, entry in stages.items() if entry.verdict == "identical"} == {"prepare", "train", "evaluate", "convert"}
    assert stages["simulate"].verdict == stages["synthesize"].verdict == "not checkable here"
    assert "the program 'g++' is not here" in stages["simulate"].detail


def test_a_changed_copy_of_the_image_is_made_again(exseos: Exseos, capsule: Path, tmp_path: Path) -> None:
    """What ran in it would have been another image's numbers."""
    require_engine("bubblewrap")
    image = inspect(capsule).image_id.removeprefix("sha256:")
    cache = tmp_path / "damaged/cache"
    cache.mkdir(parents=True)
    for path in (exseos.store / "cache").iterdir():
        if path.name != "rootfs":
            (cache / path.name).symlink_to(path)
    whole = shutil.copytree(exseos.store / "cache/rootfs" / image, cache / "rootfs" / image, symlinks=True, copy_function=link)
    compiler = whole / "root/usr/bin" / (whole / "root/usr/bin/g++").readlink()
    compiler.unlink()
    ended = exseos.but(store=cache.parent)("capsule", "replay", capsule, "--engine", "bubblewrap")
    assert ended.code == 0, ended.text
    assert compiler.exists()


def link(source: str, target: str) -> None:
    os.link(source, target, follow_symlinks=False)


@as_root
@pytest.mark.parametrize(
    ("engine", "reason", "remedy"),
    [
        ("bubblewrap", "Permission denied", "chmod a+r"),
        ("docker", "may not be read by user 65534", "chmod -R o+rX"),
    ],
)
def test_data_that_the_sandbox_may_not_read(exseos: Exseos, capsule: Path, engine: str, reason: str, remedy: str) -> None:
    require_engine(engine)
    data = exseos.folder / "magic.dat"
    with zipfile.ZipFile(capsule) as archive:
        data.write_bytes(archive.read("data/events/magic.dat"))
    os.chown(data, 12345, 12345)
    data.chmod(0o600)
    said, why, _ = replayed(exseos, capsule, "--data", "events=magic.dat", engine=engine)
    assert {name for name, verdict in said.items() if verdict != "identical"} == {"prepare"}
    assert reason in why["prepare"]
    assert remedy in why["prepare"]


@as_root
def test_a_disk_that_fills(warm: Exseos, capsule: Path, tmp_path: Path) -> None:
    require_engine("bubblewrap")
    codes = []
    for number, mebibytes in enumerate((3, 4, 5)):
        with disk(tmp_path / f"store {number}", mebibytes) as store:
            (store / "cache").symlink_to(warm.store / "cache")
            ended = warm.but(store=store, folder=tmp_path)("capsule", "replay", capsule, "--engine", "bubblewrap")
            codes.append(ended.code)
            assert ended.code in (1, 4), ended.text
            assert "No space left on device" in ended.out + ended.err
    assert 4 in codes, codes
