"""The worker as a process: its pipes, its answers, and whom it blames."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exseos.errors import HostError, StageError
from exseos.manifest import Manifest
from exseos.worker import server, user_code
from tests.worker.hosting import PREPARE, Worker, failure, result

pytestmark = pytest.mark.experiment


def call_step(worker: Worker, events: Path, tmp_path: Path, source: str, **parameters: Any) -> dict[str, Any]:
    """Run prepare with ``step.py:step`` of this source; returns the answer."""
    spec = tmp_path / "spec"
    spec.mkdir()
    (spec / "step.py").write_text(source)
    section = {**PREPARE, "prepare": [{"call": "step.py:step", **parameters}]}
    return worker.run("prepare", tmp_path / "out", section, data={"events": str(events)}, files=str(spec))


def test_hello_tells_versions_cpu_and_switches(worker: Worker) -> None:
    hello = result(worker.ask("hello"))
    assert hello["python"].startswith("3.11.")
    assert hello["packages"]["hgq2"] and hello["packages"]["tensorflow-cpu"]
    assert "avx2" in hello["cpu"]["features"]
    assert hello["switches"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert {"prepare", "train", "evaluate"} <= set(hello["stages"])


def test_stdout_is_kept_for_the_protocol(worker: Worker, events: Path, tmp_path: Path) -> None:
    source = """
import ctypes, os, subprocess, sys
def step(x):
    print("from Python")
    os.write(1, b"from the file descriptor\\n")
    ctypes.CDLL(None).puts(b"from C"); ctypes.CDLL(None).fflush(None)
    subprocess.run(["sh", "-c", "echo from a child; cat"], check=True)
    assert sys.stdin.read() == ""
    return x
"""
    result(call_step(worker, events, tmp_path, source))
    heard = worker.errors.read_text()
    assert all(words in heard for words in ("from Python", "from the file descriptor", "from C", "from a child"))


def test_an_error_in_user_code_has_its_file_and_line(worker: Worker, events: Path, tmp_path: Path) -> None:
    source = "import numpy as np\n\ndef inner(x):\n    return x[:, 99]\n\ndef step(x):\n    return inner(x)\n"
    error = failure(call_step(worker, events, tmp_path, source))
    assert error["kind"] == "experiment"
    assert error["where"] == "/spec/step.py:4"
    assert error["what"].startswith("IndexError: index 99 is out of bounds")
    assert "in step\n    return inner(x)" in error["traceback"]
    assert "server.py" not in error["traceback"]
    assert str(tmp_path) not in error["traceback"]


def test_a_syntax_error_has_its_line(worker: Worker, events: Path, tmp_path: Path) -> None:
    error = failure(call_step(worker, events, tmp_path, "def step(x):\n    return (x\n"))
    assert error["where"] == "/spec/step.py:2"
    assert "SyntaxError" in error["what"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def stepp(x):\n    return x\n", "Did you mean 'stepp'?"),
        ("def step(x, scale):\n    return x\n", "needs the parameter 'scale'"),
        ("def step():\n    return 1\n", "takes neither x nor train_x"),
        ("def step(x):\n    return x[:5]\n", "into (5, 3)"),
        ("def step(x):\n    return x - x.mean(axis=0)\n", "depends on other rows"),
        ("def step(x):\n    x += 1\n    return x\n", "read-only"),
        ("def step(train_x):\n    return train_x\n", "not a function"),
        ("def step(x):\n    return 'x'\n", "gave str"),
        ("import sys\ndef step(x):\n    sys.exit(3)\n", "ended the program"),
        ("def step(x):\n    return x / 0\n", "inf in row"),
    ],
)
def test_what_is_wrong_with_a_step_is_said(worker: Worker, events: Path, tmp_path: Path, source: str, words: str) -> None:
    error = failure(call_step(worker, events, tmp_path, source))
    assert error["kind"] == "experiment"
    assert error["where"].startswith("/spec/step.py") or error["where"] == "/spec"
    assert words in error["what"] + (error["hint"] or "")


def test_an_unknown_parameter_gets_the_nearest(worker: Worker, events: Path, tmp_path: Path) -> None:
    error = failure(call_step(worker, events, tmp_path, "def step(x, scale=1.0):\n    return x\n", scael=2))
    assert "no parameter 'scael'" in error["what"]
    assert "Did you mean 'scale'?" in error["hint"]


def test_a_module_named_like_a_library_is_refused(worker: Worker, events: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def step(x):\n    return x\n")
    section = {**PREPARE, "prepare": [{"call": "json.py:step"}]}
    error = failure(worker.run("prepare", tmp_path / "out", section, data={"events": str(events)}, files=str(tmp_path)))
    assert "exists already" in error["what"]


def test_files_of_the_spec_hide_no_library_from_a_stage_that_calls_none_of_them(worker: Worker, tmp_path: Path) -> None:
    """Their digests are not in such a stage's key, so its result must not depend on them."""
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    (recorded / "run.json").write_text('{"version": "2024.10", "fingerprint": "sha256:0"}')
    (recorded / "bambu_results_0.xml").write_text('<?xml version="1.0"?>\n<bambu_results>\n <CYCLES value="7"/>\n</bambu_results>\n')
    (tmp_path / "lxml.py").write_text("raise SystemExit('code of the user ran')\n")
    parameters = {"toolchain": "bambu", "role": "synthesize"}
    result(worker.run("reread", tmp_path / "out", parameters, inputs={"recorded": str(recorded)}, files=str(tmp_path)))
    metrics = json.loads((tmp_path / "out/metrics.json").read_bytes())
    assert {metric["value"] for metric in metrics} == {7}


