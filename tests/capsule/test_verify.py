"""Verification: a good capsule passes, and whatever is done to its bytes or entries is found and named."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.archive import ArchiveReader
from exseos.capsule.verify import Problem, VerifyReport, verify
from exseos.digest import sha256_bytes
from exseos.errors import HostError, UsageError
from exseos.manifest import Entry, Manifest
from exseos.records.index import Index
from exseos.records.names import INDEX, MANIFEST, README, SEAL
from exseos.records.readme import render
from tests.capsule.sample import NEEDS, Entries, Sample, complete, forged, opened, sealed, write


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("capsule") / "sample.capsule.zip", Sample().entries()).read_bytes()


@pytest.fixture
def entries() -> Entries:
    return Sample().entries()


def check(folder: Path, entries: Entries) -> VerifyReport:
    return verify(write(folder / "changed.capsule.zip", entries))


def found(report: VerifyReport) -> str:
    assert not report.ok
    return "\n".join(f"{problem.where}: {problem.what}" for problem in report.problems)


def test_a_good_capsule(tmp_path: Path, entries: Entries) -> None:
    report = check(tmp_path, entries)
    assert report.problems == ()
    assert report.ok
    assert report.id == sha256_bytes(entries[MANIFEST]) == Index.parse(entries[INDEX]).id
    assert report.seal == sha256_bytes(entries[SEAL])
    assert report.image_id == f"sha256:{sha256_bytes(entries['lock/image.json'])}"
    size = (tmp_path / "changed.capsule.zip").stat().st_size
    assert report.counts == {"entries": len(entries), "bytes": size, "stages": 4, "claims": 2, "left_out": 1}


def test_both_lists_are_checked_by_standard_tools(tmp_path: Path, entries: Entries) -> None:
    path = write(tmp_path / "sample.capsule.zip", entries)
    subprocess.run(["unzip", "-q", str(path), "-d", str(tmp_path / "out")], check=True, timeout=60)
    for name in (MANIFEST, SEAL, "results/prepared/trial-0-sha256.txt"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", name], cwd=tmp_path / "out", check=True, timeout=60)
    (tmp_path / "out" / "spec" / "experiment.py").write_text("def build(): return 1\n")
    for name in (MANIFEST, SEAL):
        done = subprocess.run(["sha256sum", "--check", "--quiet", name], cwd=tmp_path / "out", capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert "spec/experiment.py: FAILED" in done.stdout


def test_every_bit_of_some_bytes_of_every_part(good: bytes) -> None:
    """One random bit of every eleventh byte: headers, contents, lists and directory alike."""
    chance = random.Random(11)
    with ArchiveReader(opened(good)) as reader:
        owners = {position: member.name for member in reader.members for position in range(member.offset, member.end)}
    for position in range(0, len(good), 11):
        data = bytearray(good)
        data[position] ^= 1 << chance.randrange(8)
        report = verify(opened(bytes(data)))
        assert not report.ok, position
        if position in owners:
            assert owners[position] in {problem.where for problem in report.problems}, position


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(1, 255))
def test_any_changed_byte(good: bytes, position: int, change: int) -> None:
    data = bytearray(good)
    data[position % len(good)] ^= change
    assert not verify(opened(bytes(data))).ok


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 20))
def test_any_truncation(good: bytes, length: int) -> None:
    report = verify(opened(good[: length % len(good)]))
    assert len(report.problems) == 1


def test_every_missing_entry(tmp_path: Path, entries: Entries) -> None:
    free = {"data/events/events.csv", "data/elsewhere/more.csv", "attestations/statement.json"}
    for name in entries:
        report = check(tmp_path, {key: data for key, data in entries.items() if key != name})
        if name in free or name.startswith("data/"):
            assert report.ok
        else:
            assert name in {problem.where for problem in report.problems}
            assert "missing" in found(report)


def test_optional_entries_can_go_and_both_ids_stay(tmp_path: Path, entries: Entries) -> None:
    whole = check(tmp_path, entries)
    left = check(tmp_path, {name: data for name, data in entries.items() if not name.startswith("data/")})
    assert left.ok
    assert (left.id, left.seal) == (whole.id, whole.seal)
    assert left.counts["left_out"] == 5


@pytest.mark.parametrize("name", ["spec/more.py", "results/trial-0/train/more", "run/more", "data/more", "more", "lock/more"])
def test_an_added_entry(tmp_path: Path, entries: Entries, name: str) -> None:
    report = check(tmp_path, {**entries, name: b"more"})
    assert name in {problem.where for problem in report.problems}
    assert "added" in found(report)


def test_every_renamed_entry(tmp_path: Path, entries: Entries) -> None:
    for name in entries:
        if name.startswith("attestations/"):
            continue
        report = check(tmp_path, {(f"{name}x" if key == name else key): data for key, data in entries.items()})
        assert {name, f"{name}x"} & {problem.where for problem in report.problems}


def test_a_renamed_entry_is_said_to_be_one(tmp_path: Path, entries: Entries) -> None:
    entries["spec/other.py"] = entries.pop("spec/experiment.py")
    assert "spec/experiment.py: missing; its content is there as spec/other.py" in found(check(tmp_path, entries))


def test_names_with_unusual_line_breaks(tmp_path: Path) -> None:
    sample = Sample()
    sample.outputs["train"]["a\u2028b\x85c"] = b"x"
    assert check(tmp_path, sample.entries()).ok


def test_swapped_entries(tmp_path: Path, entries: Entries) -> None:
    one, two = "spec/experiment.py", "spec/layers/dense.py"
    entries[one], entries[two] = entries[two], entries[one]
    assert {problem.where for problem in check(tmp_path, entries).problems} == {one, two}


def test_every_problem_is_listed(tmp_path: Path, entries: Entries) -> None:
    entries["spec/experiment.py"] = b"evil"
    entries["run/host.json"] = b"evil"
    entries["data/events/events.csv"] = b"evil"
    entries["added"] = b"evil"
    del entries["results/trial-0/train/model.keras"]
    wrong = {problem.where for problem in check(tmp_path, entries).problems}
    assert wrong == {"spec/experiment.py", "run/host.json", "data/events/events.csv", "added", "results/trial-0/train/model.keras"}


def test_a_forged_seal_does_not_hide_changed_results(tmp_path: Path, entries: Entries) -> None:
    """Whoever writes the lists anew gets another experiment id, and still the index must fit the results."""
    entries["results/trial-0/train/model.keras"] = b"other weights"
    report = check(tmp_path, complete(entries, Index.parse(entries[INDEX])))
    assert found(report) == (f"{INDEX}: stage train of trial-0: the entries below results/trial-0/train/ do not give its outputs_digest")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": "1" * 64}, "the experiment id is 1111"),
        ({"image_id": f"sha256:{'1' * 64}"}, "the image id is sha256:1111"),
        ({"metrics": (), "claims": ()}, "the metrics of stage evaluate of trial-0 are not those of its metrics.json"),
        ({"stages": (), "metrics": (), "claims": ()}, "its stages are none, and the spec plans prepare, train, evaluate, synthesize"),
        ({"optional": ()}, "not in the index"),
        ({"optional": ({"name": "run/host.json", "sha256": "0" * 64, "size": 1},)}, "run/host.json cannot be an optional file"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, entries: Entries, change: dict[str, object], reason: str) -> None:
    index = Index.model_validate({**Index.parse(entries[INDEX]).model_dump(), **change})
    other = sealed({**entries, INDEX: index.to_bytes(), README: render(index).encode()})
    assert reason in found(check(tmp_path, other))


@pytest.mark.parametrize("location", ["data/../../up", "/etc", "results//train", "", "spec/train", "run/train"])
def test_outputs_at_a_place_that_they_cannot_have(tmp_path: Path, entries: Entries, location: str) -> None:
    data = entries[INDEX].replace(b'"location":"results/trial-0/train"', f'"location":"{location}"'.encode())
    assert data != entries[INDEX]
    report = check(tmp_path, sealed({**entries, INDEX: data}))
    assert INDEX in {problem.where for problem in report.problems}


def test_claims_are_judged_again(tmp_path: Path, entries: Entries) -> None:
    index = Index.parse(entries[INDEX])
    second = index.claims[1].model_copy(update={"holds": True, "recorded": 701.0})
    report = found(check(tmp_path, forged(entries, claims=(index.claims[0], second))))
    assert "claim 'It is small': it is said to hold, which is not so" in report
    assert "recorded is 701, and the metric is 749" in report


def test_the_stages_follow_from_each_other(tmp_path: Path, entries: Entries) -> None:
    prepare, train, *rest = Index.parse(entries[INDEX]).stages
    changed = train.model_copy(update={"inputs": (train.inputs[0].model_copy(update={"outputs": "0" * 64}),), "outputs_digest": "1" * 64})
    report = found(check(tmp_path, forged(entries, stages=(prepare, changed, *rest))))
    assert "stage train of trial-0: its input prepare is not what that stage gave" in report
    assert "stage evaluate of trial-0: its input train is not what that stage gave" in report


def test_data_that_neither_lock_nor_stage_knows(tmp_path: Path, entries: Entries) -> None:
    """The index is not exact: whoever changes data and index keeps the id, and the lock tells."""
    index = Index.parse(entries[INDEX])
    name, other = "data/events/events.csv", b"x,kind\n9,z\n"
    optional = tuple(
        one.model_copy(update={"sha256": sha256_bytes(other), "size": len(other)}) if one.name == name else one for one in index.optional
    )
    report = check(tmp_path, forged({**entries, name: other}, optional=optional))
    assert report.id == index.id
    assert f"{name}: the index has it with a digest or size that neither the lock nor a stage gives" in found(report)


def test_prepared_arrays_are_in_the_id(tmp_path: Path, entries: Entries) -> None:
    other = Sample()
    other.outputs["prepare"]["x_train.npy"] = b"other"
    assert check(tmp_path, other.entries()).id != check(tmp_path, entries).id


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"exseos_capsule":2}', b"[" * 100_000])
def test_an_index_that_is_none(tmp_path: Path, entries: Entries, data: bytes) -> None:
    assert INDEX in {problem.where for problem in check(tmp_path, sealed({**entries, INDEX: data})).problems}


def test_an_index_in_another_form(tmp_path: Path, entries: Entries) -> None:
    for data in (entries[INDEX] + b"\n", entries[INDEX].replace(b",", b", ", 1)):
        assert "not in canonical form" in found(check(tmp_path, sealed({**entries, INDEX: data})))
    twice = entries[INDEX].replace(b'"name":"sample"', b'"name":"other","name":"sample"')
    assert "a key is given twice" in found(check(tmp_path, sealed({**entries, INDEX: twice})))


@pytest.mark.parametrize("name", [MANIFEST, SEAL])
def test_a_list_in_another_form(tmp_path: Path, entries: Entries, name: str) -> None:
    for data in (entries[name] + entries[name], entries[name][:-1], entries[name].replace(b"  ", b" *"), b"\xff\n", b"x"):
        assert name in {problem.where for problem in check(tmp_path, {**entries, name: data}).problems}


def test_a_list_of_entries_that_it_does_not_cover(tmp_path: Path, entries: Entries) -> None:
    digests = {**Manifest.parse(entries[MANIFEST].decode()).as_dict(), README: sha256_bytes(entries[README])}
    lists = Manifest.of(Entry(name, sha256) for name, sha256 in digests.items()).text.encode()
    assert f"{MANIFEST}: {README!r} cannot be in this list" in found(check(tmp_path, sealed({**entries, MANIFEST: lists})))


@pytest.mark.parametrize("data", [b'[{"name":"accuracy"}]\n', b"{}", b"[" * 100_000, b"\xff", b"x" * (5 << 20)])
def test_metrics_that_are_none(tmp_path: Path, entries: Entries, data: bytes) -> None:
    name = "results/trial-0/evaluate/metrics.json"
    report = check(tmp_path, complete({**entries, name: data}, Index.parse(entries[INDEX])))
    assert name in {problem.where for problem in report.problems}


def test_something_else_than_a_capsule(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    assert "not a capsule file" in found(verify(tmp_path / "text"))
    assert verify(opened(b"")).problems == (Problem("archive", "this is not a capsule file: it does not end as one"),)
    with pytest.raises(UsageError, match="cannot open"):
        verify(tmp_path / "missing")
    with pytest.raises((UsageError, HostError)):
        verify(tmp_path)


def test_a_zip_without_anything_of_a_capsule(tmp_path: Path) -> None:
    assert {problem.where for problem in check(tmp_path, {"a": b""}).problems} >= {MANIFEST, SEAL, INDEX}


def test_memory_and_progress(tmp_path: Path) -> None:
    """A large entry is hashed in constant memory."""
    code = f"""
