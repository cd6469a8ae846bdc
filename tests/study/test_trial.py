"""A trial runs each stage once, resumes behind what is finished, and stores nothing of what failed."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exseos.engines.base import Limits
from exseos.errors import CapsuleError, HostError, StageError
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import plan
from exseos.study.session import Session
from exseos.study.trial import StageResult, read_metrics, run_trial
from tests.study.local_engine import GOOD, LocalEngine, LocalImage
from tests.study.test_plan import ALL, DATA, SPEC

WRITES = """
    log = real("/spec") / "log"
    log.open("a").write(stage + chr(10))
    (out / "digest.txt").write_text(json.dumps([stage, task["parameters"], sorted(task["inputs"])], sort_keys=True))
    if stage == "evaluate":
        (out / "metrics.json").write_text('[{"name":"loss","value":0.5,"unit":"1","level":"float","origin":"o","tool":"t","version":"1"}]')
    BAD
"""


class Bench:
    """An experiment's folder, a store and as many workers as are asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.store = Store(folder / "store")
        self.files = folder / "files"
        self.files.mkdir()
        self.count = 0

    def run(self, bad: str = "", spec: dict[str, object] = SPEC) -> list[StageResult]:
        engine = LocalEngine(GOOD % WRITES.strip().replace("BAD", bad))
        scratch = self.stack.enter_context(self.store.scratch())

        def session() -> Session:
            self.count += 1
            folder = scratch / f"session-{self.count}"
            folder.mkdir()
            made = Session(
                engine, LocalImage(), folder=folder, files=self.files, data={}, limits=Limits(), store=self.store, progress=Quiet()
            )
            return self.stack.enter_context(made)

        opened: list[Session] = []
        experiment = Experiment.model_validate(spec)
        return run_trial(
            plan(experiment),
            seed=experiment.seed,
            image_id=LocalImage.id,
            data=DATA,
            files="f" * 64,
            toolchains={},
            store=self.store,
            session=lambda stage: opened[0] if opened else opened.append(session()) or opened[0],  # type: ignore[func-returns-value]
            progress=Quiet(),
        )

    @property
    def log(self) -> list[str]:
        path = self.files / "log"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def test_each_stage_runs_once_and_a_second_build_starts_no_worker(bench: Bench) -> None:
    first = bench.run()
    assert bench.log == ALL
    assert [result.reused for result in first] == [False] * 7
    second = bench.run()
    assert bench.log == ALL
    assert bench.count == 1
    assert [result.reused for result in second] == [True] * 7
    assert [(one.key, one.manifest, one.facts) for one in first] == [(two.key, two.manifest, two.facts) for two in second]
    assert [metric.value for result in second for metric in result.metrics] == [0.5]


@pytest.mark.parametrize("ending", ["os._exit(9)", "sys.exit(3)"])
def test_after_a_worker_died_only_the_rest_runs(bench: Bench, ending: str) -> None:
    with pytest.raises(HostError, match="ended in the middle"):
        bench.run(f"if stage == 'convert': {ending}")
    assert bench.log == ALL[:4]
    results = bench.run()
    assert bench.log == ALL[:4] + ALL[3:]
    assert [result.reused for result in results] == [True] * 3 + [False] * 4


def test_a_failure_of_the_experiment_is_not_stored(bench: Bench) -> None:
    fail = "if stage == 'train': say(id=number, event='error', error={'kind': 'experiment', 'what': 'no'}); continue"
    with pytest.raises(StageError, match="no"):
        bench.run(fail)
    assert len(list((bench.store.root / "stages").iterdir())) == 1


def test_outputs_with_a_link_are_refused(bench: Bench) -> None:
    with pytest.raises(CapsuleError, match="only regular files"):
        bench.run("if stage == 'train': (out / 'model.keras').symlink_to('/etc/passwd')")
    assert len(list((bench.store.root / "stages").iterdir())) == 1


def test_a_damaged_stage_runs_again_and_gives_the_same(bench: Bench) -> None:
    first = bench.run()
    (first[1].folder / "digest.txt").write_text("damaged")
    second = bench.run()
    assert bench.log == [*ALL, "train"]
    assert [one.manifest for one in first] == [two.manifest for two in second]


def test_a_change_runs_only_what_it_concerns(bench: Bench) -> None:
    bench.run()
    bench.run(spec={**SPEC, "implement": {"seed": 2}})
    assert bench.log == [*ALL, "implement"]


METRIC = {"name": "lut", "value": 3, "unit": "count", "level": "synthesized", "origin": "o", "tool": "t", "version": "1"}


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps([METRIC, {**METRIC, "value": 0.25}]))
    assert [metric.value for metric in read_metrics(tmp_path)] == [3, 0.25]
    assert [type(metric.value) for metric in read_metrics(tmp_path)] == [int, float]


def test_no_metrics_file_is_no_metrics(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "{}",
        "[3]",
        "[",
        "[" * 100_000,
        json.dumps([{**METRIC, "value": "many"}]),
        json.dumps([{**METRIC, "level": "x"}]),
        "[{}]",
        '[{"value": NaN}]',
    ],
)
def test_metrics_of_another_form_are_a_stage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(StageError, match="not a list of metrics") as caught:
        read_metrics(tmp_path)
    assert caught.value.where == "metrics.json"


def test_metrics_of_gigabytes_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "metrics.json").open("wb") as stream:
        stream.truncate(1 << 32)
    with pytest.raises(StageError, match="longer than any stage writes"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "socket"])
def test_metrics_that_are_no_file_are_refused_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    if kind == "link":
        Path("metrics.json").symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo("metrics.json")
    elif kind == "folder":
        Path("metrics.json").mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("metrics.json")
    with pytest.raises(StageError, match="no regular file"):
        read_metrics(tmp_path)
