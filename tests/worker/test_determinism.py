"""The same bytes whatever differs around the worker, and a refusal if a switch is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exseos.errors import HostError
from exseos.manifest import Manifest
from exseos.worker import determinism
from tests.worker.conftest import Trained
from tests.worker.hosting import MODEL, PREPARE, TRAIN, Worker, failure, result

pytestmark = pytest.mark.experiment

CPUINFO = "processor\t: 0\nmodel name\t: Intel(R)  Pentium(R) CPU\nflags\t\t: fpu sse2 sse4_2 avx fma\n\nprocessor\t: 1\nflags\t\t: avx2\n"


def test_a_cpu_without_avx2_is_refused() -> None:
    with pytest.raises(HostError, match=r"this CPU has no AVX2 \(Intel\(R\) Pentium\(R\) CPU\)"):
        determinism.check_cpu(CPUINFO)
    determinism.check_cpu(CPUINFO.replace("avx fma", "avx fma avx2"))


def test_every_wrong_switch_is_listed() -> None:
    variables = {**determinism.environment(), "TF_ENABLE_ONEDNN_OPTS": "1", "DA_HARD_DC": "1", "HOME": "/elsewhere"}
    del variables["OPENBLAS_CORETYPE"]
    with pytest.raises(HostError) as caught:
        determinism.check(variables)
    text = str(caught.value)
    assert "TF_ENABLE_ONEDNN_OPTS is '1', must be '0'" in text
    assert "OPENBLAS_CORETYPE is None" in text
    assert "DA_HARD_DC is set" in text
    assert "/elsewhere" not in text


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PYTHONHASHSEED": "1"}, "PYTHONHASHSEED is '1'"),
        ({"PYTHONHASHSEED": None}, "Python's hash seed is random"),
        ({"TZ": "Asia/Tokyo"}, "the time zone is JST"),
        ({"LC_ALL": "tr_TR.UTF-8"}, "LC_ALL is 'tr_TR.UTF-8'"),
        ({"OMP_NUM_THREADS": "2"}, "OMP_NUM_THREADS is '2'"),
        ({"DA_HARD_DC": "2"}, "DA_HARD_DC is set"),
    ],
)
def test_a_worker_started_otherwise_refuses_to_compute(variables: dict[str, str | None], words: str, tmp_path: Path) -> None:
    running = Worker(tmp_path, variables)
    for event in (running.ask("hello"), running.run("prepare", tmp_path / "out", PREPARE)):
        error = failure(event)
        assert error["kind"] == "host"
        assert words in error["what"]
    running.close()


def test_numpy_and_openblas_obey() -> None:
    code = "from exseos.worker import determinism as d; d.check_numpy(); print(d.openblas_kernels())"
    obeying = subprocess.run(
        [sys.executable, "-c", code], env=determinism.environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert obeying.stdout.strip() == "Haswell", obeying.stderr
    other = {**determinism.environment(), "OPENBLAS_CORETYPE": "Sandybridge"}
    refusing = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, timeout=60, check=False)
    assert "OpenBLAS uses its Sandybridge kernels, not Haswell" in refusing.stderr


_BESIDE_THE_WORKER = """
import json, os, sys
from pathlib import Path
from exseos.worker import user_code
from exseos.worker.server import find_stage
from exseos.worker.stages.base import Context
for name, task in json.loads(sys.stdin.read()):
    paths = lambda key: {k: Path(v) for k, v in task.get(key, {}).items()}
    context = Context(task["parameters"], 1, paths("inputs"), paths("data"), Path(task["files"]), Path(task["output"]))
    context.output.mkdir()
    with user_code.importable(context.files):
        find_stage(name).run(context)
"""


def _reversed(value: Any) -> Any:
    """The same JSON with every mapping written in the opposite order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(list(value))}
    return value


def test_the_same_bytes_with_everything_around_varied(
    worker: Worker, events: Path, files: Path, prepared: Path, trained: Trained, tmp_path: Path
) -> None:
    """Another process, hash seed, time zone, locale, umask, folder, thread counts, home, order of files and keys; after another stage."""
    again = tmp_path / "again"
    result(worker.run("train", again, TRAIN, inputs={"prepare": str(prepared)}, files=str(files), timing="one cpu"))

    other = tmp_path / "somewhere else" / "deeper"
    other.mkdir(parents=True)
    for name, content in (("zzz.py", "unused = 1\n"), ("model.py", MODEL)):
        (other / name).write_text(content)
    (other / "events.csv").write_bytes(events.read_bytes())
    tasks = [
        (
            "prepare",
            {
                "parameters": _reversed(PREPARE),
                "data": {"events": str(other / "events.csv")},
                "files": str(other),
                "output": str(other / "p"),
            },
        ),
        (
            "train",
            {"parameters": _reversed(TRAIN), "inputs": {"prepare": str(other / "p")}, "files": str(other), "output": str(other / "t")},
        ),
    ]
    varied = {
        **determinism.environment(),
        "PYTHONHASHSEED": "4242",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "LANG": "tr_TR.UTF-8",
        "HOME": str(other),
        "KERAS_HOME": str(other / "k"),
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "USER": "someone",
    }
    subprocess.run(
        [sys.executable, "-c", _BESIDE_THE_WORKER],
        input=json.dumps(tasks),
        env={**varied, "PATH": os.environ["PATH"]},
        cwd=other,
        umask=0o077,
        text=True,
        timeout=300,
        check=True,
        capture_output=True,
    )
    assert Manifest.of_tree(other / "p").as_dict() == Manifest.of_tree(prepared).as_dict()
    assert Manifest.of_tree(again).as_dict() == Manifest.of_tree(trained.output).as_dict()
    assert Manifest.of_tree(other / "t").as_dict() == Manifest.of_tree(trained.output).as_dict()


def test_outputs_are_readable_by_everyone_whatever_the_umask(events: Path, files: Path, tmp_path: Path) -> None:
    running = Worker(tmp_path, umask=0o077)
    result(running.run("prepare", tmp_path / "out", PREPARE, data={"events": str(events)}, files=str(files)))
    running.close()
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o644}
