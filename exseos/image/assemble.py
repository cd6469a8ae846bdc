"""From pinned packages and wheels to an image: layers, each made once and then found again by the digests of its inputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache as cached
from functools import partial
from pathlib import Path

from exseos.digest import sha256_file, sha256_json
from exseos.errors import CapsuleError, ExseosError
from exseos.fetch import check_file, fetch
from exseos.image.archive import save_chunks
from exseos.image.base_layer import fill_base
from exseos.image.base_lock import base_lock
from exseos.image.bounds import MAX_IMAGE_BYTES
from exseos.image.dockerfile import own_config
from exseos.image.image import Image, image_config
from exseos.image.layer import Layer, LayerStore
from exseos.image.mirror import package_downloads
from exseos.image.packages import DebPackage
from exseos.image.wheel_layer import SITE_PACKAGES, fill_wheels, wheel_identity
from exseos.network import EVERYTHING, Network
from exseos.progress import Progress
from exseos.resources import resource
from exseos.store import host_errors

LARGE = 32 << 20
"""Bytes from which on a wheel file makes a layer of its own."""
_SHAPING = ("base_layer.py", "deb.py", "layer.py", "parts.py", "tar.py", "wheel_file.py", "wheel_layer.py")
"""The modules that decide what a layer holds: with other sources, layers in the cache are not taken for theirs."""


def assemble(
    base: Sequence[DebPackage],
    wheels: Sequence[Path],
    exseos_wheel: Path | None,
    cache: Path,
    progress: Progress,
    network: Network = EVERYTHING,
) -> Image:
    """The image of these Debian packages, wheels and the wheel of exseos itself (None: an image without it).

    The packages are fetched; ``wheels`` are files, in any order and of any name. Layers that the cache has are not made again.
    """
    store = LayerStore(cache)
    makers: list[tuple[str, Callable[[], Layer]]] = [("Debian packages", partial(base_layer, base, store, progress, network))]
    makers += [
        (f"Python wheels {number}", partial(wheel_layer, group, store, progress)) for number, group in enumerate(_groups(wheels, cache), 1)
    ]
    if exseos_wheel is not None:
        makers.append(("exseos", partial(wheel_layer, [exseos_wheel], store, progress)))
    with ThreadPoolExecutor(len(makers)) as pool:
        layers = [job.result() for job in [pool.submit(make) for _, make in makers]]
    if (size := sum(layer.size for layer in layers)) > MAX_IMAGE_BYTES:
        raise ExseosError(f"the image would have {size} bytes, and at most {MAX_IMAGE_BYTES} are allowed", hint="Ask for fewer packages.")
    named = [(name, layer.sha256) for (name, _), layer in zip(makers, layers, strict=True)]
    return Image(image_config(own_config(), named), tuple(layers), cache)


def with_worker(image: Image, wheel: Path, cache: Path, progress: Progress) -> Image:
    """``image``, which may be anybody's, with the exseos of ``wheel`` in the place of its own.

    Raises ``CapsuleError`` if something of an exseos is in another layer than the one that is replaced.
    """
    name = "exseos"
    try:
        made_by = [str(one["created_by"]) for one in image.config["history"]]
        layers = list(zip(made_by, image.layers, strict=True))
    except (KeyError, TypeError, ValueError) as error:
        raise CapsuleError("the history of the image does not say what made each layer", where="image.tar") from error
    kept = [(by, layer) for by, layer in layers if by != name]
    for by, layer in kept:
        if (found := _workers(layer.tree)) is not None:
            raise CapsuleError(f"the layer {by[:80]!r} has {found[:80]!r}: a second exseos", where="image.tar", hint="Do not trust it.")
    kept.append((name, wheel_layer([wheel], LayerStore(cache), progress)))
    config = image_config(own_config(), [(by, layer.sha256) for by, layer in kept])
    return Image(config, tuple(layer for _, layer in kept), cache)


def _workers(tree: Path) -> str | None:
    """What of an exseos is in the tree of a layer, by its name; a link in the way is replaced by the folder of the worker's layer."""
    folder = tree
    for part in Path(SITE_PACKAGES).parts:
        folder = folder / part
        if folder.is_symlink() or not folder.is_dir():
            return None
    return next((one.name for one in folder.iterdir() if re.match(r"exseos([.-]|$)", one.name, re.IGNORECASE)), None)


@cached
def _format() -> str:
    return sha256_json({name: sha256_file(Path(__file__).with_name(name)) for name in _SHAPING})


def base_context(folder: Path, cache: Path, progress: Progress) -> Path:
    """Fill ``folder`` for ``docker build -f FOLDER/Dockerfile.base FOLDER``: that file, and the base layer as ``rootfs.tar``."""
    layer = base_layer(base_lock().packages, LayerStore(cache), progress)
    with host_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Dockerfile.base").write_bytes(resource("Dockerfile.base").read_bytes())
    save_chunks(layer.tar(), folder / "rootfs.tar")
    return folder


def _groups(wheels: Sequence[Path], cache: Path) -> list[list[Path]]:
    """The wheels of each layer: a large one has its own, which is made beside the others and outlives a change of them."""
    named = [path for _, path in sorted((_identity(path, cache), path) for path in wheels)]
    large = [path for path in named if path.stat().st_size >= LARGE]
    small = [path for path in named if path not in large]
    return [[path] for path in large] + ([small] if small else [])


def _identity(path: Path, cache: Path) -> tuple[str, str]:
    try:
        return wheel_identity(path)
    except ExseosError:
        check_file(path, _digest(path, cache))  # if it was damaged in the cache, that is the reason
        raise


def base_layer(packages: Sequence[DebPackage], store: LayerStore, progress: Progress, network: Network = EVERYTHING) -> Layer:
    """The layer of ``packages``."""
    ordered = sorted(packages, key=lambda one: one.name)
    key = sha256_json({"format": _format(), "packages": [[one.name, one.sha256] for one in ordered]})

    def make(tree: Path) -> None:
        progress.step(f"base layer: {len(ordered)} Debian packages")
        shipped = base_lock()
        known = {one.sha256 for one in shipped.packages}
        files = fetch(package_downloads(ordered, shipped.date, known), store.cache, progress, network)
        for package, file in zip(ordered, files, strict=True):
            check_file(file, package.sha256)
        guests = {one.name for one in ordered if one.sha256 not in known}
        fill_base(tree, list(zip(ordered, files, strict=True)), progress, guests)

    return store.make(key, make)


def wheel_layer(wheels: Sequence[Path], store: LayerStore, progress: Progress) -> Layer:
    """The layer of ``wheels``."""
    digests = {path: _digest(path, store.cache) for path in wheels}
    key = sha256_json({"format": _format(), "wheels": sorted(digests.values())})

    def make(tree: Path) -> None:
        progress.step(f"wheel layer: {len(wheels)} wheel{'s' * (len(wheels) > 1)}")
        for path, sha256 in digests.items():
            check_file(path, sha256)
        fill_wheels(tree, wheels, progress)

    return store.make(key, make)


def _digest(path: Path, cache: Path) -> str:
    """SHA-256 of a wheel; a file of the download cache is named by it, and checked when a layer is made of it."""
    if path.parent == cache / "downloads" and re.fullmatch(r"[0-9a-f]{64}", path.name):
        return path.name
    return sha256_file(path)
