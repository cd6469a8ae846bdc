"""Verification of ``image.tar``: it is a function of the image id, so it needs no digest of its own, and no byte of it can change."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from exseos.archive import ArchiveReader
from exseos.capsule.inspect import inspect
from exseos.capsule.verify import verify
from exseos.records.index import Index
from exseos.records.names import IMAGE, IMAGE_CONFIG, INDEX, MANIFEST, SEAL
from tests.capsule.sample import Entries, complete, opened, with_image, write


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Entries:
    return with_image(tmp_path_factory.mktemp("image"))


def wrong(folder: Path, entries: Entries) -> set[str]:
    return {problem.where for problem in verify(write(folder / "changed.capsule.zip", entries)).problems}


def test_a_capsule_with_its_image(tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "whole.capsule.zip", entries)
    whole = verify(path)
    assert whole.problems == ()
    assert whole.counts["left_out"] == 0
    assert inspect(path).has_image
    left = verify(write(tmp_path / "left.capsule.zip", {name: data for name, data in entries.items() if name != IMAGE}))
    assert (left.ok, left.id, left.seal, left.image_id) == (True, whole.id, whole.seal, whole.image_id)
    assert b"image.tar" not in entries[MANIFEST] + entries[SEAL]


def test_flipped_bits_of_the_image(tmp_path: Path, entries: Entries) -> None:
    """Flips with the right CRC, as someone who knows zip would do it."""
    chance = random.Random(3)
    good = write(tmp_path / "good.capsule.zip", entries).read_bytes()
    with ArchiveReader(opened(good)) as reader:
        (member,) = [member for member in reader.members if member.name == IMAGE]
    for position in range(0, member.size, 23):
        image = bytearray(entries[IMAGE])
        image[position] ^= 1 << chance.randrange(8)
        data = good[: member.data_offset] + image + good[member.end :]
        data = data.replace(member.crc.to_bytes(4, "little"), zlib.crc32(image).to_bytes(4, "little"))
        problems = verify(opened(data)).problems
        assert {problem.where for problem in problems} == {IMAGE}, position
        assert "CRC" not in problems[0].what


def test_flipped_bits_of_the_file(tmp_path: Path, entries: Entries) -> None:
    good = write(tmp_path / "good.capsule.zip", entries).read_bytes()
    with ArchiveReader(opened(good)) as reader:
        (member,) = [member for member in reader.members if member.name == IMAGE]
    for position in range(member.offset, member.end, 41):
        data = bytearray(good)
        data[position] ^= 1
        assert IMAGE in {problem.where for problem in verify(opened(bytes(data))).problems}, position


def test_bytes_added_to_or_cut_from_the_image(tmp_path: Path, entries: Entries) -> None:
    image = entries[IMAGE]
    for data in (
        b"",
        image[:-1],
        image[:-512],
        image[:-1024],
        image[:2000],
        image + b"\0",
        image + bytes(512),
        image + image,
        bytes(512) + image,
        b"x",
    ):
        assert wrong(tmp_path, {**entries, IMAGE: data}) == {IMAGE}


def test_another_image(tmp_path: Path, entries: Entries) -> None:
    """A canonical image, but not the one that the id of the experiment holds."""
    other = b'{"architecture":"arm64"}'
    forged = complete({**entries, IMAGE_CONFIG: other}, Index.parse(entries[INDEX]))
    problems = verify(write(tmp_path / "other.capsule.zip", forged)).problems
    assert [problem.where for problem in problems] == [INDEX]
    renamed = Index.parse(entries[INDEX]).model_copy(update={"image_id": "sha256:" + "0" * 64})
    assert wrong(tmp_path, complete(entries, renamed)) == {INDEX, IMAGE}
