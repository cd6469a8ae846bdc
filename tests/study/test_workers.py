"""A container for each stage: what it sees, when it begins and ends, and what becomes of what it leaves."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from exseos.engines.base import Command, ImageSource, Limits, Mount, Process
from exseos.errors import ExseosError, HostError, StageError, UsageError
from exseos.lock import ToolchainPin
from exseos.manifest import Manifest
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.stages import KINDS
from exseos.store import Store
from exseos.study import workers as room
from exseos.study.plan import StagePlan, plan
from exseos.study.vendor import Vendor
from exseos.study.workers import Outcome, Workers
from exseos.toolchains.vendor.installation import Installation, vendor
from tests.study.local_engine import GOOD, LocalEngine, LocalImage, LocalProcess
from tests.study.test_plan import ALL, DATA, SPEC

STAGES = {stage.name: stage for stage in plan(Experiment.model_validate(SPEC))}
SEEN = """\
(out / "seen.json").write_text(json.dumps({"task": task, "inside": sorted(inside), "process": os.getpid(), "loaded": loaded}))"""
SCRIPT = (GOOD % SEEN).replace("WARM", "loaded = stage").replace("for line in sys.stdin:", 'loaded = ""\nfor line in sys.stdin:', 1)
"""Writes what it sees."""


class Watched(LocalEngine):
    """Tells of each worker's start, in order, with the output folder of it; ``fail`` may keep one from starting."""

    def __init__(self, script: str, fail: Callable[[int], None] = lambda number: None) -> None:
        super().__init__(script)
        self.fail, self.count = fail, 0

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        if "/out" in {mount.target for mount in mounts}:
            self.count += 1
            self.fail(self.count)
        return super().start(image, command, mounts, limits)

    def process_of(self, output: Path) -> LocalProcess:
        """The worker that wrote into ``output``."""
        outputs = [next(mount.source for mount in mounts if mount.target == "/out") for mounts in self.mounts]
        return self.started[outputs.index(output)]


