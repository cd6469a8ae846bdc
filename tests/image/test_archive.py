"""image.tar: the same bytes from any reader, every flipped byte found, nothing hostile unpacked."""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exseos.digest import canonical_json, sha256_bytes
from exseos.errors import CapsuleError, DigestMismatch, ExseosError
from exseos.image.archive import check_archive, find_image, read_archive, save
from exseos.image.assemble import assemble
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, blob, image_config, small_files
from exseos.image.layer import BackgroundHash
from exseos.image.parts import PartTree
from exseos.image.tar import END, MTIME, TarEntry, header, padding
from exseos.progress import Quiet
from tests.image import sample


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    given = sample.write_sample(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
        yield assemble(given.packages, given.wheels, None, folder / "cache", Quiet())


@pytest.fixture(scope="module")
def data(image: Image) -> bytes:
    return b"".join(image.archive())


def test_saved_file_is_read_back_anywhere(image: Image, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    save(image, path)
    assert path.read_bytes() == data
    assert len(data) == image.archive_size()
    assert find_image(image.config_bytes, tmp_path / "cache") is None
    again = read_archive(path, tmp_path / "cache")
    found = find_image(image.config_bytes, tmp_path / "cache")
    assert found is not None
    assert (found.id, found.archive_size()) == (image.id, len(data))
    assert again.id == image.id
    assert b"".join(again.archive()) == data
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["image.tar"]


def test_check_hashes_the_file_in_the_same_pass(image: Image, data: bytes) -> None:
    whole = BackgroundHash()
    assert check_archive(io.BytesIO(data), whole) == image.id
    assert whole.hexdigest() == sha256_bytes(data)


def test_layout_is_what_docker_and_oci_expect(image: Image, data: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    (docker,) = json.loads(files["manifest.json"])
    (entry,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(files[blob(entry["digest"].removeprefix("sha256:"))])
    config = files[docker["Config"]]
    assert f"sha256:{sha256_bytes(config)}" == manifest["config"]["digest"] == image.id
    for described, name, diff_id in zip(manifest["layers"], docker["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
        assert described["digest"] == diff_id == f"sha256:{sha256_bytes(files[name])}"
        assert described["size"] == len(files[name])
        with tarfile.open(fileobj=io.BytesIO(files[name])) as layer:
            assert {member.mtime for member in layer} == {MTIME}


def _positions(data: bytes) -> list[int]:
    """Every byte of the small files and headers' neighbourhoods would be too many: a sample with all kinds."""
    edges = [0, 100, 124, 148, 156, 257, 511, 512, len(data) - 1, len(data) - 512, len(data) - 1024, len(data) - 1025]
    return edges + random.Random(1).sample(range(12_000), 40) + random.Random(2).sample(range(len(data)), 40)


def test_any_flipped_byte_is_found(data: bytes) -> None:
    for position in _positions(data):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        with pytest.raises((CapsuleError, DigestMismatch)):
            check_archive(io.BytesIO(bytes(changed)))


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 5000, -1, -512, -1024, -1025])
def test_truncated_is_refused(data: bytes, keep: int, tmp_path: Path) -> None:
    with pytest.raises(CapsuleError):
        check_archive(io.BytesIO(data[:keep]))
    with pytest.raises(CapsuleError):
        read_archive(io.BytesIO(data[:keep]), tmp_path)


@pytest.mark.parametrize("tail", [b"\0", bytes(512), b"x" * 512])
def test_bytes_after_the_end_are_refused(data: bytes, tail: bytes) -> None:
    with pytest.raises(CapsuleError):
        check_archive(io.BytesIO(data + tail))


def archive_of(layer: bytes, change: Callable[[dict[str, Any]], object] = lambda config: None) -> bytes:
    """An archive that is right in all but what ``layer`` holds."""
    digest = hashlib.sha256(layer).hexdigest()
    config = image_config(own_config(), [("evil", digest)])
    change(config)
    text = b""
    for name, content in [*small_files(canonical_json(config), [(digest, len(layer))]), (blob(digest), layer)]:
        text += header(TarEntry(name, "file", len(content))) + content + padding(len(content))
    return text + END


def file(path: str, content: bytes = b"evil") -> bytes:
    return header(TarEntry(path, "file", len(content))) + content + padding(len(content))


def folder(path: str) -> bytes:
    return header(TarEntry(path, "folder"))


def link(path: str, target: str) -> bytes:
    return header(TarEntry(path, "link", target=target))


def device() -> bytes:
    block = bytearray(file("dev")[:512])
    block[156:157], block[148:156] = b"3", b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def hard_link() -> bytes:
    member = tarfile.TarInfo("hard")
    member.type, member.linkname, member.mtime, member.mode = tarfile.LNKTYPE, "/etc/passwd", MTIME, 0o644
    return member.tobuf(tarfile.USTAR_FORMAT)


HOSTILE = {
    "parent": file("../escape"),
    "inner parent": folder("a") + file("a/../../escape"),
    "absolute": file("/escape"),
    "dot": file("./escape"),
    "no folder": file("a/escape"),
    "through a link": link("a", "..") + file("a/escape"),
    "through a link to a folder": folder("a") + link("a", "/") + file("a/escape"),
    "link replaced by file": link("a", "../escape") + file("a"),
    "twice": file("a") + file("a"),
    "order": file("b") + file("a"),
    "device": device(),
    "hard link": file("a") + hard_link(),
    "whiteout": file(".wh.a"),
    "owner": (lambda block: block[:108] + b"0000001" + block[115:])(file("a")),
    "huge": header(TarEntry("a", "file", 1 << 62)) + b"x" * 1024,
    "empty name": folder(""),
    "nul in name": header(TarEntry("é\0b", "file")),
    "data after": END + b"x" * 512,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layer_is_refused_and_writes_nothing(name: str, tmp_path: Path) -> None:
    data = archive_of(HOSTILE[name] if name == "data after" else HOSTILE[name] + END)
    cache = tmp_path / "inner" / "cache"
    with pytest.raises(CapsuleError):
        check_archive(io.BytesIO(data))
    with pytest.raises(CapsuleError):
        read_archive(io.BytesIO(data), cache)
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()] == []
    assert list((cache / "layers").iterdir()) == []


def test_harmless_layer_of_the_same_making_is_taken(tmp_path: Path) -> None:
    data = archive_of(folder("a") + link("a/b", "/etc") + file("c") + END)
    image = read_archive(io.BytesIO(data), tmp_path)
    assert image.id == check_archive(io.BytesIO(data))
    assert (image.rootfs() / "c").read_bytes() == b"evil"


def test_config_that_is_not_canonical_is_refused(data: bytes) -> None:
    harmless = archive_of(file("a") + END)
    assert check_archive(io.BytesIO(harmless))
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda config: config.update(rootfs=None),
        lambda config: config["rootfs"].update(diff_ids=["sha256:../../escape"]),
    ]
    for change in changes:
        with pytest.raises(CapsuleError):
            check_archive(io.BytesIO(archive_of(file("a") + END, change)))


OTHER: dict[str, Callable[[dict[str, Any]], object]] = {
    "a variable": lambda config: config["config"]["Env"].append("LD_PRELOAD=/out/x"),
    "an option behind a NUL": lambda config: config["config"]["Env"].append("A=b\0--bind\0/\0/host"),
    "a volume": lambda config: config["config"].update(Volumes={"/out": {}}),
    "a health check": lambda config: config["config"].update(Healthcheck={"Test": ["CMD", "/x"]}),
    "a user": lambda config: config["config"].update(User="0:0"),
    "a list": lambda config: config.update(config=["Env"]),
    "nothing": lambda config: config.update(config={}),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_container_configuration_of_another_making_is_hashed_but_never_run(name: str, tmp_path: Path) -> None:
    harmless = archive_of(file("a") + END)
    read_archive(io.BytesIO(harmless), tmp_path)  # all layers are in the cache now
    data = archive_of(file("a") + END, OTHER[name])
    assert check_archive(io.BytesIO(data))
    with pytest.raises(CapsuleError, match="configuration is not that of this version"):
        read_archive(io.BytesIO(data), tmp_path)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        config = archive.extractfile(archive.getnames()[3])
        assert config is not None
        with pytest.raises(CapsuleError, match="configuration is not that of this version"):
            find_image(config.read(), tmp_path)


def test_the_environment_is_ours_whatever_the_configuration_says(image: Image) -> None:
    other = Image({**image.config, "config": {"Env": ["A=b\0--bind"]}}, image.layers, image.cache)
    assert other.environment == image.environment == own_config().environment


def test_part_tree_refuses_what_slips_through(tmp_path: Path) -> None:
    part = PartTree(tmp_path / "root", "test")
    (tmp_path / "root").mkdir()
    part.link("a", "..")
    for path in ("a/escape", "a", "x" * 2000, "", "..", "nul\0"):
        with pytest.raises(ExseosError):
            part.file(path, [b"x"], executable=False)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
