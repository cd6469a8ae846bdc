"""A build that dies at any moment loses nothing that was finished, and leaves nothing half-made or running."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exseos.engines.docker import connect
from exseos.image.tar import tree_tar
from exseos.records.index import Index
from exseos.records.names import INDEX
from tests.e2e.conftest import CAPSULE, ENGINES, require_engine
from tests.e2e.running import Ended, Exseos

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

KILLS = 20
ASSEMBLY_KILLS = 4


@pytest.fixture(scope="module")
def reference(warm: Exseos) -> Index:
    """The index of an undisturbed build."""
    with zipfile.ZipFile(warm.folder / CAPSULE) as archive:
        return Index.parse(archive.read(INDEX))


def killed_after(exseos: Exseos, seconds: float, *arguments: str | Path) -> Ended:
    """Start a command and kill its process alone, as the kernel's out-of-memory killer would, unless it ends before."""
    with exseos.start(*arguments) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        out, err = process.communicate(timeout=60)
    wait_until_nothing_runs(exseos.store, process.pid)
    return Ended(process.returncode, out, err)


def wait_until_nothing_runs(store: Path, pid: int) -> None:
    """No process sees the store's scratch folders any more, and no container bears the label of the dead process."""
    deadline = time.monotonic() + 30
    while running := [*processes_in(store), *containers_of(pid)]:
        assert time.monotonic() < deadline, f"still running: {running}"
        time.sleep(0.1)


def processes_in(store: Path) -> Iterator[str]:
    """Processes in a sandbox with a mount from ``store/scratch``."""
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            if f"{store}/scratch/" in mounts.read_text():
                yield (mounts.parent / "cmdline").read_text().replace("\0", " ")


def containers_of(pid: int) -> list[str]:
    return [container["Id"] for container in connect(30).containers(filters={"label": f"exseos={pid}"})]


def finished_stages(store: Path, reference: Index) -> set[str]:
    """Names of the stages in the store; each is whole, whatever happened to those that put them there."""
    names = {record.key: record.stage for record in reference.stages}
    found = set()
    for folder in (store / "stages").iterdir():
        lines = (folder / "manifest.txt").read_text().splitlines()
        expected = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        outputs = [path for path in (folder / "outputs").rglob("*") if path.is_file()]
        assert {str(path.relative_to(folder / "outputs")): hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs} == expected
        assert json.loads((folder / "record.json").read_bytes())["key"] == folder.name
        found.add(names[folder.name])
    return found


@pytest.mark.timeout(3600)
def test_twenty_kills_lose_and_repeat_nothing(fresh: Exseos, sources: Path, reference: Index) -> None:
    for name in ENGINES:
        require_engine(name)
    chance = random.Random(20)
    seconds_of = stage_seconds(fresh, sources)
    capsule = fresh.folder / CAPSULE
    killed, interrupted, done = 0, set(), set[str]()
    while killed < KILLS or (len(interrupted) < 3 and killed < 2 * KILLS):  # how fast the machine is changes
        engine = ENGINES[killed % 2]
        left = sum(seconds for stage, seconds in seconds_of.items() if stage not in done)
        ended = killed_after(fresh, chance.uniform(0, 0.9 * left + 3), *build(sources, capsule), "--engine", engine)
        for stage in done:
            assert f"{stage}: running" not in ended.err
        done = finished_stages(fresh.store, reference)
        assert len(list((fresh.store / "scratch").iterdir())) <= 3, "only the last dead process may have left something"
        if capsule.exists():
            assert_same(fresh, capsule, reference)
            capsule.unlink()
            shutil.rmtree(fresh.store / "stages")
            done = set()
        if ended.code == -9:
            killed += 1
            interrupted.add(
                next((line.split(":")[0] for line in reversed(ended.err.splitlines()) if ": running" in line), "before or after")
            )
        else:
            assert ended.code == 0, ended.text
    assert len(interrupted) >= 3, f"the kills must hit several stages: {interrupted}"

    ended = fresh(*build(sources, capsule), "--engine", "bubblewrap")
    assert ended.code == 0, ended.text
    for stage in done:
        assert f"{stage}: already in the store" in ended.err
    assert_same(fresh, capsule, reference)
    assert list((fresh.store / "scratch").iterdir()) == []
    assert [path.name for path in fresh.folder.iterdir() if "capsule" in path.name] == [capsule.name]


def build(sources: Path, capsule: Path) -> tuple[str | Path, ...]:
    return "capsule", "build", sources / "examples/tiny/spec.yaml", "-o", capsule, "--without", "image"


def stage_seconds(exseos: Exseos, sources: Path) -> dict[str, float]:
    """How long each stage takes on this machine now."""
    capsule = exseos.folder / "undisturbed.zip"
    ended = exseos(*build(sources, capsule), "--engine", "bubblewrap")
    assert ended.code == 0, ended.text
    with zipfile.ZipFile(capsule) as archive:
        facts = json.loads(archive.read("run/stages.json"))
    capsule.unlink()
    shutil.rmtree(exseos.store / "stages")
    return {fact["stage"]: fact["seconds"] for fact in facts}


def assert_same(exseos: Exseos, capsule: Path, reference: Index) -> None:
    ended = exseos("capsule", "verify", capsule)
    assert ended.code == 0, ended.text
    with zipfile.ZipFile(capsule) as archive:
        assert Index.parse(archive.read(INDEX)).id == reference.id


@pytest.mark.timeout(1800)
def test_kills_during_assembly_leave_no_half_made_layer(warm: Exseos, sources: Path, reference: Index, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "cache").mkdir(parents=True)
    for name in ("downloads", "origins"):
        (store / "cache" / name).symlink_to(warm.store / "cache" / name)
    exseos = warm.but(store=store, folder=tmp_path)
    chance = random.Random(4)
    for _ in range(ASSEMBLY_KILLS):
        ended = killed_after(exseos, chance.uniform(1, 20), "image", "build", sources / "examples/tiny/spec.yaml")
        assert ended.code == -9, ended.text
        for layer in (store / "cache/layers").glob("*"):
            assert digest_of(layer) == layer.name
    ended = exseos("image", "build", sources / "examples/tiny/spec.yaml")
    assert ended.code == 0, ended.text
    assert reference.image_id in ended.out
    assert list((store / "cache/tmp").iterdir()) == []
    assert list(store.rglob("*.part")) == []


def digest_of(layer: Path) -> str:
    digest = hashlib.sha256()
    for chunk in tree_tar(layer):
        digest.update(chunk)
    return digest.hexdigest()