class Bench:
    """Workers over one engine, and stages to run by them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        self.data = dict.fromkeys(DATA, self.files)
        self.engines: list[Watched] = []
        self.store = Store(folder / "store")

    @contextmanager
    def workers(self, script: str = SCRIPT, *, limits: Limits = Limits(), **options: Any) -> Iterator[Workers]:  # noqa: B008
        engine = Watched(script, options.pop("fail", lambda number: None))
        self.engines.append(engine)
        folder = self.folder / f"workers {len(self.engines)}"
        with Workers(engine, LocalImage(), self.files, self.data, limits, folder, self.store, Quiet(), **options) as workers:
            yield workers

    @property
    def engine(self) -> Watched:
        return self.engines[-1]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for process in [process for engine in made.engines for process in engine.started]:
        assert process.popen.poll() is not None, "a worker was left running"


def run_all(workers: Workers, names: Sequence[str] = ALL) -> dict[str, Outcome]:
    """All stages in order, each on what the earlier ones gave, with the next one known."""
    found: dict[str, Outcome] = {}
    for name, then in zip(names, [*names[1:], None], strict=True):
        inputs = {given: (outcome.folder, outcome.manifest) for given, outcome in found.items()}
        found[name] = workers.run(STAGES[name], 7, inputs, None if then is None else STAGES[then])
    return found


def alone(workers: Workers, name: str = "prepare", then: str | None = None) -> Outcome:
    """One stage, of which the inputs are empty."""
    empty = workers.folder / "empty"
    empty.mkdir(exist_ok=True)
    inputs = {given: (empty, Manifest(())) for given in ALL}
    return workers.run(STAGES[name], 7, inputs, None if then is None else STAGES[then])


def seen(outcome: Outcome) -> Any:
    return json.loads((outcome.folder / "seen.json").read_text())


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- what a container sees


def test_each_stage_has_a_container_of_its_own(bench: Bench) -> None:
    with bench.workers() as workers:
        found = run_all(workers)
    assert len({seen(outcome)["process"] for outcome in found.values()}) == len(ALL) == len(bench.engine.started)
    assert len({mount.source for mounts in bench.engine.mounts for mount in mounts if mount.writable}) == len(ALL)


def test_only_a_kind_that_is_declared_to_run_the_authors_code_sees_files_and_data(bench: Bench) -> None:
    with bench.workers() as workers:
        found = run_all(workers)
    ours = {"/in", "/out", "/warm"}
    expected = {
        "prepare": {*ours, "/spec", *(f"/data/{name}" for name in DATA)},
        "train": {*ours, "/spec"},
        **{name: ours for name in ALL if not KINDS[name].user_code},
    }
    assert {name: set(seen(outcome)["inside"]) for name, outcome in found.items()} == expected
    assert {name for name in ALL if KINDS[name].user_code} == {"prepare", "train"}
    assert seen(found["prepare"])["task"]["data"] == {name: f"/data/{name}" for name in DATA}
    assert all(seen(found[name])["task"]["data"] == {} for name in ALL[1:])


def test_only_its_outputs_are_writable(bench: Bench) -> None:
    with bench.workers() as workers:
        run_all(workers)
    for mounts in bench.engine.mounts:
        assert [mount.target for mount in mounts if mount.writable] == ["/out"]


def test_a_stage_sees_the_inputs_that_it_names_and_no_others(bench: Bench) -> None:
    with bench.workers() as workers:
        found = run_all(workers)
    for name, outcome in found.items():
        inputs = seen(outcome)["task"]["inputs"]
        assert set(inputs) == set(STAGES[name].inputs)
        for given, path in inputs.items():
            assert path == f"/in/{given}-{found[STAGES[name].inputs[given]].manifest.digest[:16]}"


def test_seed_and_parameters_reach_the_stage(bench: Bench) -> None:
    with bench.workers() as workers:
        task = seen(alone(workers, "train"))["task"]
    assert (task["seed"], task["parameters"]) == (7, json.loads(json.dumps(STAGES["train"].parameters)))


@pytest.mark.parametrize(("allow_inexact", "timing"), [(False, None), (True, None), (False, "one cpu")])
def test_how_stages_are_to_run_reaches_each(bench: Bench, allow_inexact: bool, timing: Literal["one cpu"] | None) -> None:
    with bench.workers(allow_inexact=allow_inexact, timing=timing) as workers:
        found = run_all(workers)
    assert {(seen(one)["task"]["allow_inexact"], seen(one)["task"]["timing"]) for one in found.values()} == {(allow_inexact, timing)}


PIN = ToolchainPin(name="vitis", version="2023.2", fingerprint="sha256:" + "a" * 64, licence_variables=())


def test_a_toolchain_is_mounted_for_its_own_stages_alone_and_not_ahead(bench: Bench) -> None:
    tools = bench.folder / "tools"
    tools.mkdir()
    there = Vendor(Installation(vendor("vitis"), tools, "2023.2", PIN.fingerprint, (tools,)), PIN)
    stage = StagePlan("synthesize-vitis", {}, {}, role="synthesize", toolchain="vitis", exact=False)
    with bench.workers(vendors={"vitis": there}) as workers:
        before = workers.run(STAGES["prepare"], 7, {}, stage)
        assert len(bench.engine.started) == 1, "where a licence is taken, no container waits"
        outcome = workers.run(stage, 7, {})
    assert str(tools) not in seen(before)["inside"]
    assert seen(outcome)["inside"] == sorted(["/in", "/out", "/warm", str(tools)])
    assert set(seen(outcome)["task"]["toolchains"]) == {"vitis"}


# --- the container of the next stage


def test_the_next_container_is_started_and_loads_its_libraries_ahead(bench: Bench) -> None:
    with bench.workers() as workers:
        found = run_all(workers)
    assert [seen(found[name])["loaded"] for name in ALL] == ["", *ALL[1:]]


def test_it_starts_while_the_stage_before_still_runs(bench: Bench, tmp_path: Path) -> None:
    waiting = f"""\
while stage == "prepare" and not Path({str(tmp_path / "ahead")!r}).exists():
    time.sleep(0.01)
