"""What the host makes of a worker that works, fails, dies, hangs, babbles or lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exseos.engines.base import Limits
from exseos.errors import ExseosError, HostError, StageError
from exseos.manifest import Manifest
from exseos.store import Store
from exseos.study import session as room
from exseos.study.session import Session
from tests.study.local_engine import GOOD, LocalEngine, LocalImage


class Heard:
    """Keeps what progress was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines += [] if "first use of this image" in text else [text]

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        self.lines.append(f"{task} {done}/{total}")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def engines() -> Iterator[list[LocalEngine]]:
    made: list[LocalEngine] = []
    yield made
    for engine in made:
        for process in engine.started:
            assert process.popen.poll() is not None, "a worker was left running"


@pytest.fixture
def make(tmp_path: Path, heard: Heard, engines: list[LocalEngine]) -> Any:
    def session(script: str, why: str | None = None, *, folder: str = "session", files: Path | None = tmp_path / "files") -> Session:
        (tmp_path / "files").mkdir(exist_ok=True)
        (tmp_path / folder).mkdir()
        (tmp_path / "events.csv").write_text("x\n1\n")
        engines.append(LocalEngine(script, why))
        return Session(
            engines[-1],
            LocalImage(),
            folder=tmp_path / folder,
            files=files,
            data={"events": tmp_path / "events.csv"},
            limits=Limits(),
            store=Store(tmp_path / "store"),
            progress=heard,
        )

    return session


def doing(code: str) -> str:
    return GOOD % code.replace("\n", "\n    ")


def says(*events: Any) -> str:
    """A worker whose answer to the first task is these lines."""
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return doing(
        f"for line in {lines!r}:\n    sys.stdout.write(line.replace('NUMBER', str(number)) + chr(10))\nsys.stdout.flush(); continue"
    )


def test_a_good_worker(make: Any, heard: Heard, tmp_path: Path, engines: list[LocalEngine]) -> None:
    code = """\
assert task["seed"] == 7 and task["parameters"] == {"epochs": 3} and task["data"] == {"events": "/data/events"}
assert real(task["data"]["events"]).read_text() == "x\\n1\\n"
say(id=number, event="progress", text="half", done=None, total=None)
say(id=number, event="progress", text="epochs", done=1, total=3)
before = {name: sorted(path.name for path in real(folder).iterdir()) for name, folder in task["inputs"].items()}
(out / "result.json").write_text(json.dumps([stage, before]))
say(id=number, event="done", result={"facts": {"probe": {"digest": "x"}}}); continue"""
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "y.npy").write_text("y")
    (earlier / "unlisted").mkdir()
    with make(doing(code)) as session:
        assert session.hello == {"python": "3.11"}
        facts = session.run("train", {"epochs": 3}, 7, {"prepare": (earlier, Manifest.of_tree(earlier))})
    assert facts == {"probe": {"digest": "x"}}
    assert json.loads((session.output / "result.json").read_text()) == ["train", {"prepare": ["y.npy"]}]
    assert heard.lines == ["train: half", "train: epochs 1/3"]
    assert {mount.target: mount.writable for mount in engines[0].mounts[0]} == {
        "/spec": False,
        "/in": False,
        "/out": True,
        "/data/events": False,
        "/warm": False,
    }


def test_a_stage_that_runs_none_of_the_authors_code_sees_neither_files_nor_data(
    make: Any, tmp_path: Path, engines: list[LocalEngine]
) -> None:
    code = 'assert task["data"] == {}; assert "/spec" not in inside'
    with make(doing(code), files=None) as session:
        session.run("evaluate", {}, 0, {})
    assert {mount.target for mount in engines[0].mounts[0]} == {"/in", "/out", "/warm"}


def test_a_worker_loads_ahead_and_then_runs(make: Any) -> None:
    script = doing('(out / "loaded").write_text(loaded)').replace("WARM", "loaded = stage")
    with make(script) as session:
        session.warm("train")
        session.run("train", {}, 0, {})
    assert (session.output / "loaded").read_text() == "train"


