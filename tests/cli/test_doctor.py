"""``exseos doctor``: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exseos.capsule.doctor import Examination, Finding
from exseos.cli import main
from exseos.toolchains.vendor.installation import installation
from tests.toolchains.test_installation import stand_in

LONG = "/a/path/that/is/long/enough/to/be/broken/by/any/table/if/it/were/put/into/one/of/its/narrow/columns/Vivado/2023.2"
FINDINGS = (
    Finding("machine", "memory", "ok", "64 GiB"),
    Finding("engines", "docker", "note", "does not work: no daemon", "Start Docker.\n  Or do not."),
    Finding("toolchains", "vivado", "ok", f"Vivado 2023.2 in {LONG}", f"Use it: `--toolchain vivado={LONG}`"),
    Finding("spec", "data events", "problem", "is another [bold]file[/] \x1b[31m", "Bring the right one."),
    Finding("spec", "lock", "problem", "is stale", "Lock again."),
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command with an examination that found ``findings``."""

    def call(findings: tuple[Finding, ...], *arguments: str, installations: Any = ()) -> tuple[int, str, str]:
        def examined(spec: Path | None, toolchains: dict[str, Path]) -> Examination:
            return Examination(findings, "bubblewrap", tuple(installations), spec)

        monkeypatch.setattr("exseos.cli.doctor.examine", examined)
        code = main(["doctor", *arguments])
        done = capsys.readouterr()
        return code, done.out, done.err

    return call


def test_a_machine_that_can_build(run: Any) -> None:
    code, out, err = run(FINDINGS[:3])
    assert (code, err) == (0, "")
    assert out.startswith("machine\n  ok      memory           64 GiB\nengines\n  note    docker")
    assert out.endswith("\nNothing here would stop a build with the open toolchain.\n")


def test_what_would_stop_a_build_is_listed_with_the_next_steps(run: Any) -> None:
    code, out, err = run(FINDINGS, "my/spec.yaml")
    assert (code, err) == (1, "")
    assert out.partition("What would stop a build of my/spec.yaml:\n")[2].splitlines() == [
        "  1. data events: is another [bold]file[/] \\x1b[31m",
        "     → Bring the right one.",
        "  2. lock: is stale",
        "     → Lock again.",
    ]
    assert "  problem data events      is another [bold]file[/] \\x1b[31m\n" in out


def test_lines_fit_and_words_are_whole(run: Any) -> None:
    words = Finding("machine", "memory", "note", "word " * 60, "step " * 60)
    _, out, _ = run((*FINDINGS, words))
    assert LONG in out
    assert f"--toolchain vivado={LONG}" in out
    assert max(len(line) for line in out.splitlines() if LONG not in line) <= 100
    assert "→ Start Docker.\n" in out
    assert "  Or do not.\n" in out


def test_json(run: Any, tmp_path: Path) -> None:
    there = installation("vivado", stand_in(tmp_path))
    code, out, err = run(FINDINGS, "spec.yaml", "--json", installations=[there])
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert list(found) == ["exseos", "ok", "spec", "engine", "findings", "installations"]
    assert (found["ok"], found["spec"], found["engine"]) == (False, str(Path.cwd() / "spec.yaml"), "bubblewrap")
    assert found["findings"][1] == {
        "section": "engines",
        "name": "docker",
        "state": "note",
        "text": "does not work: no daemon",
        "next_step": "Start Docker.\n  Or do not.",
    }
    (one,) = found["installations"]
    assert one == {
        "toolchain": "vivado",
        "version": "2023.2",
        "root": str(tmp_path),
        "fingerprint": there.fingerprint,
        "stand_in": True,
    }
    code, out, _ = run(FINDINGS[:3], "--json")
    assert (code, json.loads(out)["ok"], json.loads(out)["spec"]) == (0, True, None)


def test_every_key_of_the_json_is_documented(run: Any) -> None:
    text = (Path(__file__).parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
    found = json.loads(run(FINDINGS, "--json")[1])
    keys = [*found, *found["findings"][0], "toolchain", "version", "root", "fingerprint", "stand_in"]
    assert [key for key in keys if f"`{key}`" not in text] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--toolchain", "vivado"], "--toolchain takes NAME=DIR, found 'vivado'"),
        (["--toolchain", "vivad=/x"], "there is no toolchain 'vivad'"),
        (["--toolchain", "open=/x"], "'open' is inside the image"),
        (["a", "b"], "unexpected extra argument"),
    ],
)
def test_a_wrong_request(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["doctor", *arguments]) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert said in done.err


def test_for_real(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On whatever machine this runs: it ends, says something of every section, and leaves no store behind."""
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))
    code = main(["doctor", str(Path(__file__).parents[2] / "examples/tiny/spec.yaml"), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == (0 if found["ok"] else 1)
    assert {one["section"] for one in found["findings"]} == {"machine", "engines", "toolchains", "network", "spec"}
    assert not (tmp_path / "store").exists()
