"""Whatever a capsule, report, worker or file says, the terminal shows our lines and tables, and nothing else begins like a verdict."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from exseos.capsule.doctor import Examination, Finding
from exseos.capsule.inspect import Inspection, StageSummary, inspect
from exseos.capsule.verdict import Verdict, VerdictEntry
from exseos.capsule.verify import Problem, VerifyReport
from exseos.cli import main
from exseos.cli.console import Plain, Terminal
from exseos.cli.show import inspection_json, show_inspection, show_verdict, verdict_json
from exseos.cli.show_metrics import metrics_json, show_comparison, show_metrics
from exseos.errors import CapsuleError, ExseosError
from exseos.lock import STAND_IN
from exseos.readers.base import Number, Report
from exseos.readers.collect import Collected, Skipped
from exseos.records.index import Index
from exseos.records.names import INDEX
from exseos.records.parts import ClaimRecord
from exseos.records.readme import render
from exseos.text import is_plain
from tests.capsule.sample import Sample, complete, write

FALSE = "reproduced: every claim was replayed and holds, every number is identical"
NEAR = "reproduced within tolerance: every claim holds, but not every number is identical"
EVIL = (
    f"a\x1b[2J\x9b1;1H\u202eb\u2066\u200b[bold green]x[/bold green][/]\r{FALSE}\n{FALSE}\n\x1b[1A\u2028{FALSE}\x85{FALSE}\x0b{FALSE}"
    f"\n│ claim │ a │ 1 │ 1 │ 1 │ identical │ │\n└──┘\n\t{FALSE}{' ' * 200}{FALSE}\\"
)
WIDTHS = (None, 60, 80, 140)
"""Of a terminal; None: no terminal."""


@pytest.fixture(params=WIDTHS, ids=lambda width: f"terminal {width}" if width else "pipe")
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What results are printed to."""
    file, width = io.StringIO(), request.param
    console = Console(file=file, width=width or 140, force_terminal=bool(width), color_system=None, highlight=False, emoji=False)
    for module in ("show", "show_metrics", "show_doctor"):
        monkeypatch.setattr(f"exseos.cli.{module}._console", lambda: console)
    return file


def clean(text: str, true: tuple[str, ...] = ()) -> list[str]:
    """The lines of ``text``, none of which commands the terminal, begins like a verdict, or is a row with other columns than its head."""
    lines = text.split("\n")
    assert all(is_plain(line) for line in lines), [line for line in lines if not is_plain(line)]
    begins = [line.rstrip() for line in lines if line.startswith(("reproduced", "identical"))]
    assert len(begins) == len(true)
    assert all(len(line) > 40 and one.startswith(line) for line, one in zip(begins, true, strict=True)), begins
    columns = 0
    for line in lines:
        if line.startswith("┃"):
            columns = line.count("┃")
        elif line.startswith("│"):
            assert line.count("│") == columns, line
        else:
            assert not line.lstrip().startswith("│")
    return lines


def is_ascii_json(text: str) -> Any:
    assert text.isascii()
    assert is_plain(text.replace("\n", ""))
    return json.loads(text)


def verdict(overall: str, judgement: str) -> Verdict:
    entries = [
        VerdictEntry.model_validate(
            {"kind": kind, "name": EVIL, "verdict": judgement, "expected": EVIL, "found": EVIL, "claimed": 0.5, "detail": EVIL}
        )
        for kind in ("basis", "stage", "metric", "claim")
    ]
    texts = dict.fromkeys(("id", "seal", "image_id", "engine"), EVIL)
    return Verdict.model_validate({"verdict": overall, **texts, "not_enforced": (EVIL,), "notes": (EVIL,), "entries": entries})


@pytest.mark.parametrize(
    ("overall", "judgement", "true"),
    [
        ("reproduced", "identical", (FALSE,)),
        ("reproduced within tolerance", "within tolerance", (NEAR,)),
        ("different", "different", ()),
        ("not fully checkable", "not checkable here", ()),
        ("nothing claimed", "identical", ()),
    ],
)
def test_verdict(screen: io.StringIO, overall: str, judgement: str, true: tuple[str, ...]) -> None:
    show_verdict(verdict(overall, judgement))
    lines = clean(screen.getvalue(), true)
    assert sum("\\x1b[2J" in line for line in lines) >= 3
    assert is_ascii_json(verdict_json(verdict(overall, judgement)))["entries"][0]["detail"] == EVIL


