"""Running a tool: time limits, failures, crashes, all with the log's tail and the command."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from exseos.errors import HostError, StageError
from exseos.toolchains.process import run_tool, tail


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    run_tool(["sh", "-c", "pwd; echo $WORD >&2"], tmp_path, 10, tmp_path / "log", environment={"WORD": "err"})
    assert (tmp_path / "log").read_text().splitlines() == [str(tmp_path), "err"]


def test_a_failure_tells_command_code_and_last_words(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="mapping failed with exit code 7") as caught:
        run_tool(["sh", "-c", "seq 1 40; echo 'no such cell'; exit 7"], tmp_path, 10, tmp_path / "log", what="mapping")
    text = str(caught.value)
    assert "no such cell" in text and "\n26\n" not in text and "\n27\n" in text and "sh -c 'seq 1 40" in text


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(HostError, match=r"did not end within 0\.5 seconds"):
        run_tool(["sh", "-c", "sleep 30 & echo $! > child; wait"], tmp_path, 0.5, tmp_path / "log")
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(child)


def test_a_kill_is_the_machines_fault_and_a_crash_the_designs(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="was killed"):
        run_tool(["sh", "-c", "kill -KILL $$"], tmp_path, 10, tmp_path / "log")
    with pytest.raises(StageError, match=f"crashed \\(signal {signal.SIGSEGV.value}\\)"):
        run_tool(["sh", "-c", "kill -SEGV $$"], tmp_path, 10, tmp_path / "log")


def test_an_absent_program_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="the program 'no-such-tool' is not here") as caught:
        run_tool(["no-such-tool", "--version"], tmp_path, 10, tmp_path / "log")
    assert "Debian package" in str(caught.value.hint)


def test_a_program_that_may_not_be_started_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "csim").write_text("#!/bin/sh\n")
    with pytest.raises(HostError, match="cannot be started: Permission denied"):
        run_tool(["./csim"], tmp_path, 10, tmp_path / "log")


@pytest.mark.parametrize(
    "said",
    [
        "g++: fatal error: Killed signal terminated program cc1plus",
        "cc1plus: out of memory allocating 65536 bytes after a total of 1 bytes",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "/usr/bin/ld: final link failed: No space left on device",
    ],
)
def test_memory_and_disk_that_a_tool_tells_of_are_the_machines_fault(tmp_path: Path, said: str) -> None:
    with pytest.raises(HostError, match="failed with exit code 1"):
        run_tool(["sh", "-c", f'echo "{said}"; exit 1'], tmp_path, 10, tmp_path / "log")


def test_the_tail_of_a_huge_log_is_short(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff" * 500_000 + b"\n\nlast\n")
    assert tail(tmp_path / "log", 2).endswith("\nlast")
    assert len(tail(tmp_path / "log", 2)) < 1000


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
