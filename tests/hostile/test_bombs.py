"""What is small and unpacks to much, or is broken in any way, is refused: soon, in little memory, and nothing of it is left."""

from __future__ import annotations

import io
import lzma
import os
import random
import socket
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from exseos.archive import ArchiveReader
from exseos.archive.zip_format import MAX_DIRECTORY_BYTES, MAX_ENTRIES, Member, central_header, check_names, end_records, local_header
from exseos.digest import canonical_json
from exseos.errors import CapsuleError, ExseosError, UsageError
from exseos.image.archive import check_archive
from exseos.image.assemble import assemble
from exseos.image.base_layer import _unpack
from exseos.image.bounds import MAX_IMAGE_BYTES, Allowance
from exseos.image.dockerfile import ContainerConfig
from exseos.image.image import blob, image_config, small_files
from exseos.image.parts import PartTree
from exseos.image.tar import END, TarEntry, header, padding
from exseos.progress import Quiet
from exseos.resolve.data import _extract
from tests.hostile.measure import Measured, measure
from tests.image import sample

MIB = 1 << 20
SECONDS, MEMORY = 5, 200 * MIB


def install(wheel: Path, cache: Path) -> Measured:
    """Make an image of ``wheel`` alone."""
    imports = "from exseos.image.assemble import assemble\nfrom exseos.image.layer import LayerStore\nfrom exseos.progress import Quiet"
    imports += "\nfrom exseos.image.assemble import wheel_layer"
    code = "wheel_layer([Path(sys.argv[1])], LayerStore(Path(sys.argv[2])), Quiet())"
    return measure(imports, code, str(wheel), str(cache))


def assert_refused(found: Measured, text: str, cache: Path) -> None:
    assert text in found.said
    assert found.seconds < SECONDS
    assert found.memory < MEMORY
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def zip_of(path: Path, members: dict[str, bytes], sizes: dict[str, int] | None = None, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip whose directory says of some members that they have other ``sizes``."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        for name, size in (sizes or {}).items():
            archive.getinfo(name).file_size = size
    return path


def wheel_of(path: Path, files: dict[str, bytes], **texts: bytes) -> Path:
    """A wheel with ``files``, and with ``WHEEL``, ``RECORD`` and others as given."""
    info = "bad-1.0.dist-info"
    members = {f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\n", f"{info}/RECORD": b"", f"{info}/METADATA": b"Name: bad\n"}
    members |= {f"{info}/{name.replace('_txt', '.txt')}": text for name, text in texts.items()}
    return zip_of(path, files | members)


def many_members(path: Path, count: int) -> Path:
    """A zip with so many members, without the time that zipfile takes to write them."""
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0x21, 0, 0, 0, 8, 0)
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0x21, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    names = [b"%08d" % number for number in range(count)]
    directory = b"".join(central + name for name in names)
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), len(local) + 8)
    end += struct.pack("<4sIQI", b"PK\6\7", 0, len(local) + 8 + len(directory), 1)
    end += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(local + names[0] + directory + end)
    return path