def test_threads_can_be_held_on_one_cpu(worker: Worker, events: Path, files: Path, prepared: Path, tmp_path: Path) -> None:
    """All of them, programs that it starts too, for this stage only; and no byte of the outputs depends on it."""
    source = """
import os, subprocess, sys, threading
def step(x):
    found = set()
    def look():
        found.add(tuple(os.sched_getaffinity(0)))
    thread = threading.Thread(target=look)
    thread.start(); thread.join()
    look()
    for task in os.listdir("/proc/self/task"):
        try:
            found.add(tuple(os.sched_getaffinity(int(task))))
        except ProcessLookupError:
            pass  # a thread that has just ended
    child = "import os; print(len(os.sched_getaffinity(0)))"
    ran = subprocess.run([sys.executable, "-c", child], check=True, capture_output=True, text=True)
    return x[:, :1] * 0 + 10 * len(found) + max(map(len, found)) + 100 * int(ran.stdout)
"""
    (tmp_path / "step.py").write_text(source)
    section = {**PREPARE, "prepare": [{"call": "step.py:step"}]}
    here = len(os.sched_getaffinity(0))
    for name, timing, seen in (("one", "one cpu", 111), ("free", None, 100 * here + 10 + here)):
        task = {"data": {"events": str(events)}, "files": str(tmp_path), "timing": timing}
        result(worker.run("prepare", tmp_path / name, section, **task))
        assert np.unique(np.load(tmp_path / name / "x_test.npy")).tolist() == [seen]
    result(worker.run("prepare", tmp_path / "again", PREPARE, data={"events": str(events)}, files=str(files), timing="one cpu"))
    assert Manifest.of_tree(tmp_path / "again") == Manifest.of_tree(prepared)
    error = failure(worker.run("prepare", tmp_path / "no", PREPARE, timing="two cpus"))
    assert (error["kind"], error["what"].startswith("the task is not as the protocol says: timing")) == ("host", True)


