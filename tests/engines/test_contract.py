"""What every engine promises (``exseos.engines.base``), tried by a hostile program in a real container."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import pty
import secrets
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from exseos.engines.base import Command, Engine, Limits, Mount
from exseos.errors import ExseosError, HostError, UsageError
from tests.engines.folder_image import FolderImage
from tests.engines.running import SMALL, assert_stopped, run

pytestmark = pytest.mark.engine
MIB = 1 << 20


def test_binary_data_passes_both_pipes(engine: Engine, image: FolderImage) -> None:
    data = os.urandom(5 * MIB)
    process = engine.start(image, Command(["hostile", "cat"]), [], SMALL)
    with process.stdin, process.stdout:
        process.stdin.write(b"one line\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"one line\n"  # while it runs, in both directions

        def send() -> None:
            process.stdin.write(data)
            process.stdin.close()

        sender = threading.Thread(target=send)
        sender.start()
        assert process.stdout.read() == data
        sender.join()
        assert process.wait(10) == 0


def test_output_and_error_stay_apart_and_only_the_tail_of_errors_is_kept(engine: Engine, image: FolderImage) -> None:
    outcome = run(engine, image, ["shout", 20 * MIB, 3 * MIB])
    assert (outcome.code, len(outcome.out), len(outcome.err)) == (0, 20 * MIB, 64 << 10)


@pytest.mark.parametrize("code", [0, 3, 255])
def test_exit_code(engine: Engine, image: FolderImage, code: int) -> None:
    outcome = run(engine, image, ["exit", code])
    assert (outcome.code, outcome.reason) == (code, None)


def test_death_by_signal(engine: Engine, image: FolderImage) -> None:
    assert run(engine, image, ["raise", int(signal.SIGSEGV)]).code == 128 + signal.SIGSEGV


def test_missing_program_is_told(engine: Engine, image: FolderImage) -> None:
    try:
        process = engine.start(image, Command(["/no/such/program"]), [], SMALL)
        assert process.wait(10) != 0
        told = process.reason() or ""
    except ExseosError as error:
        told = str(error)
    assert "/no/such/program" in told


def test_kill_ends_all_processes_of_a_program_that_ignores_signals(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    process = engine.start(image, Command(["hostile", "stubborn", "/out/beat"]), [Mount(tmp_path, "/out", writable=True)], SMALL)
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(TimeoutError):
            process.wait(0.05)
        process.kill()
        assert process.wait(10) == 128 + signal.SIGKILL
        process.kill()
        assert process.reason() is None
    assert_still(tmp_path / "beat")


def test_time_limit(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    mounts = [Mount(tmp_path, "/out", writable=True)]
    began = time.monotonic()
    outcome = run(engine, image, ["stubborn", "/out/beat"], mounts, Limits(seconds=0.5))
    assert (outcome.code, outcome.reason) == (128 + signal.SIGKILL, "time limit of 0.5 s")
    assert time.monotonic() - began < 8
    assert_still(tmp_path / "beat")


def test_container_outlives_the_thread_that_started_it(engine: Engine, image: FolderImage) -> None:
    started = []
    thread = threading.Thread(target=lambda: started.append(engine.start(image, Command(["hostile", "cat"]), [], SMALL)))
    thread.start()
    thread.join()
    with started[0].stdin as stdin, started[0].stdout as stdout:
        time.sleep(0.1)
        stdin.write(b"alive")
        stdin.close()
        assert stdout.read() == b"alive"
        assert started[0].wait(10) == 0


@pytest.mark.parametrize("ignores_end_of_input", [False, True])
def test_killed_host_leaves_no_container(engine: Engine, image: FolderImage, tmp_path: Path, ignores_end_of_input: bool) -> None:
    argv = ["hostile", "stubborn", "/out/beat"] if ignores_end_of_input else ["hostile", "cat"]
    read, write = os.pipe()
    host = os.fork()
    if host == 0:
        try:
            engine.start(image, Command(argv), [Mount(tmp_path, "/out", writable=True)], SMALL)
            os.write(write, b"started")
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb", buffering=0) as pipe:
        assert pipe.read(7) == b"started"
    time.sleep(0.2)
    os.kill(host, signal.SIGKILL)
    os.waitpid(host, 0)
    if engine.name == "docker":
        assert_no_container(str(host))
    assert_still(tmp_path / "beat")
    assert (tmp_path / "beat").exists() == ignores_end_of_input


def test_no_network(engine: Engine, image: FolderImage) -> None:
    abstract = f"exseos-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as named:
        named.bind("\0" + abstract)
        named.listen()
        with socket.create_connection(listener.getsockname()):
            pass
        assert_stopped(run(engine, image, ["network", listener.getsockname()[1], abstract]))


def test_the_hosts_network_on_demand_and_nothing_else(engine: Engine, image: FolderImage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["loopback", listener.getsockname()[1]]
        connected, *others = run(engine, image, command, host_network=True).lines
        assert connected == "succeeded: connect to the host's loopback"
        assert [line for line in others if not line.startswith("stopped: ")] == []
        assert_stopped(run(engine, image, command))


def test_names_are_resolved_with_the_hosts_network(engine: Engine, image: FolderImage) -> None:
    files = ["/etc/hosts", "/etc/resolv.conf"]
    there = [name for name in files if Path(name).is_file()]
    lines = run(engine, image, ["read", *there], host_network=True).lines
    assert lines == [f"succeeded: {name}" for name in there]


def test_no_write_outside_its_folder(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("x")
    paths = ["/x", "/etc/passwd", "/etc/x", "/opt/hostile/x", "/usr/x", "/dev/x", "/in/x", "/in/file", "/data/x", "/data/a/x", "/proc/x"]
    paths += ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/sys/x"]
    mounts = [Mount(tmp_path / "in", "/in"), Mount(tmp_path / "in/file", "/data/a/file")]
    assert_stopped(run(engine, image, ["write", *paths], mounts))
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["file"]
    assert not (image.rootfs() / "x").exists()


def test_no_read_of_the_host(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    paths = ["/etc/shadow", "/etc/machine-id", "/root", "/home", tmp_path / "secret", Path(__file__), Path.home(), "/dev/mem", "/dev/kmsg"]
    paths += [
        "/dev/vda",
        "/dev/sda",
        "/proc/kcore",
        "/var/run/docker.sock",
        "/run/systemd",
        "/run/user",
        "/proc/1/root/etc/shadow",
        f"/proc/{os.getpid()}",
    ]
    assert_stopped(run(engine, image, ["read", *paths]))


def test_no_privileges(engine: Engine, image: FolderImage) -> None:
    outcome = run(engine, image, ["privileges", os.getpid()])
    listed = [line for line in outcome.lines if "name space" in line and "further user namespaces" in str(engine.unenforced())]
    assert_stopped(dataclasses.replace(outcome, out="\n".join(line for line in outcome.lines if line not in listed).encode()))


def test_no_keys_of_the_caller(engine: Engine, image: FolderImage) -> None:
    libc, add_key, invalidate = ctypes.CDLL(None, use_errno=True), 248, 21
    name = f"exseos-{secrets.token_hex(8)}".encode()
    key = libc.syscall(add_key, b"user", name, b"secret", ctypes.c_size_t(6), -3)
    assert key > 0, os.strerror(ctypes.get_errno())
    try:
        assert_stopped(run(engine, image, ["keys", name.decode()]))
    finally:
        libc.syscall(250, invalidate, key)


def test_processes_are_limited(engine: Engine, image: FolderImage) -> None:
    made = int(run(engine, image, ["forks", 500]).out)
    assert 40 <= made < 64 or "number of processes" in engine.unenforced()


def test_open_files_are_limited(engine: Engine, image: FolderImage) -> None:
    assert 90 <= int(run(engine, image, ["opens", 500]).out) < 100


@pytest.mark.parametrize("kind", ["private", "shared"])
def test_memory_is_limited(engine: Engine, image: FolderImage, kind: str) -> None:
    """Four processes of 100 MiB under a limit of 256 MiB: whichever kind of memory, some of them fail."""
    outcome = run(engine, image, ["eat", 100, kind, 4])
    if not any("memory" in item for item in engine.unenforced()):
        assert outcome.code != 0
        # Podman tells only when the first process itself was killed.
        assert outcome.reason == "out of memory" or engine.version().startswith("podman")
    assert run(engine, image, ["eat", 40, kind, 4]).code == 0


def test_memory_of_one_process_is_always_limited(engine: Engine, image: FolderImage) -> None:
    assert run(engine, image, ["eat", 300, "private", 1]).code != 0


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_temporary_folders_are_limited(engine: Engine, image: FolderImage, folder: str) -> None:
    assert int(run(engine, image, ["fill", f"{folder}/x", 64]).out) in (15, 16)


def test_temporary_folder_is_private_and_fresh(engine: Engine, image: FolderImage) -> None:
    assert int(run(engine, image, ["fill", "/tmp/x", 1]).out) == 1
    assert_stopped(run(engine, image, ["read", "/tmp/x"]))


def test_no_typing_into_the_callers_terminal(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:  # a process with a controlling terminal, as a user's shell has
        outcome = b"failed"
        try:
            outcome = run(engine, image, ["terminal"]).out
        finally:
            (tmp_path / "outcome").write_bytes(outcome)
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
    lines = (tmp_path / "outcome").read_text().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("stopped: ") for line in lines)


def test_environment_is_the_image_s_and_the_command_s_alone(
    engine: Engine, image: FolderImage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    monkeypatch.setenv("HTTP_PROXY", "http://user:password@proxy.invalid")
    (tmp_path / "config.json").write_text('{"proxies": {"default": {"httpProxy": "http://user:password@proxy.invalid"}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    outcome = run(engine, image, ["environment"], environment={"TZ": "Asia/Tokyo", "SEED": "a=b c"}, workdir="/etc")
    assert sorted(outcome.lines) == [
        "HOME=/tmp",
        "HOSTNAME=exseos",
        "LC_ALL=C.UTF-8",
        "PATH=/opt/hostile:/bin",
        "PWD=/etc",
        "SEED=a=b c",
        "TERM=dumb",
        "TZ=Asia/Tokyo",
        "container=exseos",
    ]


def test_the_caller_does_not_show(engine: Engine, image: FolderImage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Umask, time zone, folder and open files of the caller change nothing; there are no capabilities and no foreign processes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    previous = os.umask(0o077)
    try:
        with (tmp_path / "open").open("w") as stream:
            os.set_inheritable(stream.fileno(), True)
            lines = run(engine, image, ["look"]).lines
    finally:
        os.umask(previous)
    assert lines[:4] == ["umask 022", "hostname exseos", "cwd /", "hour 0"]
    assert [line for line in lines if line.startswith("fd")] == ["fd 0", "fd 1", "fd 2"]
    capabilities = [line.split()[1] for line in lines if line.startswith("Cap")]
    assert len(capabilities) == 5
    assert {int(value, 16) for value in capabilities} == {0}
    assert "NoNewPrivs:\t1" in lines
    assert len([line for line in lines if line.startswith("process")]) == 2  # the first process, and itself


def test_written_files_are_the_owner_s(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    outcome = run(engine, image, ["fill", "/out/file", 2], [Mount(tmp_path, "/out", writable=True)])
    assert int(outcome.out) == 2
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_size, status.st_mode & 0o777) == (tmp_path.stat().st_uid, 2 * MIB, 0o644)


def test_mounts_show_at_places_that_the_image_lacks(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    targets = ["/data/events/file", "/opt/vendor/2024.1/tool", "/etc/passwd"]
    mounts = [Mount(tmp_path / name, target) for name, target in zip("abc", targets, strict=True)]
    assert run(engine, image, ["cat", *targets], mounts).out == b"abc"
    assert run(engine, image, ["exit", 4], mounts).code == 4  # what the image holds beside them is still there


@pytest.mark.parametrize("target", ["relative", "/", "/a/../b", "/a//b", "/a:b", "/a/."])
def test_bad_mount_targets_are_refused(engine: Engine, image: FolderImage, tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match="target"):
        engine.start(image, Command(["hostile", "exit", "0"]), [Mount(tmp_path, target)], SMALL)


def test_missing_mount_source_is_refused_and_not_made(engine: Engine, image: FolderImage, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="source"):
        engine.start(image, Command(["hostile", "exit", "0"]), [Mount(tmp_path / "no", "/in")], SMALL)
    assert not (tmp_path / "no").exists()


def test_a_relative_mount_source_is_refused_before_any_engine_sees_it() -> None:
    with pytest.raises(UsageError, match="source must be an absolute path"):
        Mount(Path("d.csv"), "/data/events")


def test_load_again_and_remove(engine: Engine, image: FolderImage, hostile_folder: Path) -> None:
    other = FolderImage(hostile_folder, {"PATH": "/opt/hostile", "OTHER": "1"})
    assert engine.load(other) == engine.load(other) == other.id != image.id
    assert "OTHER=1" in run(engine, other, ["environment"]).lines
    engine.remove(other)
    engine.remove(other)
    assert engine.load(image) == image.id


def test_version_names_the_product(engine: Engine) -> None:
    product, number = engine.version().split(maxsplit=1)
    assert product in ("bubblewrap", "docker", "podman")
    assert number[0].isdigit()


def assert_still(path: Path) -> None:
    """Nothing writes to ``path`` any more (within 5 s, since a killed host's sandbox ends a moment later)."""
    for _ in range(50):
        size = path.stat().st_size if path.exists() else 0
        time.sleep(0.1)
        if size == (path.stat().st_size if path.exists() else 0):
            return
    pytest.fail(f"{path} still grows: a process outlived its container")


def assert_no_container(label: str) -> None:
    """Within 10 s, no container of the host process ``label`` is left, running or ended."""
    import docker

    client = docker.APIClient(**docker.utils.kwargs_from_env(), version="auto")
    for _ in range(100):
        if not client.containers(all=True, filters={"label": f"exseos={label}"}):
            return
        time.sleep(0.1)
    pytest.fail("a container outlived its host")