BOMBS: dict[str, tuple[Callable[[Path], object], str]] = {
    "declares 100 GB": (lambda path: zip_of(path, {"a": b"x"}, {"a": 100 << 30}), "declares"),
    "a million members": (lambda path: many_members(path, 1_000_000), "more than 200000 files"),
    "huge directory": (lambda path: many_members(path, 1_300_000), "a directory of"),
    "100,000 parts": (lambda path: zip_of(path, {"a/" * 30_000 + "b": b"x"}), "is longer than"),
    "500 parts": (lambda path: zip_of(path, {"a/" * 500 + "b": b"x"}), "is nested deeper"),
    "long name": (lambda path: zip_of(path, {"a" * 256: b"x"}), "has a name of more than 255 bytes"),
    "memory of lzma": (lambda path: zip_of(path, {"a": bytes(MIB)}, method=zipfile.ZIP_LZMA), "compressed as wheels are not"),
    "data that is a file": (lambda path: wheel_of(path, {"bad-1.0.data": b"x"}), "the name of a folder"),
    "RECORD of lines": (lambda path: wheel_of(path, {}, RECORD=b"\x0b" * (16 * MIB)), "more lines"),
    "RECORD too large": (lambda path: wheel_of(path, {}, RECORD=bytes(33 * MIB)), "its RECORD has"),
    "a huge field": (lambda path: wheel_of(path, {}, RECORD=b'"' + b"a" * 200_000 + b'",,'), "field larger than"),
    "entry points that grow": (
        lambda path: wheel_of(
            path, {}, entry_points_txt=b"[console_scripts]\n" + b"".join(b"a%d=%s\n" % (n, b"%%(a%d)s" % (n - 1) * 40) for n in range(1, 9))
        ),
        "has a %",
    ),
    "a line of spaces": (lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\na" + b" " * 200_000 + b"b"), "a line of"),
    "a script to change": (lambda path: wheel_of(path, {"bad-1.0.data/scripts/a": b"#!python\n" + bytes(17 * MIB)}), "the script"),
}


@pytest.mark.parametrize(("make", "text"), BOMBS.values(), ids=BOMBS.keys())
def test_a_wheel_that_is_a_bomb(tmp_path: Path, make: Callable[[Path], object], text: str) -> None:
    make(tmp_path / "bad.whl")
    assert (tmp_path / "bad.whl").stat().st_size < 100 * MIB
    assert_refused(install(tmp_path / "bad.whl", tmp_path / "cache"), text, tmp_path / "cache")


BROKEN: dict[str, Callable[[Path], object]] = {
    "size that lies": lambda path: zip_of(path, {"bad-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\n", "a": b"x" * 1000}, {"a": 10}),
    "entry point twice": lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\na=b:c\na=b:d\n"),
    "section twice": lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\na=b:c\n[console_scripts]\nb=b:c\n"),
    "entry point of nothing": lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\na=!\n"),
    "entry point outside": lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\n../../../../a=b:c\n"),
    "scripts that overwrite": lambda path: wheel_of(path, {"bad-1.0.data/scripts/a": b"x"}, entry_points_txt=b"[console_scripts]\na=b:c\n"),
    "not UTF-8": lambda path: wheel_of(path, {}, RECORD=b"\xff,,\n"),
    "two fields": lambda path: wheel_of(path, {}, RECORD=b"a,b\n"),
    "odd numbers": lambda path: wheel_of(path, {}, RECORD=b"bad-1.0.dist-info/WHEEL,sha256=x," + b"9" * 5000 + b"\n"),
    "unknown hash": lambda path: wheel_of(path, {}, RECORD=b"bad-1.0.dist-info/WHEEL,nosuch=x,1\n"),
    "nested data": lambda path: wheel_of(path, {"bad-1.0.data/purelib": b"x"}),
    "unknown scheme": lambda path: wheel_of(path, {"bad-1.0.data/evil/x": b"x"}),
    "data in data": lambda path: wheel_of(path, {"bad-1.0.data/data/../../x": b"x"}),
    "no version": lambda path: wheel_of(path, {}, WHEEL=b""),
    "WHEEL of one line": lambda path: wheel_of(path, {}, WHEEL=b"Wheel-Version: 1." + b"0" * 10_000),
    "file and folder": lambda path: wheel_of(path, {"a": b"x", "a/b": b"x"}),
    "surrogate": lambda path: wheel_of(path, {}, entry_points_txt=b"[console_scripts]\n\xed\xa0\x80=b:c\n"),
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
def test_a_wheel_that_is_broken(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "bad.whl")
    with pytest.raises(ExseosError):
        assemble((), [tmp_path / "bad.whl"], None, tmp_path / "cache", Quiet())
    assert list((tmp_path / "cache").glob("tmp/*")) == []
    assert len(list((tmp_path / "cache").glob("layers/*"))) <= 1  # the base


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99), (4, 0xFF), (8, 9), (28, 0xFFFF)])
def test_an_exotic_member(tmp_path: Path, offset: int, value: int) -> None:
    """Encrypted, of an unknown compression, of a later version of zip, deflate64, and a name that goes on behind the end."""
    path = wheel_of(tmp_path / "bad.whl", {})
    data = bytearray(path.read_bytes())
    directory = data.find(b"PK\1\2")
    struct.pack_into("<H", data, directory + offset + (2 if offset < 28 else 0), value)
    path.write_bytes(data)
    with pytest.raises(ExseosError):
        assemble((), [path], None, tmp_path / "cache", Quiet())