import resource
from pathlib import Path
from exseos.archive import ArchiveWriter
from exseos.capsule.verify import verify
class Steps:
    seen = []
    def step(self, text): ...
    def advance(self, task, done, total, unit="B"): self.seen.append((done, total))
path = Path({str(tmp_path / "large.capsule.zip")!r})
with ArchiveWriter(path) as writer:
    writer.add_stream("run/large", 300 << 20, (bytes(1 << 20) for _ in range(300)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verify(path, Steps())
assert Steps.seen == sorted(Steps.seen) and Steps.seen[-1][0] == Steps.seen[-1][1] == path.stat().st_size, Steps.seen[-1]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 30


def test_a_stage_of_a_stand_in_is_whole(tmp_path: Path) -> None:
    assert check(tmp_path, Sample.with_vendor().entries()).problems == ()


def test_a_forger_cannot_hide_a_stand_in(tmp_path: Path) -> None:
    """The lock enters the experiment id, and the index must say what the lock says."""
    sample = Sample.with_vendor()
    outputs = sample.outputs["synthesize-vitis"]
    outputs["metrics.json"] = outputs["metrics.json"].replace(b" (stand-in)", b"")
    entries = sample.entries()
    unsaid = "metric lut of stage synthesize-vitis of trial-0 does not say whether the tool was a stand-in"
    assert [problem.what for problem in check(tmp_path, entries).problems] == [unsaid]
    stages = tuple(
        stage if stage.exact else stage.model_copy(update={"needs": (stage.needs or "").partition(" (STAND")[0]})
        for stage in Index.parse(entries[INDEX]).stages
    )
    report = check(tmp_path, forged(entries, stages=stages))
    assert [problem.what for problem in report.problems] == [
        f"stage synthesize-vitis: its needs is Vitis HLS 2023.2, and spec and lock give {NEEDS}"
    ]
