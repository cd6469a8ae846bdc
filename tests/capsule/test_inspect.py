"""Inspection: the numbers of the chosen trial, and few bytes read for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from exseos.archive import ArchiveReader
from exseos.capsule.inspect import inspect
from exseos.digest import sha256_bytes
from exseos.errors import CapsuleError, UsageError
from exseos.records.index import Index
from exseos.records.names import INDEX, MANIFEST
from tests.capsule.sample import Sample, write
from tests.test_archive import Counting


def test_what_it_shows(tmp_path: Path) -> None:
    entries = Sample().entries()
    path = write(tmp_path / "sample.capsule.zip", entries)
    seen = inspect(path)
    assert seen.id == sha256_bytes(entries[MANIFEST])
    assert seen.seal == sha256_bytes(entries["seal-sha256.txt"])
    assert seen.image_id == f"sha256:{sha256_bytes(entries['lock/image.json'])}"
    assert seen.metrics == {"accuracy": 0.872, "lut": 749, "parameters": 145}
    assert list(seen.metrics_by_level["accuracy"].items()) == [("rtl", 0.872), ("float", 0.875)]
    assert [(claim.metric, claim.holds) for claim in seen.claims] == [("accuracy", True), ("lut", False)]
    assert [(stage.stage, stage.files) for stage in seen.stages] == [("prepare", 2), ("train", 2), ("evaluate", 1), ("synthesize", 2)]
    assert (seen.chosen, seen.parent, seen.has_image, seen.has_data, seen.left_out) == ("trial-0", None, False, True, ("image.tar",))
    assert seen.size == path.stat().st_size
    assert sum(seen.sizes.values()) == sum(map(len, entries.values()))
    assert seen.sizes["data"] == sum(len(data) for name, data in entries.items() if name.startswith("data/"))


def test_what_was_left_out(tmp_path: Path) -> None:
    entries = {name: data for name, data in Sample().entries().items() if name != "data/elsewhere/more.csv"}
    seen = inspect(write(tmp_path / "sample.capsule.zip", entries))
    assert not seen.has_data
    assert seen.left_out == ("data/elsewhere/more.csv", "image.tar")


def test_it_reads_only_what_it_needs(tmp_path: Path) -> None:
    sample = Sample()
    sample.more["run/large"] = bytes(5_000_000)
    source = Counting(write(tmp_path / "sample.capsule.zip", sample.entries()).read_bytes())
    assert inspect(source).name == "sample"
    assert source.counted < 100_000


def test_a_damaged_part_that_it_does_not_need(tmp_path: Path) -> None:
    path = write(tmp_path / "sample.capsule.zip", Sample().entries())
    path.write_bytes(path.read_bytes().replace(b"weights", b"Weights"))
    assert inspect(path).name == "sample"


def test_refusals(tmp_path: Path) -> None:
    entries = Sample().entries()
    path = write(tmp_path / "sample.capsule.zip", entries)
    path.write_bytes(path.read_bytes().replace(b'"name":"sample"', b'"name":"simple"'))
    with pytest.raises(CapsuleError, match="CRC-32"):
        inspect(path)
    with pytest.raises(CapsuleError, match="it is not a capsule"):
        inspect(write(tmp_path / "other.zip", {"a": b""}))
    other = Index.parse(entries[INDEX]).model_copy(update={"id": "0" * 64})
    with pytest.raises(CapsuleError, match="the experiment id is not that of"):
        inspect(write(tmp_path / "id.zip", {**entries, INDEX: other.to_bytes()}))
    with pytest.raises(UsageError, match="cannot open"):
        inspect(tmp_path / "missing")


def test_the_index_round_trips_and_levels_are_ordered(tmp_path: Path) -> None:
    with ArchiveReader(write(tmp_path / "sample.capsule.zip", Sample().entries())) as reader:
        data = reader.read(INDEX)
    index = Index.parse(data)
    assert index.to_bytes() == data
    routed = index.metrics[3].model_copy(update={"level": "routed", "value": 760})
    part = index.metrics[3].model_copy(update={"scope": "layer dense", "value": 17})
    assert index.model_copy(update={"metrics": (*index.metrics, part, routed)}).metrics_of("trial-0")["lut"] == {
        "routed": 760,
        "synthesized": 749,
    }


@pytest.mark.parametrize(
    ("value", "tolerance", "number", "holds"),
    [
        (0.88, {"absolute": 0.005}, 0.875, True),
        (0.88, {"absolute": 0.005}, 0.8749999, False),
        (700.0, {"relative": 0.05}, 735, True),
        (700.0, {"relative": 0.05}, 735.0001, False),
        (-2.0, {"relative": 0.1}, -2.2, True),
        (7.0, {}, 7, True),
        (7.0, {}, 7.0000001, False),
        (7.0, {"absolute": 100.0}, None, False),
    ],
)
def test_tolerances_are_decimal(value: float, tolerance: dict[str, float], number: float | None, holds: bool) -> None:
    claim = Index.parse(Sample().entries()[INDEX]).claims[0]
    plain = {**claim.model_dump(), "absolute": None, "relative": None, "value": value, **tolerance}
    assert type(claim).model_validate(plain).accepts(number) is holds