def test_wheels_with_flipped_bytes_are_installed_or_refused(tmp_path: Path) -> None:
    """No other error, whatever is flipped."""
    data = sample.wheel(
        "bad", "1.0", {"bad/__init__.py": b"x" * 100, "bad-1.0.data/scripts/run": b"#!python\n"}, "[console_scripts]\na = bad:c\n"
    )
    chance = random.Random(3)
    refused = 0
    for number in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 3))):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"{number}.whl"
        path.write_bytes(changed)
        try:
            assemble((), [path], None, tmp_path / "cache", Quiet())
        except ExseosError:
            refused += 1
    assert refused > 75
    assert list((tmp_path / "cache/tmp").iterdir()) == []


def test_a_member_of_data_is_bounded_by_its_pin(tmp_path: Path) -> None:
    from exseos.digest import sha256_file

    path = zip_of(tmp_path / "a.whl", {"data.npz": bytes(50 * MIB)})
    path = path.rename(tmp_path / sha256_file(path))
    with pytest.raises(ExseosError, match=f"{50 * MIB} bytes in the wheel, and the lock pins 1000"):
        _extract("events", path, "data.npz", tmp_path / "cache", 1000)
    assert not (tmp_path / "cache/downloads").exists()
    assert _extract("events", path, "data.npz", tmp_path / "cache", 50 * MIB).stat().st_size == 50 * MIB


def unpack(deb: Path, tree: Path) -> Measured:
    tree.mkdir()
    imports = "from exseos.image.base_layer import _unpack\nfrom exseos.image.bounds import Allowance"
    return measure(
        imports, 'sys.setrecursionlimit(1000); _unpack(Path(sys.argv[1]), "bad", Path(sys.argv[2]), Allowance("bad"))', str(deb), str(tree)
    )


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return b"".join(member.tobuf(tarfile.GNU_FORMAT) + data + padding(len(data)) for member, data in members) + END


