"""The canonical tar: other tools read it, and nothing but it is accepted."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.errors import CapsuleError
from exseos.image.tar import BLOCK, END, MTIME, Cursor, TarEntry, header, padding, read_header, tree_tar, walk

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=70).filter(
    lambda name: name not in (".", "..")
)
ENTRIES = st.builds(
    lambda path, kind, size, executable, target: TarEntry(
        "/".join(path),
        kind,
        size if kind == "file" else 0,
        executable and kind == "file",
        target if kind == "link" else "",
    ),
    st.lists(NAMES, min_size=1, max_size=4),
    st.sampled_from(["file", "folder", "link"]),
    st.integers(0, 1 << 40),
    st.booleans(),
    NAMES,
)


@given(ENTRIES)
def test_header_reads_back_and_python_agrees(entry: TarEntry) -> None:
    raw = header(entry)
    assert len(raw) % BLOCK == 0
    assert read_header(Cursor([raw], "test")) == entry
    with tarfile.open(fileobj=io.BytesIO(raw + END)) as tar:
        member = tar.next()
    assert member is not None
    assert (member.name, member.mode, member.mtime, member.uid, member.linkname) == (entry.path, entry.mode, MTIME, 0, entry.target)
    assert member.size == entry.size


@given(ENTRIES.map(header), st.data())
@settings(max_examples=200)
def test_any_other_byte_is_refused_or_another_entry(raw: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(raw) - 1))
    changed = bytearray(raw)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        other = read_header(Cursor([bytes(changed), END], "test"))
    except CapsuleError:
        return
    assert other != read_header(Cursor([raw], "test"))


@pytest.mark.parametrize(
    "entry",
    [
        TarEntry("folder", "folder", size=1),
        TarEntry("link", "link", size=1, target="x"),
        TarEntry("link", "link"),
        TarEntry("file", "file", target="x"),
        TarEntry("file", "file", size=-1),
    ],
)
def test_contradictions_are_refused(entry: TarEntry) -> None:
    with pytest.raises(CapsuleError, match="canonical"):
        read_header(Cursor([header(entry), END], "test"))


def test_tree_is_read_by_tarfile(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run").write_bytes(b"x" * 3_000_001)
    (tmp_path / "b" / "run").chmod(0o700)
    (tmp_path / "b-a").write_bytes(b"")
    (tmp_path / "a").symlink_to("/nowhere/" + "long" * 40)
    data = b"".join(tree_tar(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        content = tar.extractfile("b/run")
        assert content is not None
        assert content.read() == b"x" * 3_000_001
    assert [(one.name, one.mode) for one in members] == [("a", 0o777), ("b", 0o755), ("b/run", 0o755), ("b-a", 0o644), ("tmp", 0o1777)]
    assert {(one.mtime, one.uid, one.gid, one.uname) for one in members} == {(MTIME, 0, 0, "")}
    assert data.endswith(END)
    assert len(data) == sum(len(header(entry)) + entry.size + len(padding(entry.size)) for entry, _ in walk(tmp_path)) + len(END)


def test_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(Exception, match="not UTF-8"):
        list(tree_tar(tmp_path))
