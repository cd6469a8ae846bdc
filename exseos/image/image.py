"""An image: an OCI configuration over layers that lie unpacked in the cache.

Its id is the SHA-256 of the configuration, which names the layers by the digests of their uncompressed tars. No layer is ever
compressed, so the archive, too, is a function of the id: the same bytes wherever it is written.
"""

# Plain strings for paths: pathlib is too slow for a hundred thousand files.
# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH114

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from exseos.digest import canonical_json, sha256_bytes
from exseos.errors import DigestMismatch
from exseos.image.dockerfile import ContainerConfig, own_config
from exseos.image.layer import Layer, LayerStore, scratch
from exseos.image.seal import Seal, TreeState
from exseos.image.tar import BLOCK, END, MTIME, TarEntry, header, padding, walk
from exseos.removal import remove_tree
from exseos.store import host_errors

CREATED = "2000-01-01T00:00:00Z"
"""The time of ``MTIME``: an image has no time of its own."""
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

_ROOT, _SEAL, _COPIED = "root", "seal.json", "copied"
"""In the folder of a root file system: itself, and its seal; and the mark of a seal whose files are not all links to layers."""


def image_config(container: ContainerConfig, layers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The OCI configuration of ``layers`` (each what made it, and its digest in hex)."""
    return {
        "architecture": "amd64",
        "config": container.as_oci(),
        "created": CREATED,
        "history": [{"created": CREATED, "created_by": name} for name, _ in layers],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256}" for _, sha256 in layers]},
    }


def small_files(config: bytes, layers: Sequence[tuple[str, int]]) -> list[tuple[str, bytes]]:
    """All files of an archive but its layers (digest in hex, size), in their order: an OCI layout and a docker archive at once."""
    id_ = sha256_bytes(config)
    described = [{"digest": f"sha256:{sha256}", "mediaType": LAYER_TYPE, "size": size} for sha256, size in layers]
    manifest = canonical_json(
        {
            "config": {"digest": f"sha256:{id_}", "mediaType": CONFIG_TYPE, "size": len(config)},
            "layers": described,
            "mediaType": MANIFEST_TYPE,
            "schemaVersion": 2,
        }
    )
    name = f"exseos:{id_[:16]}"
    entry = {
        "annotations": {"io.containerd.image.name": f"docker.io/library/{name}", "org.opencontainers.image.ref.name": id_[:16]},
        "digest": f"sha256:{sha256_bytes(manifest)}",
        "mediaType": MANIFEST_TYPE,
        "size": len(manifest),
    }
    docker = {"Config": blob(id_), "Layers": [blob(sha256) for sha256, _ in layers], "RepoTags": [name]}
    return [
        ("oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"})),
        ("index.json", canonical_json({"manifests": [entry], "mediaType": "application/vnd.oci.image.index.v1+json", "schemaVersion": 2})),
        ("manifest.json", canonical_json([docker])),
        (blob(id_), config),
        (blob(sha256_bytes(manifest)), manifest),
    ]


def blob(sha256: str) -> str:
    """Where an archive holds the blob of this digest."""
    return f"blobs/sha256/{sha256}"


@dataclass(frozen=True)
class Image:
    """An image whose layers are in ``cache``. Satisfies ``exseos.engines.base.ImageSource``."""

    config: dict[str, Any]
    layers: tuple[Layer, ...]
    cache: Path

    @cached_property
    def config_bytes(self) -> bytes:
        """The configuration as canonical JSON."""
        return canonical_json(self.config)

    @cached_property
    def id(self) -> str:
        """``sha256:`` and the digest of the configuration."""
        return f"sha256:{sha256_bytes(self.config_bytes)}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a container starts with: those of our own ``Dockerfile.base``, whatever ``config`` says."""
        return dict(own_config().environment)

    def archive(self) -> Iterator[bytes]:
        """``image.tar`` in chunks; ``DigestMismatch`` if a layer in the cache was changed meanwhile."""
        for name, data in self._small_files():
            yield header(TarEntry(name, "file", len(data))) + data + padding(len(data))
        for layer in self._distinct():
            yield header(TarEntry(blob(layer.sha256), "file", layer.size))
            yield from layer.tar()
            yield padding(layer.size)
        yield END

    def archive_size(self) -> int:
        """Bytes of ``image.tar``, without making it."""
        small = [(name, len(data)) for name, data in self._small_files()]
        large = [(blob(layer.sha256), layer.size) for layer in self._distinct()]
        return sum(len(header(TarEntry(name, "file", size))) + size + -size % BLOCK for name, size in small + large) + len(END)

    def _small_files(self) -> list[tuple[str, bytes]]:
        return small_files(self.config_bytes, [(layer.sha256, layer.size) for layer in self.layers])

    def _distinct(self) -> list[Layer]:
        return list({layer.sha256: layer for layer in self.layers}.values())

    def rootfs(self) -> Path:
        """The layers merged in one folder of the cache, made on first use from hard links; nobody may write there.

        Checked once for each ``Image``; one that was changed is made again. ``DigestMismatch`` if a layer was changed as well.
        """
        return self._rootfs

    @cached_property
    def _rootfs(self) -> Path:
        final = self.cache / "rootfs" / self.id.removeprefix("sha256:")
        store = LayerStore(self.cache)
        with host_errors(final):
            # Twice: the second time is for what another process put there meanwhile.
            for _ in range(2):
                if self._is_sealed(final, store):
                    break
                with scratch(self.cache) as folder:
                    self._merge(folder / "whole", store)
                    final.parent.mkdir(parents=True, exist_ok=True)
                    with suppress(FileNotFoundError):
                        final.rename(folder / "old")
                    try:
                        (folder / "whole").rename(final)
                    except OSError:
                        if not final.is_dir():  # else another process was faster
                            raise
        return final / _ROOT

    def _is_sealed(self, final: Path, store: LayerStore) -> bool:
        """Whether the root file system is as it was made, from the layers that are here now."""
        seal = Seal.read(final / _SEAL)
        if seal is None or seal.base[: len(self.layers)] != self._base(store):
            return False
        try:
            now = TreeState.of(final / _ROOT)
        except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
            return False
        # The time of change of a file that is also in a layer is in the layer's seal.
        return now == seal.state if _COPIED in seal.base else now.linked == seal.state.linked

    def _base(self, store: LayerStore) -> tuple[str, ...]:
        """What tells these trees of the layers from any others."""
        return tuple(seal.state.linked if (seal := store.seal(layer)) else "" for layer in self.layers)

    def _merge(self, whole: Path, store: LayerStore) -> None:
        for layer in self._distinct():
            if not store.intact(layer):
                raise DigestMismatch(
                    "a layer of the image was changed in the cache",
                    where=str(layer.tree),
                    hint="It is removed. Run the same command again: the layer is then made anew.",
                )
        root = whole / _ROOT
        root.mkdir(parents=True)
        linked = [_overlay(layer.tree, root) for layer in self.layers]
        for layer in self._distinct():
            store.linked(layer)
        base = self._base(store) + (() if all(linked) else (_COPIED,))
        Seal(TreeState.of(root), 0, base=base).write(whole / _SEAL)


def _overlay(tree: Path, root: Path) -> bool:
    """Add ``tree`` to ``root``; what is there already and is no folder is replaced. Whether no file had to be copied."""
    folders, linked = [(os.fspath(root), 0o755)], True
    for entry, path in walk(tree):
        target = f"{root}/{entry.path}"
        if entry.kind == "folder":
            try:
                os.mkdir(target)
            except FileExistsError:
                if os.path.islink(target) or not os.path.isdir(target):
                    os.unlink(target)
                    os.mkdir(target)
            folders.append((target, entry.mode))
            continue
        linked = _place(path, target) and linked
    for target, mode in folders:
        os.chmod(target, mode)
        os.utime(target, (MTIME, MTIME))
    return linked


def _place(source: str, target: str) -> bool:
    """Make ``target`` a hard link to ``source``, or a copy where there can be none; whether it is a link."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if os.path.isdir(target) and not os.path.islink(target):
            remove_tree(Path(target))
        else:
            os.unlink(target)
        return _place(source, target)
    except OSError:  # no hard links here, or too many of one file
        shutil.copy2(source, target, follow_symlinks=False)
        return False
    return True