def inspection() -> Inspection:
    claim = ClaimRecord.model_construct(
        text=EVIL, metric=EVIL, level="rtl", value=1.0, trial="t", stage=None, absolute=None, relative=0.1, recorded=10**400, holds=True
    )
    stage = StageSummary(trial=EVIL, stage=EVIL, exact=False, needs=EVIL + STAND_IN, files=1, outputs_digest=EVIL)
    levels = {"routed": {EVIL: 1.5, "lut": 7}, "float": {EVIL: 3}}
    texts = dict.fromkeys(("id", "seal", "image_id", "name", "title", "licence", "created_with", "parent", "chosen"), EVIL)
    return Inspection.model_construct(
        **texts,  # type: ignore[arg-type]
        size=10**9,
        sizes={EVIL: 1},
        has_image=False,
        has_data=False,
        left_out=(EVIL, EVIL),
        trials=(),
        metrics={EVIL: 1},
        metrics_by_level={},
        designs={EVIL: levels, "implement-" + EVIL: levels},
        claims=(claim,),
        stages=(stage,),
    )


def test_inspection(screen: io.StringIO, tmp_path: Path) -> None:
    show_inspection(inspection(), tmp_path / EVIL.replace("/", ""))
    lines = clean(screen.getvalue())
    assert any("not real" in line for line in lines)
    assert any(" holds " in line for line in lines)
    assert any("too large" in line for line in lines)


def test_json_of_an_inspection(tmp_path: Path) -> None:
    found = inspect(write(tmp_path / "a.capsule.zip", Sample().entries())).model_copy(update={"title": EVIL})
    assert is_ascii_json(inspection_json(found, path=EVIL))["title"] == EVIL


def collected(folder: Path) -> Collected:
    report = Report(
        EVIL, EVIL, EVIL, (Number(EVIL, 1, EVIL, "routed"), Number("lut", 2, EVIL, "estimated"), Number(EVIL, 3, "", "routed", EVIL))
    )
    other = replace(report, numbers=(Number("lut", 5, EVIL, "estimated"),))
    name = EVIL.replace("/", "")
    return Collected([(folder / name / name, report), (folder / name / f"{name}2", other)], [Skipped(folder / name, EVIL, damaged=True)])


def test_metrics(screen: io.StringIO) -> None:
    found = collected(Path())
    show_metrics(found)
    show_comparison({Path(EVIL): found, Path("other"): found})
    clean(screen.getvalue().replace(f"a\\x1b[2J\\x9b1;1H\\u202eb{FALSE}", ""))
    assert is_ascii_json(metrics_json(found))


def test_skipped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("exseos.cli.metrics.collect", lambda paths: collected(Path()))
    assert main(["metrics", "x"]) == 0
    said = capsys.readouterr()
    assert all(line.startswith("skipped ") for line in clean(said.err)[:-1])
    clean(said.out)


