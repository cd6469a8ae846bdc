"""Making a lock of a spec, and telling whether one still fits: never changed silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exseos import resolve as room
from exseos.errors import UsageError
from exseos.fetch import Download
from exseos.lock import Lock, WheelPin, read_lock
from exseos.progress import Quiet
from exseos.resolve import find_lock, lock_folder, make_lock, misfits
from exseos.resolve.wheels import bring_wheels, wheel_download
from exseos.spec import Spec, read_spec
from tests.resolve.loopback import Site

SPEC = """\
exseos: 1
name: one
title: One
environment: {requirements: [one==1.0]}
data: {events: {path: events.csv, format: csv, target: kind}}
model: {call: experiment.py:build}
"""


class Heard(Quiet):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text("x,kind\n1,a\n")
    (tmp_path / "experiment.py").write_text("")
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def world(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An index with what the spec and the worker need."""
    site.add("one-1.0-py3-none-any.whl", requires=("two",))
    site.add("two-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
    site.add("two-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")
    site.add("own-3.0-py3-none-any.whl")
    monkeypatch.setattr(room, "_own_requirements", lambda: ["own>=3"])
    return site


def spec(folder: Path, change: tuple[str, str] | None = None) -> Spec:
    if change is not None:
        assert change[0] in (folder / "spec.yaml").read_text()
        (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace(*change))
    return read_spec(folder / "spec.yaml")


def lock_of(folder: Path) -> Lock:
    return make_lock(spec(folder), folder / "cache", Quiet())


def test_a_lock_holds_everything(folder: Path, world: Site) -> None:
    lock = lock_of(folder)
    assert [pin.filename for pin in lock.wheels] == [
        "one-1.0-py3-none-any.whl",
        "own-3.0-py3-none-any.whl",
        "two-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    ]
    assert lock.data["events"].filename == "events.csv"
    assert lock.exseos is None
    assert {"python3.11", "g++"} <= {package.name for package in lock.packages}
    assert misfits(lock, spec(folder).experiment()) == []


def test_two_locks_of_one_moment_are_the_same_bytes(folder: Path, world: Site) -> None:
    one, two = lock_of(folder), lock_of(folder)
    assert one.pylock_bytes() == two.pylock_bytes()
    same = {"exclude_newer": "2026-01-01T00:00:00Z"}
    assert one.model_copy(update=same).json_bytes() == two.model_copy(update=same).json_bytes()


def test_nothing_of_this_machine_is_in_a_lock(folder: Path, world: Site) -> None:
    lock = lock_of(folder)
    text = (lock.json_bytes() + lock.pylock_bytes()).decode()
    for secret in (str(folder), "127.0.0.1", "://", Path.home().as_posix()):
        assert secret not in text


def test_the_first_build_writes_the_lock_and_says_so(folder: Path, world: Site) -> None:
    heard = Heard()
    lock = find_lock(spec(folder), folder / "cache", heard)
    assert lock == read_lock(lock_folder(folder / "spec.yaml"))
    assert "wrote the lock to spec.lock/: keep it with the spec" in heard.lines


def test_a_lock_that_fits_is_used_as_it_is_and_nobody_is_asked(folder: Path, world: Site) -> None:
    find_lock(spec(folder), folder / "cache", Quiet())
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (folder / "spec.lock").iterdir()}
    world.asked.clear()
    world.add("one-1.0-py3-none-any.whl", b"another file")
    find_lock(spec(folder, ("title: One", "title: Two")), folder / "cache", Quiet())
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (folder / "spec.lock").iterdir()} == before
    assert world.asked == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("one==1.0", "one>=1.0"), "environment"),
        (("[one==1.0]", "[one==1.0], packages: [libgomp1]"), "environment, toolchain"),
        (("path: events.csv", "path: ./events.csv"), "data.events"),
        (("{events: {", "{more: {path: events.csv, format: csv}, events: {"), "data.more"),
        (("{events: {", "{others: {"), "data.events, data.others"),
        (("format: csv", f"format: csv, sha256: {'a' * 64}"), "data.events"),
        (("model:", "synthesize: {toolchain: open}\nmodel:"), "toolchain"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_lock_that_no_longer_fits_is_an_error_that_names_the_part(folder: Path, world: Site, change: tuple[str, str], part: str) -> None:
    find_lock(spec(folder), folder / "cache", Quiet())
    before = {path.name: path.read_bytes() for path in (folder / "spec.lock").iterdir()}
    with pytest.raises(UsageError) as caught:
        find_lock(spec(folder, change), folder / "cache", Quiet())
    assert caught.value.what == f"the lock no longer fits the spec: {part} changed"
    assert caught.value.where == str(folder / "spec.lock")
    assert caught.value.hint == "Make it anew with `exseos lock spec.yaml`, or undo the change."
    assert {path.name: path.read_bytes() for path in (folder / "spec.lock").iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        ("title: One", "title: Two"),
        ("target: kind", "target: x"),
        ("format: csv", "format: csv, redistribute: false, license: MIT, options: {header: true}"),
        ("model:", "train: {epochs: 3}\nmodel:"),
    ],
)
def test_what_a_lock_does_not_depend_on(folder: Path, world: Site, change: tuple[str, str]) -> None:
    find_lock(spec(folder), folder / "cache", Quiet())
    find_lock(spec(folder, change), folder / "cache", Quiet())


