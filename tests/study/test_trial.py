"""A trial runs each stage once, resumes behind what is finished, and stores nothing of what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exseos.engines.base import Limits
from exseos.errors import HostError, StageError
from exseos.progress import Quiet
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.plan import plan
from exseos.study.trial import StageResult, read_metrics, run_trial
from exseos.study.workers import Workers
from tests.study.local_engine import GOOD, LocalEngine, LocalImage
from tests.study.test_plan import ALL, DATA, SPEC

WRITES = """
    Path(os.environ["LOG"]).open("a").write(stage + chr(10))
    (out / "digest.txt").write_text(json.dumps([stage, task["parameters"], sorted(task["inputs"])], sort_keys=True))
    if stage == "evaluate":
        (out / "metrics.json").write_text('[{"name":"loss","value":0.5,"unit":"1","level":"float","origin":"o","tool":"t","version":"1"}]')
    BAD
"""


class Bench:
    """An experiment's folder, a store, and workers that write the stages that they run into one log."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        self.files, self.log_file = folder / "files", folder / "log"
        self.files.mkdir()
        self.engines: list[LocalEngine] = []

    def run(self, bad: str = "", spec: dict[str, object] = SPEC) -> list[StageResult]:
        self.engines.append(LocalEngine(GOOD % WRITES.strip().replace("BAD", bad), variables={"LOG": str(self.log_file)}))
        experiment = Experiment.model_validate(spec)
        data = dict.fromkeys(DATA, self.files)
        with self.store.scratch() as scratch:
            folder = scratch / "workers"
            with Workers(self.engines[-1], LocalImage(), self.files, data, Limits(), folder, self.store, Quiet()) as workers:
                return run_trial(
                    plan(experiment),
                    seed=experiment.seed,
                    image_id=LocalImage.id,
                    data=DATA,
                    files="f" * 64,
                    toolchains={},
                    workers=workers,
                    progress=Quiet(),
                )

    @property
    def log(self) -> list[str]:
        return self.log_file.read_text().split() if self.log_file.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for process in [process for engine in made.engines for process in engine.started]:
        assert process.popen.poll() is not None, "a worker was left running"


def test_each_stage_runs_once_and_a_second_build_starts_no_worker(bench: Bench) -> None:
    first = bench.run()
    assert bench.log == ALL
    assert [result.reused for result in first] == [False] * 7
    second = bench.run()
    assert bench.log == ALL
    assert [len(engine.started) for engine in bench.engines] == [len(ALL), 0]
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
    with pytest.raises(StageError, match="only regular files") as caught:
        bench.run("if stage == 'train': (out / 'model.keras').symlink_to('/etc/passwd')")
    assert caught.value.where == "train"
    assert len(list((bench.store.root / "stages").iterdir())) == 1


@pytest.mark.parametrize("log", ["tool.log", ".home/tool.log"])
def test_the_log_of_a_failed_stage_is_kept(bench: Bench, log: str) -> None:
    fail = "say(id=number, event='error', error={'kind': 'experiment', 'what': 'no'}); continue"
    with pytest.raises(StageError, match="no") as caught:
        bench.run(f"(out / {log!r}).parent.mkdir(exist_ok=True); (out / {log!r}).write_text('said'); {fail}")
    assert caught.value.hint is not None
    kept = Path(caught.value.hint.partition("The whole log: ")[2])
    assert kept.read_text() == "said"
    assert kept.is_relative_to(bench.store.root / "logs")


@pytest.mark.parametrize(
    "link",
    ["(out / 'tool.log').symlink_to(other)", "(out / '.home').symlink_to(Path(other).parent)", "os.mkfifo(out / 'tool.log')"],
    ids=["file", "folder", "pipe"],
)
def test_a_log_that_leads_out_of_the_outputs_is_not_read(bench: Bench, tmp_path: Path, link: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/private.log").write_text("of the host")
    fail = "say(id=number, event='error', error={'kind': 'experiment', 'what': 'no'}); continue"
    with pytest.raises(StageError) as caught:
        bench.run(f"other = {str(tmp_path / 'other/private.log')!r}; {link}; {fail}")
    assert "The whole log" not in str(caught.value)
    assert not (bench.store.root / "logs").exists()


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
    (tmp_path / "metrics.json").write_text(json.dumps([METRIC, {**METRIC, "name": "share", "value": 0.25}]))
    assert [metric.value for metric in read_metrics(tmp_path)] == [3, 0.25]
    assert [type(metric.value) for metric in read_metrics(tmp_path)] == [int, float]


def test_no_metrics_file_is_no_metrics(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("3", "not a list of metrics"),
        ("{}", "not a list of metrics"),
        ("[3]", "not a list of metrics: 0 is none"),
        ("[", "not JSON"),
        ("[" * 100_000, "nested deeper"),
        (json.dumps([{**METRIC, "value": "many"}]), "not a list of metrics: 0.value"),
        (json.dumps([{**METRIC, "level": "x"}]), "not a list of metrics: 0.level"),
        (json.dumps([METRIC, METRIC]), "measured twice"),
        ("[{}]", "not a list of metrics: 0.name"),
        ('[{"value": NaN}]', "not JSON: NaN"),
    ],
)
def test_metrics_of_another_form_are_a_stage_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(StageError, match=said) as caught:
        read_metrics(tmp_path)
    assert caught.value.where == "metrics.json"


def test_metrics_of_gigabytes_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "metrics.json").open("wb") as stream:
        stream.truncate(1 << 32)
    with pytest.raises(StageError, match="longer than any stage writes"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "made",
    [
        "(out / 'metrics.json').symlink_to('/etc/passwd')",
        "os.mkfifo(out / 'metrics.json')",
        "os.chdir(out); import socket; socket.socket(socket.AF_UNIX).bind('metrics.json')",
    ],
    ids=["link", "pipe", "socket"],
)
def test_metrics_that_are_no_file_are_refused_without_waiting(bench: Bench, made: str) -> None:
    with pytest.raises(StageError, match=r"its output metrics\.json is a link or a special file"):
        bench.run(made)


def test_a_folder_called_like_the_metrics_is_none(bench: Bench) -> None:
    made = "(out / 'metrics.json').mkdir(); (out / 'metrics.json/x').touch()"
    assert bench.run(f"if stage == 'train': {made}")[1].metrics == []