def test_examination(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    findings = (Finding("spec", EVIL, "problem", EVIL, EVIL), Finding("spec", EVIL, "ok", EVIL, ""))
    monkeypatch.setattr("exseos.cli.doctor.examine", lambda *given: Examination(findings, None, (), Path(EVIL)))
    assert main(["doctor"]) == 1
    clean(screen.getvalue().replace("│", "|"))
    assert main(["doctor", "--json"]) == 1
    assert is_ascii_json(capsys.readouterr().out)["findings"][0]["text"] == EVIL


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    problems = (Problem(EVIL, EVIL), Problem("a", "b"))
    monkeypatch.setattr("exseos.cli.capsule_verify.verify", lambda path, told: VerifyReport(problems))
    assert main(["capsule", "verify", "x.zip", *(["--json"] if as_json else [])]) == 1
    said = capsys.readouterr()
    if as_json:
        assert is_ascii_json(said.out)["problems"][0] == {"where": EVIL, "what": EVIL}
        return
    lines = said.err.split("\n")
    assert all(is_plain(line) for line in lines)
    assert lines[0] == "x.zip: damaged, 2 problem(s)"
    assert len(lines) == 4
    assert [line[:2] for line in lines[1:-1]] == ["  ", "  "]


def test_names_of_a_real_capsule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = Sample()
    sample.more["results/trial-0/train/evil\u202efdp.\x85reproduced"] = b""
    sample.more["data/not\u2028there\x9b"] = b""
    path = write(tmp_path / "a.capsule.zip", sample.entries())
    for command in (["verify"], ["replay"], ["unpack"]):
        main(["capsule", *command, str(path), *([str(tmp_path / "to")] if command == ["unpack"] else [])])
        said = capsys.readouterr()
        assert all(is_plain(line) for line in (said.out + said.err).split("\n"))
        assert "data/not\\u2028there\\x9b: " in said.err


def test_what_a_stage_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The field that once painted a false verdict."""
    entries = Sample.with_vendor().entries()
    index = Index.parse(entries[INDEX])
    stages = tuple(one if one.exact else one.model_copy(update={"needs": f"{EVIL} {STAND_IN}"}) for one in index.stages)
    path = write(tmp_path / "a.capsule.zip", complete(entries, index.model_copy(update={"stages": stages, "title": EVIL})))
    for arguments in (["inspect"], ["verify"], ["replay"]):
        main(["capsule", *arguments, str(path)])
        said = capsys.readouterr()
        lines = (said.out + said.err).split("\n")
        assert all(is_plain(line) for line in lines)
        assert [line for line in lines if line.startswith("reproduced")] == []
    readme = render(index.model_copy(update={"stages": stages, "title": EVIL, "licence": EVIL})).split("\n")
    assert all(is_plain(line) for line in readme)
    assert [line for line in readme if line.startswith("reproduced")] == []


ERRORS = [ExseosError(EVIL, where=EVIL, hint=EVIL), CapsuleError(EVIL), CapsuleError(EVIL + "\ud800", where="\ud800", hint="\ud800")]


@pytest.mark.parametrize("error", [*ERRORS, OSError(5, EVIL, EVIL)], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("width", WIDTHS)
def test_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, width: int | None) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr("exseos.cli.schema.json_schema", fail)
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    main(["schema"])
    said = capsys.readouterr()
    lines = said.err.rstrip("\n").split("\n")
    assert said.out == ""
    assert lines[0].startswith("exseos: error: ")
    assert all(line.startswith("  ") or not line for line in lines[1:])
    assert all(is_plain(line.replace("\t", "")) for line in lines)
    assert width is None or all(len(line.expandtabs()) <= width + 8 for line in lines)


def test_wrong_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capsule", "build", "spec.yaml", "--memory", EVIL]) == 2
    assert main(["\x1b[2J"]) == 2
    assert all(is_plain(line.replace("\t", "")) for line in capsys.readouterr().err.split("\n"))


@pytest.mark.parametrize("width", WIDTHS)
def test_progress(width: int | None) -> None:
    file = io.StringIO()
    progress: Any = Terminal() if width else Plain()
    console = Console(
        file=file, width=width or 80, force_terminal=bool(width), color_system=None, legacy_windows=False, soft_wrap=not width
    )
    progress.console = console
    if width:
        progress._live.live.console = console
    else:
        progress._last = -1e9
    progress.advance(EVIL, 1, 2, unit="")
    progress.step(EVIL)
    if width:
        console.print(progress._live.get_renderable())
    lines = clean(file.getvalue().replace("━", "-").replace("╸", "-").replace("╺", "-"))
    assert sum("x1b[2J" in line for line in lines) == 2


def test_every_text_of_a_problem_is_covered() -> None:
    """A field that is added must be put into the tests above."""
    assert [field.name for field in fields(Problem)] == ["where", "what"]
    assert set(Verdict.model_fields) == {"verdict", "id", "seal", "image_id", "engine", "not_enforced", "notes", "entries"}
    assert set(VerdictEntry.model_fields) == {"kind", "name", "verdict", "expected", "found", "claimed", "detail"}


def test_no_command_to_the_terminal_in_any_json() -> None:
    import ast

    import exseos

    for path in (Path(exseos.__file__).parent / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.keyword) and node.arg == "ensure_ascii"), path
            assert not (isinstance(node, ast.Attribute) and node.attr == "model_dump_json" and path.name != "show.py"), path
