"""What a worker of a mounted toolchain sees: the installation at its own path, its licences, and nothing in the image's way."""

from __future__ import annotations

from pathlib import Path

import pytest

from exseos.errors import UsageError
from exseos.lock import ToolchainPin
from exseos.study.vendor import Vendor, described
from exseos.toolchains.vendor.installation import Installation, vendor
from exseos.worker.protocol import Mounted

PIN = ToolchainPin(name="vitis", version="2023.2", fingerprint="sha256:" + "a" * 64, licence_variables=("LM_LICENSE_FILE",))


def mounted(*paths: Path, network: bool = False) -> Vendor:
    return Vendor(Installation(vendor("vitis"), paths[0], "2023.2", PIN.fingerprint, paths), PIN, network)


@pytest.fixture(autouse=True)
def unlicensed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_each_folder_at_its_own_path_read_only() -> None:
    mounts = mounted(Path("/tools/Xilinx/Vitis/2023.2"), Path("/tools/Xilinx/Vivado/2023.2")).mounts()
    assert [(str(mount.source), mount.target, mount.writable) for mount in mounts] == [
        ("/tools/Xilinx/Vitis/2023.2", "/tools/Xilinx/Vitis/2023.2", False),
        ("/tools/Xilinx/Vivado/2023.2", "/tools/Xilinx/Vivado/2023.2", False),
    ]


def test_a_folder_inside_another_is_mounted_once() -> None:
    assert [mount.target for mount in mounted(Path("/tools/a/b"), Path("/tools/a"), Path("/tools/ab")).mounts()] == [
        "/tools/a",
        "/tools/ab",
    ]


@pytest.mark.parametrize(
    "path", ["/", "/usr", "/usr/bin", "/opt", "/opt/exseos", "/tmp", "/in/x", "/out", "/warm", "/proc/1", "/dev/shm/x"]
)
def test_a_path_that_would_hide_the_image_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be mounted at its own path") as caught:
        mounted(Path(path)).mounts()
    assert caught.value.where == path
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "path", ["/opt/Xilinx/Vitis/2023.2", "/usr/local/Xilinx", "/home/somebody/tools", "/tmp/tools", "/optional", "/data/x", "/spec"]
)
def test_any_other_path_is_taken(path: str) -> None:
    assert [mount.target for mount in mounted(Path(path)).mounts()] == [path]


def test_licences_pass_and_their_files_are_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licence = tmp_path / "xilinx.lic"
    licence.write_text("FEATURE")
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("b.lic", "a.dat", "private.txt"):
        (folder / name).write_text("FEATURE")
    value = f"2100@server:{tmp_path}/x/../xilinx.lic:/nowhere.lic:{folder}"
    monkeypatch.setenv("XILINXD_LICENSE_FILE", value)
    monkeypatch.setenv("MGLS_LICENSE_FILE", "1717@other")
    there = mounted(Path("/tools/vitis"))
    assert there.variables == {"XILINXD_LICENSE_FILE": value}
    found = [mount.target for mount in there.mounts()]
    assert found == ["/tools/vitis", str(licence), str(folder / "a.dat"), str(folder / "b.lic")]


@pytest.mark.parametrize("value", ["/", "/etc", "/usr/lib", "relative.lic", "2100@server"])
def test_a_licence_that_names_no_file_mounts_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_LICENSE_FILE", value)
    assert [mount.target for mount in mounted(Path("/tools/vitis")).mounts()] == ["/tools/vitis"]


def test_a_licence_file_that_cannot_be_mounted_is_told_by_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_LICENSE_FILE", "/proc/version")
    with pytest.raises(UsageError, match="LM_LICENSE_FILE names a file that cannot be mounted") as caught:
        mounted(Path("/tools/vitis")).mounts()
    assert "/proc/version" not in str(caught.value)


def test_the_network_is_told_only_if_there_is_one() -> None:
    assert mounted(Path("/tools/vitis")).variables == {}
    assert mounted(Path("/tools/vitis"), network=True).variables == {"EXSEOS_NETWORK": "host"}


def test_the_task_has_what_the_lock_says() -> None:
    assert mounted(Path("/tools/vitis")).mounted == {"vitis": Mounted(root="/tools/vitis", version="2023.2", fingerprint=PIN.fingerprint)}


def test_a_stand_in_is_described_as_one() -> None:
    assert described(PIN) == "Vitis HLS 2023.2"
    assert described(PIN.model_copy(update={"fingerprint": "stand-in:" + "a" * 64})) == "Vitis HLS 2023.2 (STAND-IN, not the real tool)"
