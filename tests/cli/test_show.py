"""How results look on a terminal: several designs side by side, stand-ins named, long lists of metrics kept short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exseos.capsule.verdict import Verdict, VerdictEntry
from exseos.cli import main
from exseos.cli.show import show_verdict
from tests.capsule.sample import Sample, metrics_file, write

NUMBERS = {"lut": 8123, "lut_available": 274080, "wns_ns": 0.31, "tns_total_endpoints": 77}


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    sample = Sample.with_vendor()
    rows = [(name, value, "synthesized") for name, value in NUMBERS.items()]
    sample.outputs["synthesize-vitis"]["metrics.json"] = metrics_file(*rows, version="2023.2 (stand-in)")
    return write(tmp_path / "a.capsule.zip", sample.entries())


def cells(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"│ {name} "))
    return [cell.strip() for cell in line.strip("│").split("│")[1:]]


def test_designs_side_by_side(capsule: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capsule", "inspect", str(capsule)]) == 0
    text = capsys.readouterr().out
    by_level, _, designs = text.partition("Designs side by side")
    assert cells(by_level, "accuracy") == ["0.875", "0.872"]
    assert cells(designs, "lut") == ["749", "8123"]
    assert cells(designs, "wns_ns") == ["", "0.31"]
    assert "lut_available" not in text
    assert "2 more metrics" in text
    assert "not real       synthesize-vitis ran with Vitis HLS 2023.2 (STAND-IN, not the real tool)" in text


def test_json_has_every_number_of_every_design(capsule: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capsule", "inspect", str(capsule), "--json"]) == 0
    designs = json.loads(capsys.readouterr().out)["designs"]
    assert designs["synthesize-vitis"]["synthesized"] == NUMBERS
    assert designs["synthesize-open"]["synthesized"] == {"lut": 749}


def test_one_design_has_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capsule", "inspect", str(write(tmp_path / "a.capsule.zip", Sample().entries()))]) == 0
    text = capsys.readouterr().out
    assert "side by side" not in text
    assert "not real" not in text
    assert cells(text, "lut") == ["", "", "749"]


def entry(name: str, verdict: str) -> VerdictEntry:
    return VerdictEntry.model_validate({"kind": "metric", "name": name, "verdict": verdict, "expected": 7, "found": 7})


IDS = {"id": "1" * 64, "seal": "2" * 64, "image_id": "sha256:" + "3" * 64, "engine": "none", "not_enforced": (), "notes": ()}


@pytest.mark.parametrize(
    ("overall", "line"),
    [
        ("reproduced", "reproduced: every claim was replayed and holds, every number is identical"),
        ("reproduced within tolerance", "reproduced within tolerance: every claim holds, but not every number is identical"),
        ("different", "does not reproduce: something differs"),
        ("not fully checkable", "holds so far, but not everything could be checked here"),
        ("nothing claimed", "nothing to judge: every output and metric is as recorded, and no claim is left to judge"),
    ],
)
@pytest.mark.parametrize("trusted", [(), ("image",), ("data events", "data more", "image")], ids=len)
def test_the_first_line_of_a_verdict(capsys: pytest.CaptureFixture[str], overall: str, line: str, trusted: tuple[str, ...]) -> None:
    """No two verdicts share it, and it names what was taken on trust."""
    entries = [{"kind": "basis", "name": name, "verdict": "trusted"} for name in trusted]
    show_verdict(Verdict.model_validate({"verdict": overall, "entries": [*entries, entry("lut (routed)", "identical")], **IDS}))
    taken = {(): "", ("image",): "; taken on trust: image"}.get(trusted, "; taken on trust: data, image")
    assert line + taken in capsys.readouterr().out.splitlines()


def test_details_that_are_as_they_should_be_take_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["lut_available (routed)", "ff_available (routed, implement-vitis)", "lut_utilization_percent (routed)"]
    entries = [entry("lut (routed)", "identical"), *(entry(name, "identical") for name in names)]
    entries += [entry("dsp_available (routed)", "not checkable here"), entry("uram_available (routed)", "different")]
    show_verdict(Verdict.model_validate({"verdict": "different", "entries": entries, **IDS}))
    text = capsys.readouterr().out
    assert "lut (routed)" in text
    assert "uram_available" in text, "what differs is always shown"
    assert "dsp_available" not in text
    assert cells(text.replace("│        │", "│"), "3 more, in --json")[-2] == "identical"
    assert cells(text.replace("│        │", "│"), "1 more, in --json")[-2] == "not checkable here"
