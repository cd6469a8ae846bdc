"""One capsule file: opened once, by one descriptor, and read within bounds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from exseos.archive import ArchiveReader
from exseos.errors import CapsuleError, DigestMismatch
from exseos.manifest import Entry, Manifest, check_path
from exseos.records.index import INDEX_LIMIT_BYTES, Index
from exseos.records.names import (
    IMAGE_CONFIG,
    INDEX,
    LOCK,
    MANIFEST,
    METRICS_FILE,
    PYLOCK,
    README,
    SEAL,
    SPEC,
    is_exact,
    is_sealed,
)
from exseos.records.parts import StageRecord

_LIMITS: Mapping[str, int] = {
    INDEX: INDEX_LIMIT_BYTES,
    README: 8 << 20,
    MANIFEST: 8 << 20,
    SEAL: 8 << 20,
    LOCK: 8 << 20,
    PYLOCK: 8 << 20,
    IMAGE_CONFIG: 1 << 20,
    SPEC: 256 << 10,
}
"""Bytes of the entries that are read into memory."""
_METRICS_LIMIT_BYTES = 4 << 20
_MOST_TEXT_BYTES = 64 << 20
"""Of all entries that are kept together."""


class Capsule:
    """The capsule at ``source``, a path or a seekable binary file; a context manager.

    Opening reads the directory of the zip alone. What is small and looked into more than once (the index, the lists, the
    spec, the lock) is read once and kept, so that whatever happens to the file, what was checked is what is used; all other
    content is checked by digest whenever it is read (``extract``). Raises ``CapsuleError`` for what is no capsule,
    ``UsageError`` if there is no such file.
    """

    def __init__(self, source: Path | str | BinaryIO) -> None:
        self.reader = ArchiveReader(source)
        self.where = self.reader.where
        self._texts: dict[str, bytes] = {}
        self._kept = 0

    def __enter__(self) -> Capsule:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.reader.close()

    def __contains__(self, name: object) -> bool:
        return name in self.reader

    @property
    def names(self) -> list[str]:
        """All entries, sorted."""
        return self.reader.names

    @staticmethod
    def is_text(name: str) -> bool:
        """Whether ``text`` gives the entry: what is small, and kept once it was read."""
        return name in _LIMITS or (name.endswith(f"/{METRICS_FILE}") and name.startswith(("results/", "run/")))

    def text(self, name: str) -> bytes:
        """The content of a small entry; raises ``CapsuleError`` if it is missing or larger than any such entry is."""
        if name not in self._texts:
            if name not in self.reader:
                raise CapsuleError("the entry is missing", where=name)
            data = self.reader.read(name, _LIMITS.get(name, _METRICS_LIMIT_BYTES))
            self._kept += len(data)
            if self._kept > _MOST_TEXT_BYTES:
                raise CapsuleError("its small files take more memory together than those of any capsule", where=name)
            self._texts[name] = data
        return self._texts[name]

    @cached_property
    def index(self) -> Index:
        """``capsule.json``; raises ``CapsuleError`` if there is none or it is not valid."""
        if INDEX not in self.reader:
            raise CapsuleError(f"this zip has no {INDEX}: it is not a capsule", where=self.where)
        return Index.parse(self.text(INDEX))

    @cached_property
    def manifest(self) -> dict[str, str]:
        """Exact entry → SHA-256, as the list of the experiment id has it."""
        return self._list(MANIFEST)

    @cached_property
    def seal(self) -> dict[str, str]:
        """Sealed entry → SHA-256, as the list of the seal has it."""
        return self._list(SEAL)

    @cached_property
    def _optional(self) -> dict[str, str]:
        return {one.name: one.sha256 for one in self.index.optional}

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Every entry that a list or the index has a digest of."""
        return {**self._optional, **self.seal, **self.manifest}

    def outputs(self, record: StageRecord) -> Manifest:
        """The outputs of a stage, relative to its location, as the list that covers them says; whether or not they are there."""
        return Manifest.of(self._by_location.get(record.location, ()))

    @cached_property
    def _by_location(self) -> dict[str, list[Entry]]:
        """Location (``results/trial-0/train``, always of three parts) → the entries below it, named relative to it."""
        found: dict[str, list[Entry]] = {}
        for covered, room in ((self.manifest, "results/"), (self._optional, "data/"), (self.seal, "run/")):
            for name, sha256 in covered.items():
                parts = name.split("/", 3)
                if name.startswith(room) and len(parts) == 4:
                    found.setdefault("/".join(parts[:3]), []).append(Entry(parts[3], sha256))
        return found

    def has(self, record: StageRecord) -> bool:
        """Whether every output of the stage is in this file."""
        return all(f"{record.location}/{entry.path}" in self.reader for entry in self.outputs(record))

    def extract(self, name: str, target: Path) -> Path:
        """Write one entry to the new file ``target``; raises ``DigestMismatch`` unless its bytes are those that are listed."""
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as stream:
            for chunk in (self._texts[name],) if name in self._texts else self.reader.chunks(name):
                digest.update(chunk)
                stream.write(chunk)
        listed = self._digests.get(name)
        if listed is not None and digest.hexdigest() != listed:
            raise DigestMismatch("the file changed while it was read", where=name, hint="Copy the capsule and replay the copy.")
        return target

    def extract_below(self, prefix: str, folder: Path) -> Path:
        """Write all entries below ``prefix`` into ``folder``, named relative to it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.names:
            if name.startswith(prefix):
                self.extract(name, folder / check_path(name[len(prefix) :]))
        return folder

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of an entry, unchecked but for its CRC."""
        return self.reader.chunks(name)

    def _list(self, name: str) -> dict[str, str]:
        belongs = is_exact if name == MANIFEST else is_sealed
        try:
            listed = Manifest.parse(self.text(name).decode(), name).as_dict()
        except UnicodeDecodeError as error:
            raise CapsuleError(f"not UTF-8 text (byte {error.start})", where=name) from error
        for entry in listed:
            if not belongs(entry):
                raise CapsuleError(f"{entry!r} cannot be in this list", where=name)
        return listed
