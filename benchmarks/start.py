"""Time what comes before the first stage: a warm build, and the start of a worker against plain `docker run`, in the same run.

    scripts/with-engines .venv-dev/bin/python -m benchmarks.start [SPEC]

The worker's start is that of the container up to its answer to `hello`, which imports NumPy; the peer is the docker command line with
`python3 -c 'import numpy'` in the same image. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import load, peak_of, run
from exseos.capsule.build import prepare
from exseos.engines import choose
from exseos.engines.base import Limits
from exseos.progress import Quiet
from exseos.resolve.check import check_experiment
from exseos.spec import read_spec
from exseos.store import Store
from exseos.study.session import Session

WARM_TARGET_SECONDS = 2.0
MEMORY_TARGET_MIB = 200
ROUNDS = 5


def main(spec: Path) -> int:
    """Measure, print, and say whether the targets are met."""
    store = Store()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        capsule = folder / "warm.capsule.zip"
        build = [sys.executable, "-m", "exseos", "capsule", "build", str(spec.absolute()), "-o", str(capsule), "--without", "image"]
        run(build, cwd=folder)
        built = min((peak_of(build, cwd=folder) for _ in range(ROUNDS)), key=lambda one: one.seconds)
        helped = min(run([sys.executable, "-m", "exseos", "--help"], cwd=folder).seconds for _ in range(ROUNDS))
        rows = [("exseos --help", helped), ("warm build, all stages in the store, packed", built.seconds)]
        with store.scratch() as scratch:
            ready = prepare(read_spec(spec, check_experiment(spec.parent)), {}, scratch, store, Quiet())
            for name in ("bubblewrap", "docker"):
                engine, _ = choose(name)
                times = []
                for number in range(ROUNDS + 1):
                    begin = time.perf_counter()
                    place = scratch / f"{name}-{number}"
                    place.mkdir()
                    with Session(
                        engine,
                        ready.image,
                        folder=place,
                        files=ready.files,
                        data=ready.data,
                        limits=Limits(),
                        store=store,
                        progress=Quiet(),
                    ):
                        times.append(time.perf_counter() - begin)
                rows.append((f"worker answers under {name}", min(times)))
            image = ready.image.id
        plain = ["docker", "run", "--rm", "--network=none", "--read-only", image, "python3", "-c", "import numpy"]
        peer = min(run(plain, cwd=folder).seconds for _ in range(ROUNDS))
    print(f"{load()}\n{'':48}{'seconds':>9}{'relative to docker run':>25}")
    for label, seconds in [("docker run … import numpy", peer), *rows]:
        print(f"{label:48}{seconds:9.2f}{peer / seconds:25.2f}")
    met = built.seconds < WARM_TARGET_SECONDS and built.peak_mib < MEMORY_TARGET_MIB and helped < 0.3
    print(f"host peak of the build: {built.peak_mib:.0f} MiB")
    print(f"targets (--help < 0.3 s, warm build < {WARM_TARGET_SECONDS} s, peak < {MEMORY_TARGET_MIB} MiB): {'met' if met else 'MISSED'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples/tiny/spec.yaml")))
