"""The command line: help, errors, exit codes, and what goes to which stream."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exseos import __version__
from exseos.cli import LazyGroup, _group, main
from exseos.errors import DigestMismatch, ExseosError, HostError, UsageError
from exseos.resolve.check import check_experiment
from exseos.spec import read_spec
from tests.capsule.sample import Sample, write

ROOT = Path(__file__).parents[2]


def every_command(group: LazyGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    import click

    found = [path]
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        found += every_command(command, (*path, name)) if isinstance(command, LazyGroup) else [(*path, name)]
    return found


COMMANDS = every_command(_group())  # type: ignore[arg-type]
LEAVES = [path for path in COMMANDS if path not in ((), ("capsule",), ("image",))]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in an empty folder; exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXSEOS_STORE", str(tmp_path / "store"))

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        done = capsys.readouterr()
        assert "Traceback" not in done.err
        assert "\x1b" not in done.out + done.err
        return code, done.out, done.err

    return call


def test_all_commands_are_known_to_these_tests() -> None:
    assert {" ".join(path) for path in LEAVES} >= {
        "init",
        "lock",
        "schema",
        "capsule build",
        "capsule verify",
        "capsule replay",
        "capsule inspect",
        "capsule unpack",
        "image build",
        "image save",
        "image lock-base",
        "image base-context",
    }


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help(run: Any, path: tuple[str, ...], flag: str) -> None:
    code, out, err = run(*path, flag)
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(('exseos', *path))} ")
    assert "Options:" in out
    assert len(out.splitlines()) > 4


@pytest.mark.parametrize("path", [path for path in LEAVES if path not in (("doctor",), ("schema",), ("image", "lock-base"))], ids=" ".join)
def test_a_missing_argument(run: Any, path: tuple[str, ...]) -> None:
    code, out, err = run(*path)
    assert (code, out) == (2, "")
    assert "Missing argument" in err


def test_version(run: Any) -> None:
    assert run("--version") == (0, f"exseos {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Commands:"),
        (("capsule",), "Commands:"),
        (("capsul",), "No such command 'capsul'. Did you mean 'capsule'?"),
        (("capsule", "bild"), "No such command 'bild'. Did you mean 'build'?"),
        (("image", "lockbase"), "Did you mean 'lock-base'?"),
        (("zzz",), "No such command 'zzz'.\n"),
        (("lock", "spec.yaml", "--fast"), "No such option '--fast'"),
        (("lock", "a", "b"), "unexpected extra argument"),
        (
            ("lock", "spec.yaml"),
            "/spec.yaml: there is no such spec\n  Name a spec.yaml, or make one with `exseos init NAME`.\n",
        ),
        (("image", "build", "spec.yaml"), "there is no such spec"),
        (("capsule", "build", "spec.yaml"), "there is no such spec"),
        (("capsule", "build", "spec.yaml", "--without", "image,dta"), "--without takes image and data, found 'dta'"),
        (("capsule", "build", "spec.yaml", "--data", "events"), "--data takes NAME=FILE, found 'events'"),
        (("capsule", "build", "spec.yaml", "--data", "=x"), "--data takes NAME=FILE, found '=x'"),
        (("capsule", "build", "spec.yaml", "--memory", "none"), "'none' is not a valid float"),
        (("capsule", "build", "spec.yaml", "--memory", "0.1"), "not in the range"),
        (("capsule", "build", "spec.yaml", "--memory", "nan"), "--memory"),
        (("capsule", "build", "spec.yaml", "--memory", "inf"), "--memory"),
        (("capsule", "verify", "none.zip"), "none.zip: cannot open the capsule file: No such file or directory"),
        (("capsule", "inspect", "none.zip"), "cannot open the capsule file"),
        (("capsule", "replay", "none.zip"), "cannot open the capsule file"),
        (("capsule", "unpack", "none.zip", "folder"), "cannot open the capsule file"),
        (("init", "Magic Gamma"), "'Magic Gamma' cannot be the name of an experiment\n  A name is 1 to 64 lower-case letters"),
        (("init", "."), "this folder exists already"),
        (("init", "store"), "/store: this folder exists already\n  Choose another name.\n"),
        (("init", "one", "--template", "opne"), "there is no template 'opne'; did you mean 'open'?\n  There is: csim, open.\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_exit_code_2(run: Any, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "store").mkdir()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ExseosError("it failed", where="here", hint="Do that."), 1, "exseos: error: here: it failed\n  Do that.\n"),
        (UsageError("wrong"), 2, "exseos: error: wrong\n"),
        (HostError("full"), 1, "exseos: error: full\n"),
        (DigestMismatch("other bytes"), 1, "exseos: error: other bytes\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/some/file"), 1, "exseos: error: /some/file: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "exseos: error: No space left on device\n"),
        (KeyboardInterrupt(), 130, "exseos: interrupted; finished stages are kept\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_errors_say_what_where_and_what_to_do(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, text: str
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("exseos.cli.schema.json_schema", fail)
    found, out, err = run("schema")
    assert (found, out, err.lstrip("\n")) == (code, "", text)


def test_a_mistake_in_exseos_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise AssertionError("a bug")

    monkeypatch.setattr("exseos.cli.schema.json_schema", fail)
    with pytest.raises(AssertionError, match="a bug"):
        main(["schema"])


def test_schema_is_json_alone(run: Any) -> None:
    code, out, err = run("schema")
    assert (code, err) == (0, "")
    assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("template", ["open", "csim"])
def test_init_gives_an_experiment_that_is_right(run: Any, tmp_path: Path, template: str) -> None:
    code, out, err = run("init", "deep/my-net", "--template", template)
    assert (code, err) == (0, "")
    assert "exseos capsule build deep/my-net/spec.yaml" in out
    folder = tmp_path / "deep/my-net"
    experiment = read_spec(folder / "spec.yaml", check_experiment(folder)).experiment()
    assert experiment.name == "my-net"
    assert sorted(path.name for path in folder.iterdir()) == ["experiment.py", "spec.yaml"]
    original = (ROOT / "capsule_templates" / template / "spec.yaml").read_text(encoding="utf-8")
    assert (folder / "spec.yaml").read_text(encoding="utf-8") == original.replace("name: my-experiment\n", "name: my-net\n")
    assert all(path.stat().st_mode & 0o200 for path in folder.iterdir())


def test_every_template_can_be_chosen() -> None:
    assert sorted(path.parent.name for path in ROOT.glob("capsule_templates/*/spec.yaml")) == ["csim", "open"]


def test_a_wrong_spec_lists_all_its_problems(run: Any, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("exseos: 1\nname: One\nmodel: {cal: x}\n")
    code, out, err = run("lock", "spec.yaml")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0] == "exseos: error: 4 problems in the spec"
    assert [line.strip().split(": ", 2)[:2] for line in lines[1:-1]] == [
        ["spec.yaml:1", "(the whole file)"],
        ["spec.yaml:1", "(the whole file)"],
        ["spec.yaml:2", "name"],
        ["spec.yaml:3", "model"],
    ]
    assert lines[-1] == "  `exseos schema` prints every key with what it takes."


@pytest.fixture
def capsule(tmp_path: Path) -> Path:
    return write(tmp_path / "sample.capsule.zip", Sample().entries())


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_json_is_alone_on_standard_output(run: Any, capsule: Path, command: str) -> None:
    code, out, _ = run("capsule", command, str(capsule), "--json")
    found = json.loads(out)
    assert code == 0
    assert {"id", "seal", "image_id"} <= found.keys()


def test_a_damaged_capsule(run: Any, capsule: Path) -> None:
    data = bytearray(capsule.read_bytes())
    data[len(data) // 2] ^= 1
    capsule.write_bytes(bytes(data))
    code, out, err = run("capsule", "verify", str(capsule))
    assert (code, out) == (1, "")
    assert "damaged" in err
    code, out, _ = run("capsule", "verify", str(capsule), "--json")
    assert code == 1
    assert json.loads(out)["ok"] is False
    assert json.loads(out)["problems"]


def verdict_of(judgement: str, text: str = "a claim") -> Any:
    from exseos.capsule.verdict import Verdict, VerdictEntry, overall

    entries = (
        VerdictEntry(kind="basis", name="image", verdict="identical", detail="assembled here"),
        VerdictEntry(kind="stage", name="train", verdict="identical", expected="a" * 64, found="a" * 64),
        VerdictEntry(kind="claim", name=text, verdict=judgement, expected=0.875, found=0.872, claimed=0.87, detail="why"),  # type: ignore[arg-type]
    )
    return Verdict(
        verdict=overall(entries),
        id="1" * 64,
        seal="2" * 64,
        image_id="sha256:" + "3" * 64,
        engine="local 1",
        not_enforced=("memory",),
        notes=("a note",),
        entries=entries,
    )


@pytest.mark.parametrize(("judgement", "code"), [("identical", 0), ("within tolerance", 5), ("different", 3), ("not checkable here", 4)])
def test_the_exit_code_of_a_replay_is_the_verdict(run: Any, monkeypatch: pytest.MonkeyPatch, judgement: str, code: int) -> None:
    def replayed(request: Any, store: Any, progress: Any) -> Any:
        progress.step("train: running")
        return verdict_of(judgement)

    monkeypatch.setattr("exseos.cli.capsule_replay.replay", replayed)
    found, out, err = run("capsule", "replay", "x.zip")
    assert found == code
    assert err == "train: running\n"
    for said in (judgement, "0.87", "0.875", "0.872", "a note", "not enforced by local 1: memory", "1" * 64):
        assert said in out
    found, out, err = run("capsule", "replay", "x.zip", "--json")
    assert (found, err) == (code, "train: running\n")
    answer = json.loads(out)
    assert answer["entries"][-1] == {
        "kind": "claim",
        "name": "a claim",
        "verdict": judgement,
        "expected": 0.875,
        "found": 0.872,
        "claimed": 0.87,
        "detail": "why",
    }


@pytest.mark.parametrize("as_json", [False, True])
def test_a_capsule_that_claims_nothing(run: Any, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    from exseos.capsule.verdict import overall

    whole = verdict_of("identical")
    entries = tuple(entry for entry in whole.entries if entry.kind != "claim")
    nothing = whole.model_copy(update={"entries": entries, "verdict": overall(entries)})
    monkeypatch.setattr("exseos.cli.capsule_replay.replay", lambda *arguments: nothing)
    code, out, _ = run("capsule", "replay", "x.zip", *(["--json"] if as_json else []))
    assert code == 4
    assert (json.loads(out)["verdict"] if as_json else out).count("nothing") == 1


def test_verify_shows_notes(run: Any, capsule: Path) -> None:
    """The sample is of another version and has a statement that nobody checks."""
    note = "the files below attestations/ are statements of somebody; this version does not check them"
    code, out, err = run("capsule", "verify", str(capsule))
    assert (code, err) == (0, "")
    assert out.startswith("sample.capsule.zip: whole and unchanged\n")
    assert out.endswith(f"\nnote: {note}\n")
    assert json.loads(run("capsule", "verify", str(capsule), "--json")[1])["notes"] == [note]


@pytest.mark.parametrize(
    "text", ["accuracy [lut] of [/bold] the :rocket: net", "ends in \\", "[link=https://example.org]x[/link]", "\x1b[31mred\x07"]
)
def test_text_of_a_capsule_is_shown_as_it_is_written(run: Any, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("exseos.cli.capsule_replay.replay", lambda *arguments: verdict_of("different", text))
    code, out, _ = run("capsule", "replay", "x.zip")
    assert code == 3
    assert text.encode("unicode_escape").decode().replace("\\\\", "\\") in " ".join(out.replace("│", " ").split())


def test_a_reader_that_goes_away() -> None:
    code = "import sys; from exseos.cli import main; sys.exit(main(['schema']))"
    read, wrote = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-u", "-c", code], stdout=wrote, stderr=subprocess.PIPE, timeout=60)
    os.close(wrote)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_any_locale(locale: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("exseos: 1\nname: λ\n", encoding="utf-8")
    variables = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-m", "exseos", "lock", "spec.yaml"], cwd=tmp_path, env=variables, capture_output=True, timeout=60
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert 'found "λ"'.encode() in done.stderr
