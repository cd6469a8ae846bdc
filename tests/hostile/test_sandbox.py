"""Attacks on the sandbox: by what a capsule says, by what its image holds, by what its programs do."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from exseos.engines.base import Command, Engine, Limits, Mount
from exseos.engines.bubblewrap import Bubblewrap
from exseos.engines.docker import Docker
from exseos.errors import CapsuleError, ExseosError, UsageError
from tests.engines.conftest import docker_daemon as docker_daemon
from tests.engines.conftest import engine as engine
from tests.engines.conftest import hostile_folder as hostile_folder
from tests.engines.conftest import image as image
from tests.engines.folder_image import FolderImage
from tests.engines.running import SMALL, Outcome, assert_stopped, run

pytestmark = pytest.mark.engine
MIB = 1 << 20
NOTHING = Command(["hostile", "exit", "0"])


# What a capsule says


@pytest.mark.parametrize("bad", ["a\0--bind\0/\0/host", "a\nb"], ids=["nul", "newline"])
@pytest.mark.parametrize("place", ["argument", "name", "value", "folder", "target"])
def test_no_string_becomes_several(engine: Engine, image: FolderImage, tmp_path: Path, bad: str, place: str) -> None:
    command = {
        "argument": Command(["hostile", bad]),
        "name": replace(NOTHING, environment={bad: "x"}),
        "value": replace(NOTHING, environment={"X": bad}),
        "folder": replace(NOTHING, workdir=f"/{bad}"),
        "target": NOTHING,
    }[place]
    with pytest.raises(UsageError, match="NUL or a newline"):
        engine.start(image, command, [Mount(tmp_path, f"/{bad}" if place == "target" else "/in")], SMALL)


def test_no_variable_of_the_image_becomes_an_option(engine: Engine, hostile_folder: Path) -> None:
    evil = FolderImage(hostile_folder, {"PATH": "/opt/hostile", "X": "y\0--bind\0/\0/host"})
    with pytest.raises(ExseosError):
        engine.load(evil)
        engine.start(evil, NOTHING, [], SMALL)


@pytest.mark.parametrize("name", ["", "A=B"])
def test_a_variable_has_a_name(engine: Engine, image: FolderImage, name: str) -> None:
    with pytest.raises(UsageError, match="environment variable"):
        engine.start(image, replace(NOTHING, environment={name: "x"}), [], SMALL)


def test_docker_runs_no_image_that_asks_for_more(docker_daemon: None, hostile_folder: Path) -> None:
    """Docker would add a volume, run a health check and set a variable by itself."""

    class Asking(FolderImage):
        @property
        def environment(self) -> dict[str, str]:
            return {}

    evil = Asking(hostile_folder, {"PATH": "/opt/hostile", "LD_PRELOAD": "/out/x.so"})
    with pytest.raises(CapsuleError, match="LD_PRELOAD"):
        Docker().load(evil)


# What an image holds


def copy_with(folder: Path, tmp_path: Path, name: str, target: str | None) -> FolderImage:
    """The hostile image with a symbolic link (or a file) ``name`` in its root."""
    root = tmp_path / "evil"
    shutil.copytree(folder, root, symlinks=True)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        path.rmdir()
    if target is None:
        path.write_text("not a folder")
    else:
        path.symlink_to(target)
    return FolderImage(root, {"PATH": "/opt/hostile:/bin"})


@pytest.mark.parametrize("prefix", ["", "/oldroot", "/proc/self/root", "../../../../../../oldroot"])
@pytest.mark.parametrize(("name", "at"), [("data", "/data/events"), ("data/a", "/data/a/b/events"), ("in", "/in"), ("out", "/out")])
def test_no_link_of_an_image_leads_a_mount_to_the_host(hostile_folder: Path, tmp_path: Path, prefix: str, name: str, at: str) -> None:
    """Bubblewrap follows a link in the new root while the host's files are still at /oldroot, and makes empty files there."""
    victim, source = tmp_path / "victim", tmp_path / "source"
    victim.mkdir()
    source.write_text("mine") if at.endswith("events") else source.mkdir()
    evil = copy_with(hostile_folder, tmp_path, name, f"{prefix}{victim}")
    with pytest.raises(CapsuleError, match="a symbolic link is in the way"):
        Bubblewrap().start(evil, NOTHING, [Mount(source, at, writable=at == "/out")], SMALL)
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("name", ["in", "spec", "warm", "out"])
def test_a_file_where_a_folder_is_mounted(hostile_folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "source").mkdir()
    evil = copy_with(hostile_folder, tmp_path, name, None)
    with pytest.raises(CapsuleError, match=f"a file is in the way of the mount at /{name}"):
        Bubblewrap().start(evil, NOTHING, [Mount(tmp_path / "source", f"/{name}")], SMALL)