def test_how_a_stage_is_to_run_reaches_the_task(make: Any) -> None:
    code = '(out / "how").write_text(json.dumps([task["allow_inexact"], task["timing"], task["seconds"], task["toolchains"]]))'
    with make(doing(code)) as session:
        session.run("train", {}, 0, {}, allow_inexact=True, timing="one cpu")
        told = json.loads((session.output / "how").read_text())
        session.run("train", {}, 0, {})
    assert told == [True, "one cpu", None, {}]
    assert json.loads((session.output / "how").read_text()) == [False, None, None, {}]


def test_nothing_of_a_closed_worker_runs(make: Any, engines: list[LocalEngine], monkeypatch: pytest.MonkeyPatch) -> None:
    """However it takes the end of its input."""
    for number, after in enumerate(("pass", "time.sleep(600)")):
        with make(doing("pass") + f"\n{after}\n", folder=f"session {number}") as session:
            session.run("train", {}, 0, {})
            assert session.alive
            session.close(patience=0.2)
            assert engines[-1].started[0].popen.poll() is not None
            assert not session.alive


def test_a_worker_that_died_by_itself_is_not_alive(make: Any, engines: list[LocalEngine]) -> None:
    with make(doing("pass")) as session:
        assert session.alive
        engines[0].started[0].popen.kill()
        engines[0].started[0].popen.wait(20)
        assert not session.alive


def failed(make: Any, script: str, kind: type[ExseosError]) -> ExseosError:
    with make(script) as session, pytest.raises(ExseosError) as caught:
        session.run("train", {}, 0, {})
    assert type(caught.value) is kind
    return caught.value


FAILURE = {"kind": "experiment", "what": "ValueError: no", "where": "experiment.py:3", "hint": "Mend it.", "traceback": "Traceback…\n"}


def test_the_experiments_own_failure_has_its_place_and_traceback(make: Any) -> None:
    error = failed(make, says('{"id": NUMBER, "event": "error", "error": ' + json.dumps(FAILURE) + "}"), StageError)
    assert (error.what, error.where, error.hint) == ("ValueError: no\nTraceback…", "train: experiment.py:3", "Mend it.")


def test_a_failure_of_the_host(make: Any) -> None:
    error = failed(make, says('{"id": NUMBER, "event": "error", "error": {"kind": "host", "what": "disk full"}}'), HostError)
    assert (error.what, error.where) == ("disk full", "train")


def test_a_failure_leaves_the_worker_alive(make: Any) -> None:
    code = f"""\
if stage == "bad":
    say(id=number, event="error", error={FAILURE!r}); continue"""
    with make(doing(code)) as session:
        with pytest.raises(StageError):
            session.run("bad", {}, 0, {})
        assert not session.ended
        session.run("good", {}, 0, {})


def test_what_a_worker_says_cannot_command_a_terminal(make: Any, heard: Heard) -> None:
    failure = {**FAILURE, "what": "\x1b[2Jgone", "traceback": "a\nb\x9bc", "where": "x\x07", "hint": "\x1b]0;title\x07"}
    progress = '{"id": NUMBER, "event": "progress", "text": "\\u001b[31mred"}'
    error = failed(make, says(progress, '{"id": NUMBER, "event": "error", "error": ' + json.dumps(failure) + "}"), StageError)
    assert error.what == "\\x1b[2Jgone\na\nb\\x9bc"
    assert (error.where, error.hint) == ("train: x\\x07", "\\x1b]0;title\\x07")
    assert heard.lines == ["train: \\x1b[31mred"]


def test_a_worker_that_dies_in_a_stage(make: Any) -> None:
    error = failed(make, doing("print('on its way \\x1b[2J', file=sys.stderr, flush=True); os._exit(7)"), HostError)
    assert error.what == "the worker ended in the middle of its work (exit code 7)\n  | on its way \\x1b[2J"
    assert error.where == "train"


def test_the_engines_reason_comes_first(make: Any) -> None:
    with make(doing("os._exit(137)"), "out of memory") as session, pytest.raises(HostError, match=r"\(out of memory\)"):
        session.run("train", {}, 0, {})


def test_a_worker_that_is_dead_before_the_task(make: Any, engines: list[LocalEngine]) -> None:
    with make(doing("pass")) as session:
        engines[0].started[0].popen.kill()
        engines[0].started[0].popen.wait(20)
        with pytest.raises(HostError, match="ended in the middle"):
            session.run("train", {}, 0, {})
        assert session.ended
        with pytest.raises(HostError, match="ended in the middle"):
            session.run("train", {}, 0, {})


