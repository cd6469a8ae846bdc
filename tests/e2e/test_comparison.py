"""What is printed when two builds differ can be relied upon."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.records.index import MANIFEST
from tests.e2e.comparison import culprits, differences


def capsule(path: Path, entries: dict[str, bytes]) -> Path:
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(entries.items())]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**entries, MANIFEST: "".join(lines).encode()}.items():
            archive.writestr(name, data)
    return path


def test_differing_entries_are_named_and_shown(tmp_path: Path) -> None:
    same = {"spec/spec.yaml": b"exseos: 1\n"}
    one = capsule(tmp_path / "one", {**same, "lock/a.json": b'{"x":1,"y":2}', "results/m.npy": b"\x93\xff1", "results/left": b"l"})
    two = capsule(tmp_path / "two", {**same, "lock/a.json": b'{"x":1,"y":3}', "results/m.npy": b"\x93\xff2"})
    shown = differences(one, two).splitlines()
    assert [line.split(":")[0] for line in shown if not line.startswith("    ")] == ["lock/a.json", "results/left", "results/m.npy"]
    assert '    -"y":2}' in shown
    assert '    +"y":3}' in shown
    assert shown[-2].startswith("    -l") or "absent" in shown[-2]
    assert "spec/spec.yaml" not in differences(one, two)


def test_same_capsules_have_no_differences(tmp_path: Path) -> None:
    entries = {"spec/spec.yaml": b"exseos: 1\n"}
    assert differences(capsule(tmp_path / "one", entries), capsule(tmp_path / "two", entries)) == ""


FACTORS = [f"factor {number}" for number in range(12)]


@pytest.mark.parametrize("guilty", FACTORS)
def test_one_culprit_is_found_in_few_runs(guilty: str) -> None:
    runs: list[frozenset[str]] = []

    def differs(varied: frozenset[str]) -> bool:
        runs.append(varied)
        return guilty in varied

    assert culprits(FACTORS, differs) == {guilty}
    assert len(runs) <= 8


@given(st.sets(st.sampled_from(FACTORS), min_size=1, max_size=4))
def test_factors_that_act_together_all_remain(guilty: set[str]) -> None:
    assert culprits(FACTORS, lambda varied: guilty <= varied) == guilty
