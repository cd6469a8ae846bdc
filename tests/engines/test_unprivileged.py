"""The contract holds for a caller without privileges too: the same suite, run as an ordinary user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exseos.engines.docker import addresses

pytestmark = pytest.mark.engine
USER = 12345
REPOSITORY = Path(__file__).parents[2]
# Every test on bubblewrap, and on docker those that depend on the caller.
SELECTION = "bubblewrap or written or caller or privileges or mounts"
SUITES = ("tests/engines/test_contract.py", "tests/hostile/test_sandbox.py")


def test_contract_as_an_ordinary_user(docker_daemon: None, bundled_bwrap: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the whole suite runs as an ordinary user already")
    (tmp_path / "run").mkdir()
    os.chown(tmp_path / "run", USER, USER)
    socket = Path(next(addresses()).removeprefix("unix://"))
    environment = {
        **os.environ,
        "PATH": f"{bundled_bwrap}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "run"),
        "HOME": str(tmp_path / "run"),
    }
    options = ["-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/run/pytest", "-k", SELECTION, *SUITES]
    ended = subprocess.run(
        [sys.executable, Path(__file__).with_name("unprivileged.py"), str(USER), str(socket.stat().st_gid), *options],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed is not None
    assert int(passed[1]) > 80
    assert "skipped" not in ended.stdout