def test_another_version_of_exseos_may_need_other_packages(folder: Path, world: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    find_lock(spec(folder), folder / "cache", Quiet())
    monkeypatch.setattr(room, "_own_requirements", lambda: ["own>=4"])
    with pytest.raises(UsageError, match="exseos's own requirements changed"):
        find_lock(spec(folder), folder / "cache", Quiet())


def test_half_a_lock_is_an_error(folder: Path, world: Site) -> None:
    find_lock(spec(folder), folder / "cache", Quiet())
    (folder / "spec.lock/pylock.toml").unlink()
    with pytest.raises(UsageError, match="the lock cannot be read"):
        find_lock(spec(folder), folder / "cache", Quiet())
    assert not (folder / "spec.lock/pylock.toml").exists()


def test_the_extra_experiment_is_what_the_worker_needs() -> None:
    own = " ".join(room._own_requirements())
    assert "hls4ml" in own
    assert "docker" not in own
    assert "extra ==" not in own


def test_wheels_are_brought_from_the_index_once(folder: Path, world: Site) -> None:
    lock = lock_of(folder)
    files = bring_wheels(lock.wheels, python="3.11", cache=folder / "cache", progress=Quiet())
    assert [path.name for path in files] == [pin.sha256 for pin in lock.wheels]
    world.asked.clear()
    assert bring_wheels(lock.wheels, python="3.11", cache=folder / "cache", progress=Quiet()) == files
    assert world.asked == []


def test_a_wheel_cut_by_the_disk_is_brought_again(folder: Path, world: Site) -> None:
    lock = lock_of(folder)
    first = bring_wheels(lock.wheels, python="3.11", cache=folder / "cache", progress=Quiet())[0]
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert bring_wheels(lock.wheels, python="3.11", cache=folder / "cache", progress=Quiet())[0].read_bytes() == whole


def test_a_size_that_is_not_known_is_no_size() -> None:
    pin = WheelPin(name="one", version="1", filename="one-1-py3-none-any.whl", size=0, sha256="0" * 64)
    wanted = Download(urls=("u",), sha256="0" * 64, size=None, name=pin.filename, origin="wheel one-1-py3-none-any.whl")
    assert wheel_download(pin, "u") == wanted


@pytest.mark.parametrize("name", ["tiny", "magic"])
def test_the_shipped_locks_fit_their_specs(name: str) -> None:
    path = Path(__file__).parents[2] / "examples" / name / "spec.yaml"
    lock: Any = read_lock(lock_folder(path))
    assert misfits(lock, read_spec(path).experiment()) == []
    assert set(json.loads(lock.json_bytes())["request"]) == {"environment", "toolchain", "exseos's own requirements", "data.events"}
