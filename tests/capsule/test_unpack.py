"""Unpacking: an experiment that can be edited, from a capsule that was verified, or nothing at all."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from exseos.capsule.unpack import unpack
from exseos.errors import CapsuleError, UsageError
from exseos.lock import read_lock
from exseos.manifest import tree_files
from exseos.records.index import Index
from exseos.records.names import INDEX, MANIFEST, SEAL
from exseos.spec import read_spec
from tests.capsule.sample import EVENTS, SPEC, Entries, Sample, complete, write


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    return write(tmp_path / "sample.capsule.zip", Sample().entries())


def test_the_experiment_is_there_to_build(capsule: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    done = unpack(capsule, folder)
    own = [
        "experiment.py",
        "layers/dense.py",
        "parent.json",
        "spec.lock/lock.json",
        "spec.lock/pylock.toml",
        "spec.yaml",
        "tables/events.csv",
    ]
    assert [name for name in tree_files(folder) if not name.startswith("capsule/")] == own
    assert read_spec(folder / "spec.yaml").experiment().name == "sample"
    assert read_lock(folder / "spec.lock").exseos is None
    assert read_lock(folder / "capsule" / "lock").exseos is not None
    assert json.loads((folder / "parent.json").read_text()) == {"id": done.id}
    assert (folder / "tables" / "events.csv").read_bytes() == EVENTS
    assert done.data == {"elsewhere": folder / "capsule" / "data" / "elsewhere" / "more.csv"}
    assert done.left_out == ()


def test_all_entries_are_there_to_check(capsule: Path, tmp_path: Path) -> None:
    done = unpack(capsule, tmp_path / "out")
    entries = Sample().entries()
    assert {name: (done.folder / "capsule" / name).read_bytes() for name in tree_files(done.folder / "capsule")} == entries
    for name in (MANIFEST, SEAL):
        subprocess.run(["sha256sum", "--check", "--quiet", name], cwd=done.folder / "capsule", check=True, timeout=60)


def test_an_empty_folder_will_do_and_no_other(capsule: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    unpack(capsule, tmp_path / "out")
    for place in (tmp_path / "out", capsule):
        with pytest.raises(UsageError, match="is not empty"):
            unpack(capsule, place)


def test_data_that_was_left_out_is_named(tmp_path: Path) -> None:
    entries = {name: data for name, data in Sample().entries().items() if not name.startswith("data/")}
    done = unpack(write(tmp_path / "sample.capsule.zip", entries), tmp_path / "out")
    assert done.data == {}
    assert done.left_out == ("data/events/events.csv", "data/elsewhere/more.csv")
    assert not (tmp_path / "out" / "tables").exists()


def test_nothing_is_written_of_a_damaged_capsule(capsule: Path, tmp_path: Path) -> None:
    capsule.write_bytes(capsule.read_bytes().replace(b"weights", b"Weights"))
    with pytest.raises(CapsuleError, match=r"results/trial-0/train/model\.keras: "):
        unpack(capsule, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["parent.json", "Spec.Yaml", "capsule", "spec.lock/lock.json", "capsule/README.md"])
def test_files_that_would_be_overwritten(tmp_path: Path, name: str) -> None:
    sample = Sample(spec=SPEC.replace("files: [", f"files: [{name}, "))
    sample.files[name] = b'{"id":"%s"}' % (b"1" * 64)
    with pytest.raises(CapsuleError, match=r"file on some|is a file and the folder"):
        unpack(write(tmp_path / "changed.capsule.zip", sample.entries()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "place", ["/etc/hostname", "../up.csv", "~/up.csv", '"a\\\\b/events.csv"', "a/../../b", ".git/config", "deep/.GIT/hooks/x"]
)
def test_data_never_leaves_the_folder(tmp_path: Path, place: str) -> None:
    sample = Sample(spec=SPEC.replace("./tables/events.csv", place))
    done = unpack(write(tmp_path / "sample.capsule.zip", sample.entries()), tmp_path / "out")
    assert set(done.data) == {"events", "elsewhere"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "sample.capsule.zip"]
    assert not {".git", "deep"} & {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("spec", [b"[]", b"exseos: 1\n", b"\xff"])
def test_a_spec_that_cannot_be_read_leaves_nothing(tmp_path: Path, spec: bytes) -> None:
    entries = Sample().entries()
    forged = complete({**entries, "spec/spec.yaml": spec}, Index.parse(entries[INDEX]))
    with pytest.raises(CapsuleError, match=r"the capsule does not verify and was not unpacked; problems: 1\n  spec/spec\.yaml: "):
        unpack(write(tmp_path / "sample.capsule.zip", forged), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lock_that_does_not_pin_the_data(tmp_path: Path) -> None:
    entries: Entries = Sample().entries()
    index = Index.parse(entries[INDEX])
    entries["spec/spec.yaml"] = entries["spec/spec.yaml"].replace(b"  events:", b"  others:")
    with pytest.raises(CapsuleError, match=r"data\.others: it is not in the lock"):
        unpack(write(tmp_path / "sample.capsule.zip", complete(entries, index)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_built_of_an_unpacked_experiment_names_its_parent() -> None:
    sample = Sample()
    sample.files["parent.json"] = b'{"id":"%s"}\n' % (b"7" * 64)
    assert Index.parse(sample.entries()[INDEX]).parent == "7" * 64


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"{}", b'{"id":3}', b'{"id":"../x"}', b"\xff", b"[" * 100_000])
def test_a_parent_that_nobody_unpacked(data: bytes) -> None:
    sample = Sample()
    sample.files["parent.json"] = data
    with pytest.raises(UsageError, match=r"parent\.json: "):
        sample.entries()
