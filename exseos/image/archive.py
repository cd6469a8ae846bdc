"""``image.tar``: writing it, and taking one from somebody else.

Every byte of an archive follows from the image's configuration and its layers, so a reader recomputes what it finds: the order and
headers of entries, the index, both manifests, the digest of each layer, and within a layer each header. Nothing in it is believed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from exseos.digest import canonical_json, sha256_bytes
from exseos.errors import CapsuleError
from exseos.image.bounds import MAX_IMAGE_BYTES, MAX_IMAGE_ENTRIES, MAX_LAYERS, MAX_TARGET_BYTES, Allowance, path_problem
from exseos.image.dockerfile import check_config
from exseos.image.image import Image, blob, small_files
from exseos.image.layer import Layer, LayerStore, checked, scratch, settle
from exseos.image.parts import PartTree
from exseos.image.tar import CHUNK, Cursor, TarEntry, header, padding, read_header
from exseos.records.bounded import read_json
from exseos.store import host_errors

_MAX_JSON = 1 << 20
_CONFIG_KEYS = {"architecture", "config", "created", "history", "os", "rootfs"}
_DIGEST = re.compile("[0-9a-f]{64}")
_HINT = "The archive is damaged or not from exseos: get the capsule again from its author."


class Hash(Protocol):
    """What hashlib's objects and ``BackgroundHash`` have in common."""

    def update(self, data: bytes, /) -> None:
        """Hash more bytes."""


def save(image: Image, path: Path) -> None:
    """Write ``image.tar``; ``path`` appears whole or not at all."""
    save_chunks(image.archive(), path)


def save_chunks(chunks: Iterable[bytes], path: Path) -> None:
    """Write ``chunks`` to a file that appears whole or not at all."""
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    with host_errors(path):
        try:
            with half.open("wb") as stream:
                stream.writelines(chunks)
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)


def check_archive(stream: BinaryIO, whole: Hash | None = None) -> str:
    """The id of the image in ``stream``, read once in constant memory; nothing is written.

    Each byte of a layer is hashed once, beside the reading; ``whole``, if given, is fed every byte too, so that a caller has the
    digest of the file from the same pass. Raises ``CapsuleError`` or ``DigestMismatch`` for anything that is not canonical.
    """
    reader, allowance = _Reader(stream, whole), _allowance()
    for sha256, chunks in reader.layers():
        for _, content in _entries(chunks, sha256, allowance):
            for _ in content:
                pass
    return reader.id


def read_config(config: bytes, where: str = "image.tar") -> tuple[dict[str, Any], list[str]]:
    """The configuration of an image and the digests (hex) of its layers; raises ``CapsuleError`` for what no version writes as one."""
    with _understood(where):
        plain: dict[str, Any] = read_json(config, where, most_bytes=_MAX_JSON)
        digests = [str(one).removeprefix("sha256:") for one in plain["rootfs"]["diff_ids"]]
        if plain.keys() != _CONFIG_KEYS or plain["rootfs"].keys() != {"type", "diff_ids"}:
            raise ValueError("the configuration has other keys than that of any image of exseos")
        if not 0 < len(digests) <= MAX_LAYERS or canonical_json(plain) != config or not all(_DIGEST.fullmatch(one) for one in digests):
            raise ValueError("the configuration is not in canonical form")
    return plain, digests


def find_image(config: bytes, cache: Path) -> Image | None:
    """The image of this configuration if all of its layers are in ``cache``: then no archive need be read to run it.

    Raises ``CapsuleError`` for a configuration that is not ours: such an image is not run.
    """
    plain, digests = read_config(config)
    check_config(plain.get("config"))
    store = LayerStore(cache)
    layers = [layer for one in digests if (layer := store.find(one)) is not None]
    return Image(plain, tuple(layers), cache) if len(layers) == len(digests) else None


def read_archive(source: BinaryIO | Path, cache: Path) -> Image:
    """The image in ``source``, its layers unpacked into ``cache``; a layer appears there only when all of it was found right.

    Raises as ``check_archive`` does, and ``CapsuleError`` for a configuration that is not ours: such an image is not run.
    An archive cannot write outside of its own folders, whatever it holds.
    """
    if isinstance(source, Path):
        with host_errors(source), source.open("rb") as stream:
            return read_archive(stream, cache)
    store = LayerStore(cache)
    reader, allowance = _Reader(source, None), _allowance()
    check_config(reader.config.get("config"))
    layers: dict[str, Layer] = {}
    for sha256, chunks in reader.layers():
        layers[sha256] = _keep(store, sha256, reader.sizes[sha256], chunks, allowance)
    return Image(reader.config, tuple(layers[sha256] for sha256 in reader.order), cache)