def test_modules_are_loaded_afresh_and_may_import_each_other(worker: Worker, events: Path, tmp_path: Path) -> None:
    for number in (2.0, 3.0):
        spec = tmp_path / f"spec{number}"
        (spec / "inside").mkdir(parents=True)
        (spec / "factor.py").write_text(f"FACTOR = {number}\n")
        (spec / "inside" / "step.py").write_text("from factor import FACTOR\n\ndef step(x):\n    return x[:, :1] * 0 + FACTOR\n")
        section = {**PREPARE, "prepare": [{"call": "inside/step.py:step"}]}
        output = tmp_path / f"out{number}"
        result(worker.run("prepare", output, section, data={"events": str(events)}, files=str(spec)))
        import numpy as np

        assert np.unique(np.load(output / "x_test.npy")).tolist() == [number]


def test_memory_and_disk_are_the_hosts_fault(tmp_path: Path) -> None:
    for error in (
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        HostError("killed"),
        type("ResourceExhaustedError", (Exception,), {})(),
    ):
        assert server.explain(error, tmp_path)["kind"] == "host"
    for error in (ValueError("x"), OSError(errno.ENOENT, "none"), StageError("bad"), SystemExit(1)):
        assert server.explain(error, tmp_path)["kind"] == "experiment"


def test_what_the_host_mounted_and_does_not_let_us_read_is_its_fault(tmp_path: Path) -> None:
    def denied(path: str) -> PermissionError:
        return PermissionError(errno.EACCES, "Permission denied", path)

    wrapped = StageError("not a readable HDF5 file")
    wrapped.__cause__ = PermissionError("[Errno 13] unable to open file: name = '/data/events', errno = 13")
    for error in (denied("/data/events"), denied("/in/train-1/model.keras"), wrapped):
        told = server.explain(error, tmp_path, None, ["/data/events", "/in/train-1"])
        assert told["kind"] == "host"
        assert "chmod" in told["hint"]
    for error in (denied("/spec/secret"), denied("/root"), FileNotFoundError(errno.ENOENT, "none", "/data/events")):
        assert server.explain(error, tmp_path, None, ["/data/events", "/in/train-1"])["kind"] == "experiment"


def test_a_full_disk_is_reported_as_the_hosts_fault(worker: Worker, events: Path, tmp_path: Path) -> None:
    source = "def step(x):\n    with open('/dev/full', 'w') as stream:\n        stream.write('x')\n    return x\n"
    error = failure(call_step(worker, events, tmp_path, source))
    assert error["kind"] == "host"
    assert "No space left" in error["what"]


def test_wrong_requests_are_answered(worker: Worker, tmp_path: Path) -> None:
    assert "no operation 'dance'" in failure(worker.ask("dance"))["what"]
    assert "Did you mean 'train'" in failure(worker.run("trian", tmp_path / "a", {}))["hint"]
    assert "output: Field required" in failure(worker.ask("run", stage="prepare", task={"seed": 1, "parameters": {}}))["what"]
    (tmp_path / "b" / "c").mkdir(parents=True)
    task = {"seed": 1, "parameters": {}, "output": str(tmp_path / "b")}
    assert "not an empty folder" in failure(worker.ask("run", stage="prepare", task=task))["what"]


def test_the_worker_ends_with_its_host(tmp_path: Path) -> None:
    running = Worker(tmp_path)
    running.close()
    assert running.process.returncode == 0


def test_bye_ends_the_worker(tmp_path: Path) -> None:
    running = Worker(tmp_path)
    assert result(running.ask("bye")) == {}
    assert running.process.wait(20) == 0
    running.close()


def test_a_line_that_is_no_request_ends_the_worker(tmp_path: Path) -> None:
    running = Worker(tmp_path)
    event = running.send(json.dumps(["not", "a", "request"]).encode())
    assert event["id"] is None and event["event"] == "error"
    assert running.process.wait(20) == 2
    running.close()


def test_blame_finds_the_innermost_user_frame(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("import json\n\n\ndef f():\n    json.loads('{')\n")
    with user_code.importable(tmp_path), pytest.raises(json.JSONDecodeError) as caught:
        user_code.load("m.py:f", tmp_path)()
    where, traceback = user_code.blame(caught.value, tmp_path)
    assert where == "/spec/m.py:5"
    assert "decoder.py" in traceback
