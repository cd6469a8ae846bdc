"""A real capsule, with its image: opened by tools that know nothing of ExSeOS-HLS, and replayed from itself alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from exseos.capsule.inspect import inspect
from exseos.digest import sha256_file
from tests.e2e.conftest import require_engine
from tests.e2e.running import Exseos

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]


@pytest.fixture(scope="module")
def capsule(warm: Exseos, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``examples/tiny`` with its image, some two gigabytes: removed at once when the last test of this file is done."""
    path = tmp_path_factory.mktemp("whole") / "whole.capsule.zip"
    ended = warm("capsule", "build", warm.sources / "examples/tiny/spec.yaml", "-o", path)
    assert ended.code == 0, ended.text
    assert inspect(path).has_image
    yield path
    path.unlink()


def test_unzip_and_sha256sum_check_both_lists(capsule: Path, tmp_path: Path) -> None:
    subprocess.run(["unzip", "-q", capsule, "-x", "image.tar", "-d", tmp_path], check=True, timeout=300)
    for name in ("manifest-sha256.txt", "seal-sha256.txt"):
        done = subprocess.run(["sha256sum", "-c", "--strict", name], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(": OK") == len((tmp_path / name).read_text().splitlines())
    seen = inspect(capsule)
    assert sha256_file(tmp_path / "manifest-sha256.txt") == seen.id
    assert sha256_file(tmp_path / "seal-sha256.txt") == seen.seal
    assert f"sha256:{sha256_file(tmp_path / 'lock/image.json')}" == seen.image_id


def test_docker_loads_its_image(capsule: Path) -> None:
    require_engine("docker")
    program = ["docker", "run", "--rm", "--network=none", "--read-only", inspect(capsule).image_id, "python3", "-c"]
    with subprocess.Popen(["unzip", "-p", capsule, "image.tar"], stdout=subprocess.PIPE) as unzip:
        loaded = subprocess.run(["docker", "load"], stdin=unzip.stdout, capture_output=True, text=True, timeout=900, check=False)
    assert loaded.returncode == 0, loaded.stderr
    shown = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Id}}", inspect(capsule).image_id],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.stdout.strip() == inspect(capsule).image_id, shown.stderr
    ran = subprocess.run([*program, "import hls4ml, exseos"], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr


def test_replay_from_the_capsule_alone_offline_in_an_empty_home(capsule: Path, warm: Exseos, tmp_path: Path) -> None:
    require_engine("bubblewrap")
    home = tmp_path / "home"
    home.mkdir()
    moved = tmp_path / "paper.capsule.zip"
    os.link(capsule, moved)
    reviewer = warm.but(
        folder=tmp_path,
        environment={"EXSEOS_STORE": "", "HOME": str(home), "EXSEOS_DEBIAN_MIRROR": "http://127.0.0.1:9", "UV_OFFLINE": "1"},
        wrapper=["unshare", "--net"],
    )
    replay = ("capsule", "replay", moved, "--engine", "bubblewrap", "--json", "--offline")
    replayed = reviewer(*replay)
    assert replayed.code == 4, replayed.text
    verdict = json.loads(replayed.out)
    assert verdict["image_id"] == inspect(moved).image_id
    unchecked = {entry["name"]: entry for entry in verdict["entries"] if entry["verdict"] != "identical"}
    assert set(unchecked) == {"image", "data events"}, "nobody here can tell whose they are"
    assert {entry["verdict"] for entry in unchecked.values()} == {"not checkable here"}
    assert "--trust-image takes it" in unchecked["image"]["detail"]
    assert "--trust-data takes it" in unchecked["data events"]["detail"]

    replayed = reviewer(*replay, "--trust-image", "--trust-data")
    assert replayed.code == 0, replayed.text
    verdict = json.loads(replayed.out)
    assert verdict["verdict"] == "reproduced"
    assert verdict["image_id"] == inspect(moved).image_id
    assert {entry["kind"] for entry in verdict["entries"]} == {"basis", "stage", "metric", "claim"}
    assert {entry["verdict"] for entry in verdict["entries"] if entry["name"] not in unchecked} == {"identical"}
    assert {entry["name"] for entry in verdict["entries"] if entry["verdict"] == "trusted"} == set(unchecked)
    assert not list((home / ".cache/exseos/stages").iterdir()), "a replay keeps no stages"
    shutil.rmtree(home)