def info(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, target
    return member


def bomb(size: int) -> bytes:
    """A ``.deb`` of a few KB with one file of ``size`` zeros."""
    packer = lzma.LZMACompressor(preset=0)
    data = packer.compress(info("./zeros", size=size).tobuf())
    block = bytes(MIB)
    for _ in range(size // MIB):
        data += packer.compress(block)
    data += packer.flush()
    return sample.ar(b"", "").replace(b"data.tar        ", b"data.tar.xz     ")[:-60] + (
        f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
    )


DEBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "xz of zeros": (lambda: bomb(100 * MIB), "unpacks to more than"),
    "a long name": (lambda: sample.ar(tar_of((info("x", tarfile.GNUTYPE_LONGNAME, 20 * MIB), bytes(20 * MIB)))), "a header of"),
    "pax records": (lambda: sample.ar(tar_of((info("x", tarfile.XHDTYPE, 20 * MIB), bytes(20 * MIB)))), "a header of"),
    "headers of headers": (
        lambda: sample.ar(tar_of(*[(info("x", tarfile.GNUTYPE_LONGNAME, 2), b"y\0")] * 2000, (info("z"), b""))),
        "cannot be unpacked",
    ),
    "sparse": (lambda: sample.ar(tar_of((info("x", tarfile.GNUTYPE_SPARSE), b""))), "sparse"),
    "cut": (lambda: sample.deb({"a": random.Random(1).randbytes(100_000)})[:-50_000], "cannot be unpacked"),
    "two streams": (lambda: sample.deb({"a": b"x"})[:-1] + lzma.compress(b"more"), ""),
    "hard link to nothing": (lambda: sample.ar(tar_of((info("x", tarfile.LNKTYPE, target="./y"), b""))), "hard link"),
    "negative": (lambda: sample.deb({"a": b"x"}, compression="").replace(b"100644  3 ", b"100644  -3"), "negative"),
    "nothing": (lambda: b"!<arch>\n", "no data.tar"),
}


@pytest.mark.parametrize(("make", "text"), DEBS.values(), ids=DEBS.keys())
def test_a_package_that_is_a_bomb(tmp_path: Path, make: Callable[[], bytes], text: str) -> None:
    path = tmp_path / "bad.deb"
    path.write_bytes(make())
    found = unpack(path, tmp_path / "tree")
    assert text in found.said
    assert found.seconds < SECONDS
    assert found.memory < MEMORY


def test_a_package_of_many_entries_that_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exseos.image.base_layer.MAX_PART_ENTRIES", 100)
    for count in (100, 101):
        (tmp_path / "a.deb").write_bytes(sample.ar(tar_of(*[(info("usr/share/man/x"), b"")] * count)))
        with pytest.raises(ExseosError, match="more than 100 entries") if count > 100 else nullcontext():
            _unpack(tmp_path / "a.deb", "bad", tmp_path, Allowance("bad"))


def test_hard_links_count_as_often_as_they_are_in_the_tar(tmp_path: Path) -> None:
    part = PartTree(tmp_path, "bad", Allowance("bad", size=10 * MIB))
    part.file("a", [bytes(3 * MIB)], executable=False)
    part.same("b", "a")
    part.same("c", "a")
    with pytest.raises(ExseosError, match="unpacks to more than"):
        part.same("d", "a")


def archive_of(config: dict[str, object], sizes: list[tuple[str, int]]) -> bytes:
    text = b""
    for name, content in small_files(canonical_json(config), sizes):
        text += header(TarEntry(name, "file", len(content))) + content + padding(len(content))
    return text


DIGEST = "a" * 64


@pytest.mark.parametrize(
    "layers",
    [
        [(DIGEST, MAX_IMAGE_BYTES + 1)],
        [(f"{number:064}", MAX_IMAGE_BYTES // 2) for number in range(3)],
        [(DIGEST, 1024), (DIGEST, 1024)],
        [(DIGEST, 1024), (DIGEST, 2048)],
        [(f"{number:064}", 1024) for number in range(128)],
        [(DIGEST, -1)],
    ],
    ids=["absurd size", "absurd sum", "twice", "twice of two sizes", "many", "negative"],
)
def test_an_image_of_absurd_layers(layers: list[tuple[str, int]]) -> None:
    config = image_config(ContainerConfig(environment={"A": "b"}), [("x", sha256) for sha256, _ in layers])
    with pytest.raises(CapsuleError, match=r"more than \d+ (bytes|layers)"):
        check_archive(io.BytesIO(archive_of(config, layers)))


@pytest.mark.parametrize("config", [b"[" * MIB, b'{"a":' * 100_000, b"9" * MIB, b'{"rootfs": 1e999}', b"\xff", b"null"])
def test_an_image_whose_configuration_is_hostile(tmp_path: Path, config: bytes) -> None:
    names = ["oci-layout", "index.json", "manifest.json", blob("0" * 64), blob("1" * 64)]
    data = b"".join(header(TarEntry(name, "file", len(text))) + text + padding(len(text)) for name in names for text in [config[:MIB]])
    (tmp_path / "image.tar").write_bytes(data)
    code = "check_archive(open(sys.argv[1], 'rb'))"
    found = measure("from exseos.image.archive import check_archive", code, str(tmp_path / "image.tar"))
    assert "not an image" in found.said
    assert found.seconds < SECONDS
    assert found.memory < MEMORY


def capsule(path: Path, names: list[str]) -> Path:
    members, position = [], 0
    with path.open("wb") as stream:
        for name in sorted(names, key=str.encode):
            member = Member(name, 0, 0, position)
            members.append(member)
            position += stream.write(local_header(member))
        size = sum(stream.write(central_header(member)) for member in members)
        stream.write(end_records(len(members), size, position))
    return path


def opened(path: Path) -> Measured:
    return measure("from exseos.archive import ArchiveReader", "ArchiveReader(sys.argv[1]).close()", str(path))


LARGEST = MAX_DIRECTORY_BYTES // (46 + 1024)
FULL: dict[str, Callable[[], list[str]]] = {
    "entries": lambda: [f"{number:0110}" for number in range(MAX_ENTRIES)],
    "long names": lambda: [f"{number:08}" + "x" * 1016 for number in range(LARGEST)],
    "deep names": lambda: [f"{number:08}/" + "a/" * 507 + "b" for number in range(LARGEST)],
    "wide letters": lambda: [f"{number:08}" + "x" * 1000 + "\U0001f600" for number in range(4000)],
}


@pytest.mark.parametrize("names", FULL.values(), ids=FULL.keys())
def test_the_largest_directory_is_opened_in_time_and_memory(tmp_path: Path, names: Callable[[], list[str]]) -> None:
    found = opened(capsule(tmp_path / "a.zip", names()))
    assert found.said == ""
    assert found.seconds < SECONDS
    assert found.memory < MEMORY


REFUSED: dict[str, Callable[[], list[str]]] = {
    "entries": lambda: [f"{number:08}" for number in range(250_000)],
    "bytes": lambda: [f"{number:08}" + "x" * 1016 for number in range(60_000)],
    "marks": lambda: ["a" + "\u0345\u0334" * 250],
    "letters that grow": lambda: [f"{number:08}" + "\u0390" * 500 for number in range(LARGEST)],
}


@pytest.mark.parametrize("names", REFUSED.values(), ids=REFUSED.keys())
def test_a_larger_directory_is_refused_in_time_and_memory(tmp_path: Path, names: Callable[[], list[str]]) -> None:
    found = opened(capsule(tmp_path / "a.zip", names()))
    assert found.said != ""
    assert found.seconds < SECONDS
    assert found.memory < MEMORY


def test_names_that_are_files_and_folders() -> None:
    check_names(["a", "a-b", "a.b", "ab/c", "a0"])
    for names in (["a", "a-b", "a/b"], ["A", "a/b/c"], ["a/b/c", "a/B"], ["ß/x", "ss"]):
        with pytest.raises(CapsuleError, match="is a file and the folder of"):
            check_names(names)
    with pytest.raises(CapsuleError, match="the same file"):
        check_names(["A", "b", "a"])


def bound_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has at most 107 bytes
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(before)


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        Path.mkdir,
        bound_socket,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/tty"),
        lambda path: None,
    ],
    ids=["pipe", "folder", "socket", "device", "terminal", "nothing"],
)
@pytest.mark.timeout(10)
def test_what_is_no_file_is_no_capsule(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "a.zip")
    with pytest.raises(UsageError, match="capsule"):
        ArchiveReader(tmp_path / "a.zip")


def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "a.zip")
    regular = os.stat_result((stat.S_IFREG | 0o644, *[0] * 9))
    monkeypatch.setattr(Path, "stat", lambda self, **options: regular)
    with pytest.raises(UsageError, match="no regular file"):
        ArchiveReader(tmp_path / "a.zip")
