"""Running a module of these tests in the image, on this CPU or an emulated one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount
from exseos.image.image import Image
from exseos.progress import Quiet
from exseos.resolve import find_lock
from exseos.resolve.image import image_of, own_wheel
from exseos.spec import read_spec
from exseos.store import Store
from exseos.study.warm import MOUNTED, warm_folder
from exseos.worker.determinism import environment
from exseos.worker.warm import environment as warm_environment

REPOSITORY = Path(__file__).parents[2]
WORK = "/exchange"
"""Where the module finds the folder that it reads and writes."""
_CODE = "/checkout"
_PATH = "PYTHONPATH"


def example_image(store: Store) -> Image:
    """The image of ``examples/tiny`` as the sources are now."""
    spec = read_spec(REPOSITORY / "examples/tiny/spec.yaml")
    wheel, _ = own_wheel(store.cache)
    return image_of(find_lock(spec, store.cache, Quiet()), spec.experiment(), wheel, store.cache, Quiet()).image


def run_inside(
    engine: Engine,
    image: ImageSource,
    store: Store,
    module: Sequence[str],
    work: Path,
    *,
    seconds: float,
) -> tuple[int, str]:
    """Run ``python3 -m MODULE ARGUMENT...`` with ``work`` at ``WORK``; its exit code and all it said.

    The worker's switches, kernels and caches are in force as in a stage, with the sources of this
    checkout.
    """
    limits = Limits(seconds=seconds)
    folder = warm_folder(engine, image, limits, store, Quiet())
    assert folder is not None, "the image's warm-up failed"
    mounts = [Mount(folder, MOUNTED), Mount(work, WORK, writable=True)]
    mounts += [Mount(REPOSITORY / name, f"{_CODE}/{name}") for name in ("exseos", "tests", "examples")]
    settings = {
        **environment(),
        **warm_environment(MOUNTED),
        _PATH: f"{_CODE}:{image.environment[_PATH]}",
    }
    argv = ["/usr/bin/python3", "-m", *module]
    process = engine.start(image, Command(argv, settings, WORK), mounts, limits)
    try:
        process.stdin.close()
        said = process.stdout.read().decode(errors="replace")
        code = process.wait(60)
    finally:
        process.kill()
    reason = process.reason()
    return code, said + process.stderr_tail() + (f"\n{reason}" if reason else "")