""".replace("\n", "\n    ")
    script = (GOOD % waiting).replace("WARM", f"Path({str(tmp_path / 'ahead')!r}).touch()")
    with bench.workers(script) as workers:
        alone(workers, "prepare", then="train")
        wait_for(lambda: len(bench.engine.started) == 2)
    assert len(bench.engine.started) == 2


def test_one_that_is_not_needed_is_ended(bench: Bench) -> None:
    with bench.workers() as workers:
        alone(workers, "prepare", then="train")
        outcome = alone(workers, "convert")
        assert seen(outcome)["loaded"] == ""
        assert bench.engine.started[1].popen.poll() is not None
    assert len(bench.engine.started) == 3


@pytest.mark.parametrize("how", ["killed", "does not load", "breaks the protocol"])
def test_one_that_died_is_replaced(bench: Bench, how: str) -> None:
    script = {
        "killed": SCRIPT,
        "does not load": SCRIPT.replace("loaded = stage", "os._exit(3)"),
        "breaks the protocol": SCRIPT.replace("loaded = stage", "print('Epoch 1/20', flush=True)"),
    }[how]
    with bench.workers(script) as workers:
        alone(workers, "prepare", then="train")
        wait_for(lambda: workers._ahead is not None and workers._ahead[1].done())
        if how == "killed":
            bench.engine.started[1].popen.kill()
            bench.engine.started[1].popen.wait(20)
        outcome = alone(workers, "train")
        assert seen(outcome)["process"] == bench.engine.started[2].popen.pid
        assert seen(outcome)["loaded"] == ""


@pytest.mark.parametrize("next_one", ["train", "convert"])
def test_one_that_cannot_be_started_ahead_is_tried_again_or_forgotten(bench: Bench, next_one: str) -> None:
    def fail(number: int) -> None:
        if number == 2:
            raise HostError("no memory for another container")

    with bench.workers(fail=fail) as workers:
        alone(workers, "prepare", then="train")
        assert seen(alone(workers, next_one))["task"]["output"] == "/out"
    assert bench.engine.count == 3


def test_one_that_cannot_be_started_again_either_says_why(bench: Bench) -> None:
    def fail(number: int) -> None:
        if number >= 2:
            raise UsageError("a path that cannot be mounted", where="/proc/1")

    with bench.workers(fail=fail) as workers:
        alone(workers, "prepare", then="train")
        with pytest.raises(HostError, match="a worker cannot be started here: a path that cannot be mounted") as caught:
            alone(workers, "train")
    assert caught.value.where == "/proc/1"


def test_a_failure_ahead_takes_no_result_with_it(bench: Bench) -> None:
    def fail(number: int) -> None:
        if number == 2:
            raise HostError("the engine is gone")

    with bench.workers(fail=fail) as workers:
        outcome = alone(workers, "prepare", then="train")
    assert (outcome.folder / "seen.json").is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StageError("no")])
def test_whatever_happens_none_is_left(bench: Bench, error: BaseException) -> None:
    with pytest.raises(type(error)), bench.workers() as workers:
        alone(workers, "prepare", then="train")
        raise error
    assert len(bench.engine.started) == 2


# --- time


def test_all_containers_share_the_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    with bench.workers(limits=Limits(memory_bytes=1 << 30, seconds=100)) as workers:
        now[0] += 30
        alone(workers, "prepare")
        now[0] += 50
        alone(workers, "train")
        now[0] += 20
        with pytest.raises(HostError, match="the time is up") as caught:
            alone(workers, "convert")
    assert caught.value.hint is not None and "--hours" in caught.value.hint
    assert [limits.seconds for limits in bench.engine.limits] == [70, 20]
    assert {replace(limits, seconds=None) for limits in bench.engine.limits} == {Limits(memory_bytes=1 << 30)}


def test_without_a_limit_there_is_none(bench: Bench) -> None:
    with bench.workers() as workers:
        run_all(workers)
    assert {limits.seconds for limits in bench.engine.limits} == {None}


# --- outputs


def test_the_container_has_ended_before_its_outputs_are_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the worker goes on when its input ends."""
    ended: list[bool] = []
    collect = room.collect

    def looking(source: Path, *arguments: Any) -> Manifest:
        ended.append(bench.engine.process_of(source).popen.poll() is not None)
        return collect(source, *arguments)

    monkeypatch.setattr(room, "collect", looking)
    close = room.Session.close
    monkeypatch.setattr(room.Session, "close", lambda self, patience=0.2: close(self, min(patience, 0.2)))
    with bench.workers(SCRIPT + '\n(out / "late").write_text("late")\ntime.sleep(600)\n') as workers:
        run_all(workers, ALL[:3])
    assert ended == [True] * 3


def test_outputs_are_copies_that_no_container_can_reach(bench: Bench) -> None:
    with bench.workers() as workers:
        found = run_all(workers)
    mounted = {mount.source for mounts in bench.engine.mounts for mount in mounts}
    for outcome in found.values():
        assert not any(outcome.folder.is_relative_to(source) for source in mounted)
        assert Manifest.of_tree(outcome.folder) == outcome.manifest


def test_a_file_that_an_output_is_a_second_name_of_stays_as_it_is(bench: Bench) -> None:
    """What a worker sees of earlier stages are hard links to the host's copies: a changed one would change the store."""
    code = 'source = next(real(task["inputs"]["prepare"]).iterdir()); os.link(source, out / "seen.json")'
    with bench.workers(
        GOOD
        % f"""\
if stage == "train":
        {code}
    else:
        (out / "seen.json").write_text("of prepare")"""
    ) as workers:
        found = run_all(workers, ["prepare", "train"])
    assert (found["train"].folder / "seen.json").read_text() == "of prepare"
    assert not (found["train"].folder / "seen.json").samefile(found["prepare"].folder / "seen.json")


