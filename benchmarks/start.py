"""Time what comes before the first stage: a warm build, and the start of a worker against plain `docker run`, in the same run.

    scripts/with-engines .venv-dev/bin/python -m benchmarks.start [--smallest] [SPEC]

The worker's start is that of the container up to its answer to `hello`, which imports NumPy; the peer is the docker command line with
`python3 -c 'import numpy'` in the same image. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import load, peak_of, run, start
from exseos.capsule.build import BuildRequest, Prepared, prepare
from exseos.engines import choose
from exseos.engines.base import Limits
from exseos.paths import absolute
from exseos.progress import Quiet
from exseos.resolve.check import check_experiment
from exseos.spec import read_spec
from exseos.store import Store
from exseos.study.session import Session

WARM_TARGET_SECONDS = 2.0
MEMORY_TARGET_MIB = 200
ROUNDS = 5
ENGINES = ("bubblewrap", "docker")


def main(argument: str | None, smallest: bool) -> int:
    """Measure, print, and say whether the targets are met."""
    spec, rounds = absolute(argument or "examples/tiny/spec.yaml"), 1 if smallest else ROUNDS
    store = Store()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        capsule = folder / "warm.capsule.zip"
        build = [sys.executable, "-m", "exseos", "capsule", "build", str(spec), "-o", str(capsule), "--without", "image"]
        run(build, cwd=folder)
        built = min((peak_of(build, cwd=folder) for _ in range(rounds)), key=lambda one: one.seconds)
        helped = min(run([sys.executable, "-m", "exseos", "--help"], cwd=folder).seconds for _ in range(rounds))
        rows = [("exseos --help", helped), ("warm build, all stages in the store, packed", built.seconds)]
        with store.scratch() as scratch:
            ready = prepare(read_spec(spec, check_experiment(spec.parent)), BuildRequest(spec), scratch, store, Quiet())
            rows += [(f"worker answers under {name}", _answers(name, ready, store, scratch, rounds)) for name in ENGINES]
            image = ready.image.id
        plain = ["docker", "run", "--rm", "--network=none", "--read-only", image, "python3", "-c", "import numpy"]
        peer = min(run(plain, cwd=folder).seconds for _ in range(rounds))
    print(f"{load()}\n{'':48}{'seconds':>9}{'relative to docker run':>25}")
    for label, seconds in [("docker run … import numpy", peer), *rows]:
        print(f"{label:48}{seconds:9.2f}{peer / seconds:25.2f}")
    met = built.seconds < WARM_TARGET_SECONDS and built.peak_mib < MEMORY_TARGET_MIB and helped < 0.3
    print(f"host peak of the build: {built.peak_mib:.0f} MiB")
    print(f"targets (--help < 0.3 s, warm build < {WARM_TARGET_SECONDS} s, peak < {MEMORY_TARGET_MIB} MiB): {'met' if met else 'MISSED'}")
    return 0 if met else 1


def _answers(name: str, ready: Prepared, store: Store, scratch: Path, rounds: int) -> float:
    """Seconds until a worker of the engine ``name`` answers; one more round, not the best, warms it up."""
    engine, _ = choose(name)
    times = []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        folder = scratch / f"{name}-{number}"
        folder.mkdir()
        with Session(
            engine, ready.image, folder=folder, files=ready.files, data=ready.data, limits=Limits(), store=store, progress=Quiet()
        ):
            times.append(time.perf_counter() - begin)
    return min(times)


if __name__ == "__main__":
    start(main)
