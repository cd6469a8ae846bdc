"""What is bubblewrap's alone: which program runs, limits with and without control groups, folders of others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from exseos.engines import cgroup
from exseos.engines.base import Command, Limits, Mount
from exseos.engines.bubblewrap import Bubblewrap
from exseos.errors import HostError
from tests.engines.folder_image import FolderImage
from tests.engines.running import SMALL, run

pytestmark = pytest.mark.engine


def fake(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_machine_s_own_bwrap_comes_first(bundled_bwrap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{bundled_bwrap}:{os.environ['PATH']}")
    engine = Bubblewrap()
    assert engine.available() is None
    assert (engine._program.path, engine._program.filtered) == (str(bundled_bwrap / "bwrap"), True)
    assert engine.version() == "bubblewrap 0.11.0"


def test_an_old_bwrap_gives_way_to_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bwrap", "#!/bin/sh\necho 'bwrap: Unknown option --size' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    engine = Bubblewrap()
    assert engine.available() is None
    assert engine._program.path != str(tmp_path / "bwrap")


def test_no_user_name_spaces_at_all(tmp_path: Path) -> None:
    """For real: inside a user name space whose limit on further ones is 0."""
    script = "from exseos.engines.bubblewrap import Bubblewrap; print(Bubblewrap().available())"
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh", sys.executable, "-c", script]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert said.returncode == 0, said.stderr
    assert "the setting user.max_user_namespaces is 0" in said.stdout
    assert "sudo sysctl -w user.max_user_namespaces=15000" in said.stdout


def test_a_temporary_folder_without_programs_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For real: TMPDIR on a file system mounted noexec, as on hardened servers."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    script = "from exseos.engines.bubblewrap import Bubblewrap; print(Bubblewrap().available())"
    mount = f'mount -t tmpfs -o noexec none {tmp_path} && exec "$@"'
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    argv = ["unshare", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c", script]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert (said.stdout, said.stderr) == ("None\n", "")


def test_control_groups_enforce_everything_and_leave_nothing(image: FolderImage, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can rely on making control groups")
    before = set(cgroup.MOUNT.glob("**/exseos-*"))
    engine = Bubblewrap()
    assert engine.unenforced() == ()
    assert run(engine, image, ["eat", 300, "private", 1]).reason == "out of memory"
    assert set(cgroup.MOUNT.glob("**/exseos-*")) - before == set()


def test_without_control_groups_each_process_is_limited_and_the_rest_is_told(image: FolderImage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "create", lambda limits: None)
    monkeypatch.setattr(cgroup, "scope_command", lambda limits: None)
    engine = Bubblewrap()
    expected = 2 if os.geteuid() == 0 else 1  # the kernel does not count root's processes
    assert len(engine.unenforced()) == expected
    assert run(engine, image, ["eat", 300, "private", 1]).code != 0
    assert run(engine, image, ["eat", 100, "private", 1]).code == 0


def test_a_scope_of_systemd_carries_the_limits(image: FolderImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for systemd-run notes the limits it is given, reports them as set and runs the command."""
    script = f"""#!/bin/sh
while [ "$1" != -- ]; do echo "$1" >>{tmp_path}/limits; shift; done
shift
case "$*" in *memory.max*) echo {SMALL.memory_bytes} ;; *) exec "$@" ;; esac
"""
    fake(tmp_path / "systemd-run", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(cgroup, "create", lambda limits: None)
    assert cgroup.scope_command(Limits(memory_bytes=1)) is None  # the limit read back is another: not relied on
    assert run(Bubblewrap(), image, ["exit", 5]).code == 5
    noted = (tmp_path / "limits").read_text().split()
    assert {"--user", "--scope", f"MemoryMax={SMALL.memory_bytes}", "MemorySwapMax=0", f"TasksMax={SMALL.processes}"} <= set(noted)


def test_a_folder_of_another_user_is_refused(image: FolderImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(HostError, match="belongs to user"):
        Bubblewrap().start(image, Command(["hostile", "exit", "0"]), [Mount(tmp_path, "/out", writable=True)], SMALL)


def test_the_first_process_hides_the_host_s_paths(image: FolderImage) -> None:
    outcome = run(Bubblewrap(), image, ["cat", "/proc/1/cmdline", "/proc/1/environ"])
    assert b"--args" in outcome.out
    assert str(image.rootfs()).encode() not in outcome.out
    assert b"HOME=" not in outcome.out
