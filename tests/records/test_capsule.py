"""A capsule is opened once: what was checked is what is used, and nothing of it is read without a bound."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from exseos.archive import ArchiveReader
from exseos.capsule.verify import verify_open
from exseos.errors import CapsuleError, DigestMismatch, HostError, UsageError
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.names import IMAGE_CONFIG, INDEX, LOCK, MANIFEST, README, SEAL, SPEC
from tests.capsule.sample import Entries, Sample, complete, opened, sealed, write
from tests.test_archive import Counting

MODEL = "results/trial-0/train/model.keras"
METRICS = "results/trial-0/evaluate/metrics.json"
EVENTS = "data/events/events.csv"
RTL = "results/trial-0/synthesize/rtl/model.v"


@pytest.fixture(scope="module")
def entries() -> Entries:
    return Sample().entries()


@pytest.fixture
def path(tmp_path: Path, entries: Entries) -> Path:
    return write(tmp_path / "sample.capsule.zip", entries)


def overwrite(path: Path, name: str, byte: int = 0) -> None:
    """Flip a bit of an entry and give it the CRC that belongs to it, where it lies: as somebody who waits for the check would."""
    with ArchiveReader(path) as reader:
        (member,) = [member for member in reader.members if member.name == name]
    data = bytearray(path.read_bytes())
    data[member.data_offset + byte] ^= 1
    crc = zlib.crc32(data[member.data_offset : member.end]).to_bytes(4, "little")
    data[member.offset + 14 : member.offset + 18] = crc
    with path.open("r+b") as stream:
        stream.write(data)


@pytest.mark.parametrize("name", [MODEL, RTL, EVENTS, "data/prepared/trial-0/x_train.npy", "lock/wheels/exseos-0.1.0-py3-none-any.whl"])
def test_a_file_that_changes_between_check_and_use(path: Path, tmp_path: Path, entries: Entries, name: str) -> None:
    with Capsule(path) as capsule:
        assert verify_open(capsule).ok
        overwrite(path, name)
        with pytest.raises(CapsuleError, match="local header"):
            capsule.extract(name, tmp_path / "out")


def test_even_where_the_zip_knows_nothing_of_it(path: Path, tmp_path: Path, entries: Entries) -> None:
    """A reader that remembers the CRC is no guard: 32 bits are easily met. The digest decides."""
    with Capsule(path) as capsule:
        assert verify_open(capsule).ok
        capsule.reader.chunks = lambda name: iter([b"other bytes"])  # type: ignore[method-assign]
        for name in (MODEL, EVENTS, RTL, "run/host.json"):
            with pytest.raises(DigestMismatch, match="the file changed while it was read") as caught:
                capsule.extract(name, tmp_path / name)
            assert caught.value.where == name
            assert caught.value.hint == "Copy the capsule and replay the copy."


@pytest.mark.parametrize("name", [INDEX, README, MANIFEST, SEAL, SPEC, LOCK, IMAGE_CONFIG, METRICS])
def test_what_was_looked_into_stays_what_it_was(path: Path, tmp_path: Path, entries: Entries, name: str) -> None:
    with Capsule(path) as capsule:
        assert verify_open(capsule).ok
        path.write_bytes(b"")
        assert Capsule.is_text(name)
        assert capsule.text(name) == entries[name]
        assert capsule.extract(name, tmp_path / "out").read_bytes() == entries[name]


def test_another_file_in_its_place_is_not_read(path: Path, tmp_path: Path, entries: Entries) -> None:
    with Capsule(path) as capsule:
        assert verify_open(capsule).ok
        write(tmp_path / "evil.zip", {**entries, MODEL: b"evil"}).replace(path)
        assert capsule.extract(MODEL, tmp_path / "out").read_bytes() == entries[MODEL]


def test_all_entries_can_be_extracted(path: Path, tmp_path: Path, entries: Entries) -> None:
    with Capsule(path) as capsule:
        folder = capsule.extract_below("results/trial-0/", tmp_path / "out")
        assert (folder / "train" / "model.keras").read_bytes() == entries[MODEL]
        assert not (folder / "trial-0").exists()
        with pytest.raises(FileExistsError):
            capsule.extract(MODEL, tmp_path / "out" / "train" / "model.keras")
        assert MODEL in capsule
        assert "results" not in capsule


def test_nothing_but_the_directory_is_read_when_it_is_opened(entries: Entries, tmp_path: Path) -> None:
    large = write(tmp_path / "large.zip", {**entries, "run/large": bytes(5_000_000)}).read_bytes()
    source = Counting(large)
    with Capsule(source) as capsule:
        assert len(capsule.index.stages) == 4
        assert capsule.outputs(capsule.index.stages[1]).as_dict().keys() == {"initial.json", "model.keras"}
    assert source.counted < 100_000


@pytest.mark.parametrize(
    ("name", "most"), [(INDEX, 8 << 20), (README, 8 << 20), (SPEC, 256 << 10), (IMAGE_CONFIG, 1 << 20), (METRICS, 4 << 20), (LOCK, 8 << 20)]
)
def test_what_is_kept_is_bounded(tmp_path: Path, entries: Entries, name: str, most: int) -> None:
    with Capsule(write(tmp_path / "a.zip", {**entries, name: b" " * most})) as capsule:
        assert len(capsule.text(name)) == most
    with Capsule(write(tmp_path / "b.zip", {**entries, name: b" " * (most + 1)})) as capsule:
        with pytest.raises(CapsuleError) as caught:
            capsule.text(name)
        assert caught.value.where == name
        assert not verify_open(capsule).ok


def test_what_is_kept_of_all_is_bounded(tmp_path: Path, entries: Entries) -> None:
    many = {f"run/trial-0/{number}/metrics.json": b" " * (4 << 20) for number in range(20)}
    with Capsule(write(tmp_path / "a.zip", sealed({**entries, **many}))) as capsule:
        problems = verify_open(capsule).problems
    assert any("take more memory together than those of any capsule" in problem.what for problem in problems)


def test_a_missing_entry(path: Path) -> None:
    with Capsule(path) as capsule:
        with pytest.raises(CapsuleError, match="the entry is missing"):
            capsule.text("run/trial-0/none/metrics.json")
        with pytest.raises(CapsuleError):
            capsule.extract("none", path.with_name("out"))


@pytest.mark.parametrize("source", [b"", b"hello", b"PK\5\6" + bytes(18)])
def test_no_capsule_at_all(source: bytes) -> None:
    with pytest.raises(CapsuleError), Capsule(opened(source)) as capsule:
        assert capsule.index


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Capsule(tmp_path / "none")
    with pytest.raises(UsageError):
        Capsule(tmp_path)


CHANGES: dict[str, Callable[[str], str]] = {
    "a name of another room": lambda text: text.replace("results/trial-0/train/", "run/trial-0/train/"),
    "the index in its own list": lambda text: text + f"{'0' * 64}  zz.json\n",
    "a path that leads out": lambda text: text.replace("results/trial-0/train/", "results/../../x/"),
    "an absolute path": lambda text: text.replace("spec/experiment.py", "/etc/passwd"),
    "twice": lambda text: text + text.splitlines()[-1] + "\n",
    "another order": lambda text: "\n".join(reversed(text.splitlines())) + "\n",
    "no digest": lambda text: text.replace(text[:64], "x" * 64, 1),
    "more lines than are read": lambda text: text + f"{'0' * 64}  spec/x\n" * 120_000,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_list_that_is_none(tmp_path: Path, entries: Entries, change: Callable[[str], str]) -> None:
    data = change(entries[MANIFEST].decode()).encode()
    with Capsule(write(tmp_path / "a.zip", sealed({**entries, MANIFEST: data}))) as capsule, pytest.raises(CapsuleError):
        assert capsule.manifest


def test_outputs_are_what_the_lists_say_whether_or_not_they_are_there(tmp_path: Path, entries: Entries) -> None:
    rest = {name: data for name, data in entries.items() if not name.startswith("data/prepared")}
    with Capsule(write(tmp_path / "a.zip", rest)) as capsule:
        prepare, train, *_ = capsule.index.stages
        assert capsule.outputs(prepare).as_dict().keys() == {"x_train.npy", "prepared.json"}
        assert capsule.outputs(prepare).digest == prepare.outputs_digest
        assert not capsule.has(prepare)
        assert capsule.has(train)


def test_an_image_in_the_place_of_a_text_is_no_text() -> None:
    assert not any(map(Capsule.is_text, ("image.tar", MODEL, EVENTS, "metrics.json", "data/x/metrics.json", "run/host.json")))


def test_a_device_or_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no regular file"):
        Capsule(tmp_path / "pipe")


def test_a_disk_that_fails_is_of_this_host(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Capsule(path) as capsule:
        monkeypatch.setattr("exseos.archive.reader.ArchiveReader._read_at", _fails)
        with pytest.raises(HostError):
            verify_open(capsule)


def _fails(reader: object, offset: int, size: int) -> bytes:
    raise HostError("cannot read the archive: Input/output error")


def test_an_index_of_a_later_format_is_told_from_a_damaged_one(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    assert complete(entries, index)[INDEX] == entries[INDEX]
    for data, what in (
        (entries[INDEX].replace(b'"exseos_capsule":1', b'"exseos_capsule":2'), "a capsule of format 2; this version reads format 1"),
        (entries[INDEX].replace(b'"made_with"', b'"created_with"'), "a capsule of the time before format 1"),
        (entries[INDEX].replace(b'"seed":0', b'"seed":-1', 1), "not a valid index: Input should be greater than or equal to 0"),
        (entries[INDEX].replace(b'"claims"', b'"clams"'), "there is no key 'clams' in this format"),
    ):
        with Capsule(write(tmp_path / "a.zip", sealed({**entries, INDEX: data}))) as capsule:
            with pytest.raises(CapsuleError, match=r".") as caught:
                assert capsule.index
            assert what in caught.value.what
