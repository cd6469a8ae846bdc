"""Mirrors of this machine, and the checks on a suite's index."""

import hashlib
import lzma
from pathlib import Path

import pytest

from exseos.errors import DigestMismatch, HostError
from exseos.image.base_lock import ROOTS, base_lock
from exseos.image.mirror import SNAPSHOT, load_index, mirrors, package_downloads
from exseos.progress import Quiet

ONE_LINE = """
# deb http://comment.example/debian bookworm main
deb [arch=amd64 signed-by=/x.gpg] http://one.example/debian/ bookworm main contrib # more
deb-src http://source.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
deb http://updates.example/debian bookworm-updates main
deb http://other.example/debian trixie main
deb http://third.example/tool bookworm tool
deb cdrom:[Debian]/ bookworm main
"""
DEB822 = """
# mirrors
Types: deb deb-src
URIs: https://two.example/debian http://one.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no
"""


class Steps(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)


def test_mirrors_of_apt(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d" / "notes.txt").write_text("deb http://no.example/debian bookworm main")
    assert mirrors({}, tmp_path) == ["http://one.example/debian", "https://two.example/debian"]
    assert mirrors({"EXSEOS_DEBIAN_MIRROR": "file:///mirror/"}, tmp_path) == ["file:///mirror"]
    assert mirrors({}, tmp_path / "none") == []


def test_packages_come_from_the_snapshot_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", "http://mirror.example/debian")
    lock = base_lock()
    download = package_downloads(lock.packages, lock.date)[0]
    assert download.urls == (f"http://mirror.example/debian/{lock.packages[0].path}", f"{SNAPSHOT}/{lock.date}/{lock.packages[0].path}")


def test_base_lock_is_whole_and_in_its_own_form() -> None:
    lock = base_lock()
    names = [one.name for one in lock.packages]
    assert lock.text() == (Path(__file__).parents[2] / "exseos/image/base.lock").read_text()
    assert lock.roots == ROOTS
    assert set(ROOTS) <= set(names)
    assert names == sorted(set(names))
    assert all(one.path.startswith("pool/main/") and len(one.sha256) == 64 and one.size > 0 for one in lock.packages)
    assert "://" not in lock.text()


PACKAGES = b"Package: thing\nVersion: 1\nFilename: pool/thing.deb\nSize: 3\nSHA256: " + b"a" * 64 + b"\n\n"


def write_suite(folder: Path, packages: bytes = PACKAGES, origin: str = "Debian") -> str:
    data = lzma.compress(PACKAGES)
    suite = folder / "dists" / "bookworm"
    (suite / "main" / "binary-amd64").mkdir(parents=True)
    (suite / "main" / "binary-amd64" / "Packages.xz").write_bytes(lzma.compress(packages))
    digest = hashlib.sha256(data).hexdigest()
    (suite / "InRelease").write_text(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
        f"Origin: {origin}\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nMD5Sum:\n {'0' * 32} 1 main/binary-amd64/Packages.xz\n"
        f"SHA256:\n {digest} {len(data)} main/binary-amd64/Packages.xz\n"
        "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
    )
    return folder.as_uri()


@pytest.fixture
def no_gpgv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.mark.usefixtures("no_gpgv")
def test_index_without_gpgv_is_read_and_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", write_suite(tmp_path / "mirror"))
    steps = Steps()
    index = load_index(tmp_path, steps)
    assert list(index.packages) == ["thing"]
    assert index.date == "20260711T101637Z"
    assert any("gpgv is not installed" in line for line in steps.lines)


@pytest.mark.usefixtures("no_gpgv")
def test_changed_index_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = PACKAGES.replace(b"aaaa", b"bbbb", 1)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", write_suite(tmp_path / "mirror", changed))
    with pytest.raises((DigestMismatch, HostError)):
        load_index(tmp_path, Quiet())


@pytest.mark.usefixtures("no_gpgv")
def test_index_of_another_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", write_suite(tmp_path / "mirror", origin="Elsewhere"))
    with pytest.raises(HostError, match="not that of Debian"):
        load_index(tmp_path, Quiet())


def test_wrong_signature_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpgv = tmp_path / "bin" / "gpgv"
    gpgv.parent.mkdir()
    gpgv.write_text("#!/bin/sh\necho 'gpgv: BAD signature' >&2\nexit 1\n")
    gpgv.chmod(0o755)
    monkeypatch.setenv("PATH", str(gpgv.parent))
    monkeypatch.setattr("exseos.image.mirror.KEYRINGS", (str(gpgv),))
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", write_suite(tmp_path / "mirror"))
    with pytest.raises(HostError, match="BAD signature"):
        load_index(tmp_path, Quiet())


def test_no_mirror_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exseos.image.mirror.mirrors", list)
    with pytest.raises(HostError, match="EXSEOS_DEBIAN_MIRROR"):
        load_index(tmp_path, Quiet())