HOSTILE = {
    "a link": ("(out / 'a').symlink_to('/etc/passwd')", "a is a link or a special file"),
    "a link to a folder": ("(out / 'a').symlink_to('/etc')", "a is a link or a special file"),
    "a pipe": ("os.mkfifo(out / 'a')", "a is a link or a special file"),
    "a socket": ("os.chdir(out); import socket; socket.socket(socket.AF_UNIX).bind('a')", "a is a link or a special file"),
    "a repository": ("(out / '.git').mkdir(); (out / '.git/config').touch()", r"\.git would be taken for settings of version control"),
    "a control character": ("(out / 'a\\x1b[2Jb').touch()", r"a\\x1b\[2Jb cannot be kept: unsafe file name"),
    "a backslash": ("(out / 'a\\\\b').touch()", "cannot be kept: unsafe file name"),
    "not UTF-8": ("open(os.fsencode(out) + b'/a\\xff', 'w')", "cannot be kept: file name"),
    "deep folders": ("os.makedirs(out / '/'.join(['d'] * 40))", "is nested deeper than 32 folders"),
    "a long path": ("os.makedirs(out / '/'.join(['d' * 100] * 6))", "is a path of 605 characters"),
    "the folder is a link": ("os.rename(out, out.with_name('other')); out.symlink_to('/etc')", "out is no longer the folder that it was"),
    "the folder is gone": ("os.rename(out, out.with_name('other'))", "out is no longer the folder that it was"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_refused_of_outputs_is_the_stages_failure(bench: Bench, how: str) -> None:
    code, said = HOSTILE[how]
    with bench.workers(GOOD % code) as workers, pytest.raises(StageError, match=said) as caught:
        alone(workers, "train", then="evaluate")
    assert caught.value.where == "train"
    assert caught.value.hint is not None
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("bounds", [{"bytes": 1000}, {"files": 5}, {"folders": 5}])
def test_outputs_beyond_bounds_are_the_stages_failure(bench: Bench, monkeypatch: pytest.MonkeyPatch, bounds: Mapping[str, int]) -> None:
    monkeypatch.setattr(room, "Bounds", lambda bound=room.Bounds: bound(**bounds))
    code = "[(out / f'd{number}').mkdir() for number in range(9)]; [(out / f'd{number}/f').write_text('x' * 200) for number in range(9)]"
    with bench.workers(GOOD % code) as workers, pytest.raises(StageError, match=r"more than (1000|5)"):
        alone(workers)


def test_a_disk_that_fills_while_outputs_are_copied_is_of_this_host(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> Manifest:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "collect", full)
    with bench.workers() as workers, pytest.raises(HostError, match="No space left on device") as caught:
        alone(workers)
    assert caught.value.hint is not None and "free some space" in caught.value.hint


# --- failures


def test_what_a_failed_stage_had_written_is_known_and_the_next_one_runs(bench: Bench) -> None:
    fail = """if stage == "train":
        (out / "tool.log").write_text("said")
        say(id=number, event="error", error={"kind": "experiment", "what": "no"}); continue"""
    with bench.workers(GOOD % fail) as workers:
        assert workers.failed is None
        with pytest.raises(StageError, match="no"):
            alone(workers, "train", then="convert")
        assert workers.failed is not None
        assert bench.engine.process_of(workers.failed).popen.poll() is not None
        assert (workers.failed / "tool.log").read_text() == "said"
        alone(workers, "convert")
    assert len(bench.engine.started) == 2


def test_facts_of_the_run_have_its_seconds(bench: Bench) -> None:
    script = (GOOD % "pass").replace('{"facts": {}}', '{"facts": {"probe": {"digest": "x"}, "seconds": "a lie"}}')
    with bench.workers(script) as workers:
        facts = alone(workers).facts
    assert facts["probe"] == {"digest": "x"}
    assert isinstance(facts["seconds"], float)


def test_stages_may_run_although_the_container_ahead_takes_long(bench: Bench) -> None:
    """The outputs of the stage that has ended are there at once."""
    gate = threading.Event()

    def fail(number: int) -> None:
        if number == 2:
            gate.wait(20)

    with bench.workers(fail=fail) as workers:
        begin = time.monotonic()
        alone(workers, "prepare", then="train")
        assert time.monotonic() - begin < 15
        gate.set()
        alone(workers, "train")


def test_errors_are_ours(bench: Bench) -> None:
    """``AttributeError`` and the like would be a traceback at the user."""
    with bench.workers("import sys; sys.exit(3)") as workers, pytest.raises(ExseosError, match="exit code 3"):
        alone(workers)
