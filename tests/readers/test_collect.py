"""From paths to reports: what is found in a tree, what is skipped and why, and how the command shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from exseos.cli import main
from exseos.errors import UsageError
from exseos.readers import collect as collecting
from exseos.readers import vivado_utilization
from exseos.readers.base import ReportError
from exseos.readers.collect import LINK, NOT_A_REPORT, collect, read_report
from tests.readers.hls_samples import COSIM_NEW, CSYNTH_TEXT, CSYNTH_XML
from tests.readers.reading import read, values
from tests.readers.test_quartus import FIT_SUMMARY
from tests.readers.vivado_samples import UTILIZATION


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project: three reports, one of them cut off and one without a telling name, beside files of other kinds."""
    project = tmp_path / "prj"
    (project / "syn").mkdir(parents=True)
    (project / "syn/blend_csynth.xml").write_text(CSYNTH_XML, encoding="utf-8")
    (project / "syn/cut.xml").write_text(CSYNTH_XML[:700], encoding="utf-8")
    (project / "numbers").write_text(UTILIZATION, encoding="utf-8")
    (project / "notes.rpt").write_text("nothing to see", encoding="utf-8")
    (project / "empty.rpt").write_text("\n", encoding="utf-8")
    (project / "x.bin").write_bytes(b"\x00\x01" + CSYNTH_XML.encode())
    return project


def test_a_tree(project: Path) -> None:
    found = collect([project])
    assert [path.relative_to(project).as_posix() for path, _ in found.reports] == ["numbers", "syn/blend_csynth.xml"]
    skipped = {each.path.name: each for each in found.skipped}
    assert {name: each.reason for name, each in skipped.items() if name != "cut.xml"} == {
        "notes.rpt": NOT_A_REPORT,
        "empty.rpt": "empty",
        "x.bin": "binary",
    }
    assert [each.path.name for each in found.skipped if each.damaged] == ["cut.xml"]


def test_links_make_no_loop_and_no_report_twice(project: Path) -> None:
    (project / "syn/up").symlink_to(project)
    (project / "again.xml").symlink_to(project / "syn/blend_csynth.xml")
    (project / "gone").symlink_to(project / "nothing")
    found = collect([project, project / "syn", project / "numbers"])
    assert len(found.reports) == 2
    assert {each.path.name for each in found.skipped if each.reason == LINK} == {"again.xml", "gone"}