def _keep(store: LayerStore, sha256: str, size: int, chunks: Iterator[memoryview], allowance: Allowance) -> Layer:
    layer = store.find(sha256)
    if layer is not None:
        if layer.size != size:  # else a wrong size would pass for damage, and a good layer be removed
            raise CapsuleError(f"the layer {sha256} has {layer.size} bytes, not {size}", where="image.tar", hint=_HINT)
        for _ in checked(chunks, sha256, blob(sha256)):
            pass
        return layer
    with scratch(store.cache) as folder:
        tree = folder / "tree"
        tree.mkdir()
        part = PartTree(tree, blob(sha256), _allowance())
        for entry, content in _entries(chunks, sha256, allowance):
            if entry.kind == "folder":
                part.folder(entry.path)
            elif entry.kind == "link":
                part.link(entry.path, entry.target)
            else:
                part.file(entry.path, content, entry.executable)
        settle(tree)
        return store.keep(tree, sha256, size)


def _allowance() -> Allowance:
    return Allowance("image.tar", MAX_IMAGE_BYTES, MAX_IMAGE_ENTRIES)


def _entries(chunks: Iterator[memoryview], sha256: str, allowance: Allowance) -> Iterator[tuple[TarEntry, Iterator[memoryview]]]:
    """The entries of a layer's canonical tar with their content; raises at the end if the layer has another digest."""
    cursor = Cursor(checked(chunks, sha256, blob(sha256)), blob(sha256))
    folders: set[str] = set()
    last: tuple[bytes, ...] = ()
    while (entry := read_header(cursor)) is not None:
        allowance.take(0, 1)
        if (problem := path_problem(entry.path)) or len(entry.target.encode()) > MAX_TARGET_BYTES or "\0" in entry.target:
            problem = problem or "is a link that leads nowhere"
            raise CapsuleError(f"{entry.path[:200]!r} {problem}", where=cursor.where, hint=_HINT)
        parts = tuple(part.encode() for part in entry.path.split("/"))
        if any(part.startswith(b".wh.") for part in parts) or (len(parts) > 1 and entry.path.rpartition("/")[0] not in folders):
            raise CapsuleError(f"{entry.path!r} is unsafe or outside of the folders before it", where=cursor.where, hint=_HINT)
        if parts <= last:
            raise CapsuleError(f"{entry.path!r} is out of order or comes twice", where=cursor.where, hint=_HINT)
        last = parts
        if entry.kind == "folder":
            folders.add(entry.path)
        yield entry, cursor.spans(entry.size)
        cursor.zeros(len(padding(entry.size)))
    cursor.end()


class _Reader:
    """The outer tar: small files first, all of them recomputed from configuration and sizes, then the layers."""

    def __init__(self, stream: BinaryIO, whole: Hash | None) -> None:
        self._cursor = Cursor(_chunks(stream, whole), "image.tar")
        found: dict[str, bytes] = {}
        names = ("oci-layout", "index.json", "manifest.json", None, None)
        for expected in names:
            entry = read_header(self._cursor)
            if entry is None or entry.kind != "file" or entry.size > _MAX_JSON or expected not in (None, entry.path) or entry.path in found:
                raise CapsuleError("does not begin as an image archive does", where="image.tar", hint=_HINT)
            found[entry.path] = self._cursor.take(entry.size)
            self._cursor.zeros(len(padding(entry.size)))
        config, manifest = list(found.values())[3:]
        with _understood():
            self.config: dict[str, Any] = json.loads(config)
            self.order = [str(one).removeprefix("sha256:") for one in self.config["rootfs"]["diff_ids"]]
            sizes = [int(one["size"]) for one in json.loads(manifest)["layers"]]
            if not all(_DIGEST.fullmatch(one) for one in self.order):
                raise ValueError("a layer's digest is not SHA-256")
            if len(sizes) > MAX_LAYERS or len(set(self.order)) != len(self.order):
                raise ValueError(f"it has more than {MAX_LAYERS} layers, or one of them twice")
            if min(sizes, default=0) < 0 or sum(sizes) > MAX_IMAGE_BYTES:
                raise ValueError(f"its layers have more than {MAX_IMAGE_BYTES} bytes")
            self.sizes = dict(zip(self.order, sizes, strict=True))
            expected_files = small_files(config, list(zip(self.order, sizes, strict=True)))
            if canonical_json(self.config) != config or list(found.items()) != expected_files:
                raise ValueError("its index and manifests do not follow from its configuration")
        self.id = f"sha256:{sha256_bytes(config)}"

    def layers(self) -> Iterator[tuple[str, Iterator[memoryview]]]:
        """Digest and bytes of each layer; the bytes must be read to their end before the next."""
        for sha256, size in self.sizes.items():
            entry = read_header(self._cursor)
            if entry is None or header(entry) != header(TarEntry(blob(sha256), "file", size)):
                raise CapsuleError(f"layer {sha256} is missing or out of order", where="image.tar", hint=_HINT)
            yield sha256, self._cursor.spans(size)
            self._cursor.zeros(len(padding(size)))
        if read_header(self._cursor) is not None:
            raise CapsuleError("more entries than the image has", where="image.tar", hint=_HINT)
        self._cursor.end()


@contextmanager
def _understood(where: str = "image.tar") -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise CapsuleError(f"not an image as exseos makes it: {error}", where=where, hint=_HINT) from error


def _chunks(stream: BinaryIO, whole: Hash | None) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        if whole is not None:
            whole.update(chunk)
        yield chunk
