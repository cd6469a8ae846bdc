"""Time the assembly of an image, cold and warm, against `docker build` of the same content, in the same run.

    scripts/with-engines .venv-dev/bin/python -m benchmarks.image [--smallest] [SPEC]

Downloads are not counted on either side: packages and wheels are in the cache before. `docker build` gets the same content the way a
Dockerfile would have it: the base as `ADD rootfs.tar /` and the wheels, local, by pip's usual `--target` install in a RUN.
``--smallest`` takes an image whose only requirement is NumPy, and the downloads that the store has.
Exit code 1 if a target is missed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Measured, load, peak_of, run, start
from exseos.image.assemble import base_context
from exseos.lock import read_lock
from exseos.paths import absolute
from exseos.progress import Quiet
from exseos.resolve import lock_folder
from exseos.store import Store

ENGINES = ("docker",)
EXSEOS = [sys.executable, "-m", "exseos"]
WARM_TARGET_SECONDS = 2.0
MEMORY_TARGET_MIB = 200


def main(argument: str | None, smallest: bool) -> int:
    """Measure, print, and say whether the targets are met."""
    spec = absolute(argument or "examples/tiny/spec.yaml")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if smallest:
            (folder / "store/cache").mkdir(parents=True)
            for name in ("downloads", "origins"):
                (folder / "store/cache" / name).symlink_to(Store().cache / name)
            spec = _numpy_alone(spec, folder / "small")
        store = {"EXSEOS_STORE": str(folder / "store")}
        build = [*EXSEOS, "image", "build", str(spec)]
        # All downloads are there after it; the smallest has them already and lacks a lock.
        run([*EXSEOS, "lock", str(spec)] if smallest else build, cwd=folder, environment=store)
        for name in ("layers", "keys"):
            shutil.rmtree(folder / "store/cache" / name, ignore_errors=True)
        cold = peak_of(build, cwd=folder, environment=store)
        warm = peak_of(build, cwd=folder, environment=store)
        docker = _docker_build(spec, folder)
    print(f"{load()}\n{'':28}{'seconds':>9}{'relative':>10}{'host peak MiB':>15}")
    for name, measured in (("docker build, no cache", docker), ("exseos image build, cold", cold), ("exseos image build, warm", warm)):
        print(f"{name:28}{measured.seconds:9.1f}{docker.seconds / measured.seconds:10.2f}{measured.peak_mib:15.0f}")
    met = cold.seconds < docker.seconds and warm.seconds < WARM_TARGET_SECONDS and cold.peak_mib < MEMORY_TARGET_MIB
    wanted = f"cold faster than docker build, warm < {WARM_TARGET_SECONDS} s, peak < {MEMORY_TARGET_MIB} MiB"
    print(f"targets ({wanted}): {'met' if met else 'MISSED'}")
    return 0 if met else 1


def _numpy_alone(spec: Path, folder: Path) -> Path:
    """A copy of the experiment in ``folder`` with NumPy as its only requirement, and without a lock."""
    shutil.copytree(spec.parent, folder, ignore=shutil.ignore_patterns("*.lock"))
    text = (folder / spec.name).read_text()
    (folder / spec.name).write_text(re.sub(r"requirements: \[.*(numpy==[0-9.]+).*\]", r"requirements: [\1]", text))
    return folder / spec.name


def _docker_build(spec: Path, folder: Path) -> Measured:
    """`docker build` without its cache, of the base and the wheels; the image is removed again."""
    context = base_context(folder / "context", folder / "store/cache", Quiet())
    wheels = context / "wheels"
    wheels.mkdir()
    for pin in read_lock(lock_folder(spec)).wheels:
        (wheels / pin.filename).hardlink_to(folder / "store/cache/downloads" / pin.sha256)
    pip = _pip(folder)
    shutil.copytree(pip, context / "pip")
    install = [
        *("/usr/bin/python3", "/pip", "install", "--no-index", "--no-deps", "--no-compile", "--root-user-action=ignore", "--quiet"),
        *("--target", "/opt/exseos/lib/python3.11/site-packages"),
    ]
    names = sorted(f"/wheels/{path.name}" for path in wheels.iterdir())
    (context / "Dockerfile").write_text(
        "FROM scratch\nADD rootfs.tar /\nCOPY wheels /wheels\nCOPY pip /pip\nUSER 0\n"
        f"ENV PATH=/usr/bin PYTHONPATH=/pip\nRUN {json.dumps([*install, *names])}\n"
    )
    measured = run(
        ["docker", "build", "--no-cache", "--force-rm", "--network=none", "-q", "-t", "exseos-benchmark", "."],
        cwd=context,
        environment={"DOCKER_BUILDKIT": "0"},
    )
    run(["docker", "rmi", "-f", "exseos-benchmark"], cwd=context)
    return measured


def _pip(folder: Path) -> Path:
    """An unpacked pip with a ``__main__``, so that `python3 FOLDER` is pip."""
    target = folder / "pip"
    run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target), "pip"], cwd=folder)
    shutil.copy(target / "pip/__main__.py", target / "__main__.py")
    return target


if __name__ == "__main__":
    start(main)