def test_a_link_in_a_tree_shows_nobodys_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text(UTILIZATION, encoding="utf-8")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/link").symlink_to(tmp_path / "mine")
    assert main(["metrics", str(tmp_path / "theirs"), "--json"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == []
    assert "link: a link" in shown.err
    assert len(collect([tmp_path / "theirs/link"]).reports) == 1


def test_no_reader_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise IndexError

    monkeypatch.setattr(vivado_utilization, "_sites", fail)
    (tmp_path / "a.rpt").write_text(UTILIZATION, encoding="utf-8")
    (skipped,) = collect([tmp_path]).skipped
    assert skipped.damaged
    assert skipped.reason == "the report is damaged (Vivado utilization: IndexError)"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-be", "utf-16"])
def test_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    for text in (CSYNTH_XML, CSYNTH_TEXT, UTILIZATION, FIT_SUMMARY):
        (tmp_path / "a.rpt").write_bytes((text if encoding != "utf-16-be" else f"\ufeff{text}").encode(encoding))
        report = read_report(tmp_path / "a.rpt")
        assert report
        assert report == read(text, "a.rpt")


def test_a_name_in_latin_1_changes_no_number(tmp_path: Path) -> None:
    (tmp_path / "a.rpt").write_bytes(UTILIZATION.replace("somewhere", "br\u00f6tchen").encode("latin-1"))
    report = read_report(tmp_path / "a.rpt")
    assert report
    assert report == read(UTILIZATION)


def test_a_huge_file_is_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "LARGEST", len(UTILIZATION) - 1)
    with pytest.raises(ReportError, match="larger"):
        read_report(project / "numbers")


def test_no_pipe_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert [each.reason for each in collect([tmp_path]).skipped] == ["not a regular file"]


def test_a_report_beyond_the_first_64_kilobytes_and_in_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "a.rpt"
    file.write_bytes(CSYNTH_TEXT.replace("* Project:", "* Project: caf\xe9" + (" " * 1000 + "\n") * 70).encode("latin-1"))
    report = read_report(file)
    assert report is not None
    assert values(report)["lut"] == 5032


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no such"):
        collect([Path("/nonexistent/report")])


def test_json_has_exactly_the_numbers(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", str(project), "--json"]) == 0
    shown = capsys.readouterr()
    entries = {Path(entry["path"]).name: entry for entry in json.loads(shown.out)}
    assert set(entries) == {"numbers", "blend_csynth.xml"}
    entry = entries["blend_csynth.xml"]
    assert (entry["tool"], entry["version"], entry["device"]) == ("vitis_hls", "2023.1", "xc7z045-ffg900-2")
    assert {"name": "latency_max_ns", "value": 1220.0, "unit": "ns", "level": "estimated", "scope": "design"} in entry["metrics"]
    assert {"name": "ff", "value": 801, "unit": "count", "level": "estimated", "scope": "mix"} in entry["metrics"]
    units = {metric["name"]: metric["unit"] for metric in entry["metrics"]}
    assert (units["interval_min"], units["latency_min_cycles"], units["clock_target_ns"]) == ("cycles", "cycles", "ns")
    assert "cut.xml: the XML is damaged" in shown.err
    assert f"notes.rpt: {NOT_A_REPORT}" in shown.err


def test_the_table_has_levels_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"a.xml": CSYNTH_XML, "b.rpt": COSIM_NEW, "c.rpt": UTILIZATION}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["metrics", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("estimated" in line and "cosimulated" in line and "synthesized" in line for line in lines) == 1
    latency = next(line for line in lines if "latency_max_cycles" in line)
    assert [cell.strip() for cell in latency.split("│") if cell.strip().isdigit()] == ["305", "203"]


def test_many_files_of_other_kinds_are_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("x", encoding="utf-8")
    assert main(["metrics", str(tmp_path)]) == 1
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 21
    assert "30 more files" in shown[-1]


def test_names_of_files_give_no_commands_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a\x1b[31m[red]").write_text(UTILIZATION, encoding="utf-8")
    (tmp_path / "b\x1b[31m").write_text("x", encoding="utf-8")
    assert main(["metrics", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "\x1b[31m" not in shown.out + shown.err
    assert "[red]" in shown.out


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]


def test_a_design_over_several_toolchains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in {"a/one.xml": CSYNTH_XML, "a/two.rpt": CSYNTH_TEXT, "b/one.rpt": FIT_SUMMARY, "b/two": "x"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["metrics", str(tmp_path / "a"), str(tmp_path / "b"), "--compare"]) == 0
    shown = capsys.readouterr()
    rows = [cells(line) for line in shown.out.splitlines()]
    table = {row[0]: row[1:] for row in rows if row and row[0]}
    assert table["lut"] == ["count", "5032", "", "", ""]
    assert table["ff"] == ["count", "4021", "", "", "12987"]
    assert table["clock_uncertainty_ns"] == ["ns", "", "1.08", "0.5", ""]
    header = [" ".join(column) for column in zip(*[row for row in rows if len(row) == 6], strict=True)]
    assert ["vitis_hls 2023.1" in each for each in header] == [False, False, True, True, False, False]
    assert ["one.xml" in each for each in header] == [False, False, False, True, False, False]
    assert "quartus 20.1.1" in header[5]
    assert f"two: {NOT_A_REPORT}" in shown.err


def test_a_comparison_is_no_json(project: Path) -> None:
    assert main(["metrics", str(project), "--compare", "--json"]) == 2


def test_nothing_to_compare(tmp_path: Path) -> None:
    assert main(["metrics", str(tmp_path), "--compare"]) == 1