def test_a_folder_where_a_file_is_mounted(image: FolderImage, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("x")
    with pytest.raises(CapsuleError, match="a folder is in the way of the mount at /etc"):
        Bubblewrap().start(image, NOTHING, [Mount(tmp_path / "source", "/etc")], SMALL)


def test_links_of_an_image_show_the_image_and_never_the_host(engine: Engine, hostile_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    root = tmp_path / "evil"
    shutil.copytree(hostile_folder, root, symlinks=True)
    for number, prefix in enumerate(["", "/oldroot", "/../../.."]):
        (root / f"link{number}").symlink_to(f"{prefix}{tmp_path}")
        (root / f"usr/link{number}").symlink_to(f"{prefix}{tmp_path}/secret")
    evil = FolderImage(root, {"PATH": "/opt/hostile:/bin"})
    engine.load(evil)
    paths = [path for number in range(3) for path in (f"/link{number}/secret", f"/usr/link{number}")]
    assert_stopped(run(engine, evil, ["read", *paths]))
    engine.remove(evil)


def test_no_link_of_an_image_leads_docker_to_the_host(docker_daemon: None, hostile_folder: Path, tmp_path: Path) -> None:
    """Docker resolves a target inside the root: the mount may end up elsewhere there, but not here."""
    victim, source = tmp_path / "victim", tmp_path / "source"
    victim.mkdir()
    source.write_text("mine")
    evil = copy_with(hostile_folder, tmp_path, "data", str(victim))
    Docker().load(evil)
    try:
        run(Docker(), evil, ["exit", 0], [Mount(source, "/data/events")])
    except ExseosError:
        pass
    finally:
        Docker().remove(evil)
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("writable", [True, False])
def test_no_mount_inside_what_a_container_wrote(engine: Engine, image: FolderImage, tmp_path: Path, writable: bool) -> None:
    victim, out = tmp_path / "victim", tmp_path / "out"
    victim.mkdir()
    out.mkdir(0o755)
    (out / "sub").symlink_to(f"/oldroot{victim}")
    mounts = [Mount(out, "/out", writable=writable), Mount(tmp_path, "/out/sub/x")]
    with pytest.raises((UsageError, CapsuleError), match=r"mounted inside /out|in the way"):
        engine.start(image, NOTHING, mounts, SMALL)
    assert list(victim.iterdir()) == []


@pytest.mark.parametrize("target", ["/proc/x", "/dev/x", "/sys", "/proc"])
def test_the_kernels_folders_are_no_places_for_mounts(engine: Engine, image: FolderImage, tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match="kernel"):
        engine.start(image, NOTHING, [Mount(tmp_path, target)], SMALL)


# What a program asks of the kernel


def said(outcome: Outcome) -> set[str]:
    assert outcome.code == 0, outcome
    return {line.rpartition(": ")[2] for line in outcome.lines}


def test_calls_that_computing_does_not_need(image: FolderImage) -> None:
    outcome = run(Bubblewrap(), image, ["calls"])
    assert len(outcome.lines) > 35
    assert_stopped(outcome)
    assert said(outcome) == {os.strerror(1)}  # by the filter, whatever the kernel would have said


def test_calls_that_are_too_new_do_not_exist(image: FolderImage) -> None:
    assert said(run(Bubblewrap(), image, ["absent"])) == {os.strerror(38)}


def test_what_programs_need_still_works(image: FolderImage) -> None:
    lines = run(Bubblewrap(), image, ["needed"]).lines
    assert len(lines) == 4
    assert all(line.startswith("succeeded: ") for line in lines), lines


def test_four_families_of_sockets(image: FolderImage) -> None:
    """Unix, IPv4, IPv6, netlink."""
    assert run(Bubblewrap(), image, ["families"]).lines == ["1", "2", "10", "16"]


@pytest.mark.parametrize("kind", ["i386", "x32"])
def test_other_conventions_of_calling_end_a_program(image: FolderImage, kind: str) -> None:
    outcome = run(Bubblewrap(), image, ["foreign", kind])
    assert (outcome.code, outcome.out) == (128 + 31, b"")


def test_no_file_that_runs_as_its_owner(image: FolderImage, tmp_path: Path) -> None:
    """What root's sandbox writes is root's outside."""
    assert_stopped(run(Bubblewrap(), image, ["set_id", "/out"], [Mount(tmp_path, "/out", writable=True)]))
    modes = [path.stat().st_mode for path in tmp_path.rglob("*")]
    assert modes
    assert [mode for mode in modes if mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_the_user_is_not_root(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    if engine.name == "docker" and engine._rootless:  # type: ignore[attr-defined]
        pytest.skip("rootless docker shows the caller as root")
    for mounts in ([], [Mount(tmp_path, "/out", writable=True)]):
        uid, gid = map(int, run(engine, image, ["who"], mounts).out.split())
        assert uid != 0
        assert gid != 0


# What a program writes


def out(folder: Path) -> list[Mount]:
    return [Mount(folder, "/out", writable=True)]


def bounded(**limits: int) -> Limits:
    return replace(SMALL, output_bytes=8 * MIB, output_files=500, stderr_bytes=4 * MIB, **limits)


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["sparse", "/out/x", 8], None),
        (["files", "/out", 450], None),
        (["deep", "/out", 60], None),
        (["sparse", "/out/x", 9], "more than 8 MiB of output"),
        (["files", "/out", 600], "more than 500 files of output"),
        (["deep", "/out", 100], "folders of output more than 64 deep"),
    ],
)
def test_output_is_limited_while_it_is_written(
    engine: Engine, image: FolderImage, tmp_path: Path, argv: list[object], reason: str | None
) -> None:
    began = time.monotonic()
    outcome = run(engine, image, argv, out(tmp_path), replace(bounded(), seconds=4 if reason is None else 60))
    assert outcome.code == 128 + 9
    assert outcome.reason == (reason or "time limit of 4 s")
    assert time.monotonic() - began < 20


def test_a_single_file_does_not_grow_far_beyond_the_limit(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    outcome = run(engine, image, ["fill", "/out/x", 4000], out(tmp_path), bounded())
    assert outcome.code != 0
    assert outcome.reason == "more than 8 MiB of output"
    assert (tmp_path / "x").stat().st_size <= 9 * MIB


def test_an_excess_of_the_last_moment_is_found_too(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    """It ends by itself, with exit code 0, before anybody counted."""
    (tmp_path / "before").write_bytes(bytes(6 * MIB))
    outcome = run(engine, image, ["fill", "/out/x", 3], out(tmp_path), bounded())
    assert (outcome.code, outcome.reason) == (128 + 9, "more than 8 MiB of output")


def test_all_writable_mounts_count_together(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/before").write_bytes(bytes(6 * MIB))
    mounts = [Mount(tmp_path / "a", "/a", writable=True), Mount(tmp_path / "b", "/b", writable=True)]
    assert run(engine, image, ["fill", "/b/x", 3], mounts, bounded()).reason == "more than 8 MiB of output"


def test_counting_neither_hangs_nor_is_led_away(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "large").mkdir()
    (tmp_path / "large/file").write_bytes(bytes(20 * MIB))
    outcome = run(engine, image, ["clutter", "/out", tmp_path / "large"], out(tmp_path / "out"), bounded())
    assert (outcome.code, outcome.reason) == (0, None)
    began = time.monotonic()
    limits = replace(bounded(), seconds=3)
    outcome = run(engine, image, ["swap", "/out", tmp_path / "large"], out(tmp_path / "out"), limits)
    assert outcome.reason == "time limit of 3 s"
    assert time.monotonic() - began < 15


def test_standard_error_is_limited(engine: Engine, image: FolderImage) -> None:
    outcome = run(engine, image, ["shout", 0, 100 * MIB], limits=bounded())
    assert (outcome.code, outcome.reason) == (128 + 9, "more than 4 MiB of standard error")


def test_standard_error_is_read_no_faster_than_needed(engine: Engine, image: FolderImage) -> None:
    began = time.monotonic()
    outcome = run(engine, image, ["shout", 0, 60 * MIB], limits=replace(SMALL, stderr_bytes=100 * MIB))
    assert (outcome.code, outcome.reason) == (0, None)
    assert time.monotonic() - began > 1.5


def test_all_processes_are_gone_when_wait_returns(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    """The first process ends, one that left its session and ignores signals goes on writing: not any more after ``wait``."""
    process = engine.start(image, Command(["hostile", "stubborn", "/out/beat"]), out(tmp_path), SMALL)
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"ready\n"
        threading.Timer(0.3, process.kill).start()
        process.wait(30)
        size = (tmp_path / "beat").stat().st_size
        time.sleep(0.5)
        assert (tmp_path / "beat").stat().st_size == size