@pytest.mark.parametrize("script", ["import sys; sys.exit(3)", "import sys; sys.stdin.close(); sys.exit(3)"])
def test_a_worker_that_does_not_start(make: Any, script: str) -> None:
    with pytest.raises(HostError, match=r"exit code 3") as caught, make(script):
        raise AssertionError("a session without a worker began")
    assert caught.value.where == "the worker's start"


@pytest.mark.parametrize(
    "script",
    ["import time; time.sleep(600)", 'while True: print(\'{"id": 99, "event": "progress", "text": "x"}\', flush=True)'],
    ids=["silent", "talking of something else"],
)
def test_a_worker_that_does_not_say_hello(make: Any, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_START_SECONDS", 0.5)
    with pytest.raises(HostError, match=r"did not answer within 0\.5 s"), make(script):
        raise AssertionError("a session without hello began")


DEEP = '{"id":NUMBER,"event":"done","result":' + "[" * 200_000 + "]" * 200_000 + "}"


@pytest.mark.parametrize(
    "line",
    [
        "Epoch 1/20",
        "",
        "[]",
        "3",
        "null",
        '"text"',
        "{}",
        '{"id": NUMBER}',
        '{"id": NUMBER, "event": "done"}',
        '{"id": NUMBER, "event": "done", "result": 3}',
        '{"id": NUMBER, "event": "done", "result": {"facts": 3}}',
        '{"id": NUMBER, "event": "done", "result": {"facts": {"big": 9007199254740993}}}',
        '{"id": NUMBER, "event": "done", "result": {"facts": {"rate": NaN}}}',
        '{"id": NUMBER, "event": "done", "result": {"facts": {"text": "\\ud800"}}}',
        '{"id": NUMBER, "event": "error", "error": {"kind": "mine", "what": "x"}}',
        '{"id": NUMBER, "event": "error", "error": "x"}',
        '{"id": NUMBER, "event": "finished", "result": {}}',
        '{"id": 1, "event": "done", "result": {}}',
        '{"id": 77, "event": "error", "error": {"kind": "host", "what": "x"}}',
        '{"id": NUMBER, "event": "progress"}',
        '{"id": NUMBER, "event": "progress", "text": "x", "done": "many"}',
        '{"id": NUMBER, "event": "progress", "text": "x", "done": 1e999}',
        DEEP,
        "x" * (1 << 20),
        '{"id": NUMBER, "event": "progress", "text": "' + "x" * (1 << 20) + '"}',
    ],
    ids=lambda line: line[:40].replace("NUMBER", "n"),
)
def test_a_worker_that_breaks_the_protocol_is_ended(make: Any, line: str, engines: list[LocalEngine]) -> None:
    error = failed(make, says(line), StageError)
    assert error.what.startswith("the worker broke the protocol: ")
    assert len(error.what) < 1000
    assert engines[0].started[0].popen.poll() is not None


def test_late_progress_of_an_earlier_task_is_passed_over(make: Any, heard: Heard) -> None:
    late = {"id": 1, "event": "progress", "text": "late"}
    with make(says(late, '{"id": NUMBER, "event": "done", "result": {}}')) as session:
        session.run("train", {}, 0, {})
    assert heard.lines == []


def test_a_full_disk_is_the_hosts_fault(make: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier/a").write_text("a")
    with make(doing("pass")) as session:
        monkeypatch.setattr(room.os, "link", full)
        monkeypatch.setattr(room.shutil, "copyfile", full)
        with pytest.raises(HostError, match="No space left"):
            session.run("train", {}, 0, {"prepare": (tmp_path / "earlier", Manifest.of_tree(tmp_path / "earlier"))})
        monkeypatch.undo()
        session.run("train", {}, 0, {"prepare": (tmp_path / "earlier", Manifest.of_tree(tmp_path / "earlier"))})
        (shown,) = (tmp_path / "session/in").iterdir()
        assert [path.name for path in shown.iterdir()] == ["a"]


def test_an_interrupt_ends_the_worker(make: Any, engines: list[LocalEngine]) -> None:
    with pytest.raises(KeyboardInterrupt), make(doing("pass")):
        raise KeyboardInterrupt
    assert engines[0].started[0].popen.poll() is not None
