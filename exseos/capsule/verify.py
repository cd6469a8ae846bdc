"""Check that every byte of a capsule file is what its two ids stand for, reading each once. Nothing in it is run or unpacked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import TypeAdapter, ValidationError

from exseos.archive import ArchiveReader, ChunkStream, Member
from exseos.capsule.index import (
    IMAGE,
    IMAGE_CONFIG,
    INDEX,
    LOCK,
    MANIFEST,
    README,
    SEAL,
    TEXT_LIMIT_BYTES,
    Index,
    MetricRecord,
    StageRecord,
    is_exact,
    is_optional,
    is_sealed,
)
from exseos.capsule.readme import render
from exseos.digest import sha256_bytes
from exseos.errors import CapsuleError, ExseosError, HostError
from exseos.lock import STAND_IN, STAND_IN_VERSION, Lock
from exseos.manifest import Manifest
from exseos.metrics import Metric
from exseos.progress import Progress, Quiet
from exseos.text import visible

METRICS_FILE = "metrics.json"
_KEPT = frozenset({INDEX, README, MANIFEST, SEAL, LOCK})
_METRICS_LIMIT_BYTES = 4 << 20
_METRICS = TypeAdapter(list[Metric])


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with one entry, or with the file."""

    where: str
    what: str

    def __str__(self) -> str:
        """On one line, fit to be shown."""
        return f"{visible(self.where)}: {visible(self.what, escaped=True)}"


@dataclass(frozen=True)
class VerifyReport:
    """The outcome: no problems means that the file is whole. The ids are None where they could not be computed."""

    problems: tuple[Problem, ...]
    id: str | None = None
    seal: str | None = None
    image_id: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """``entries``, ``bytes``, ``stages``, ``claims``, and ``left_out``: optional entries of the index that are not in the file."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(source: Path | str | BinaryIO, progress: Progress | None = None) -> VerifyReport:
    """Check the capsule at ``source`` and list every problem.

    Raises ``UsageError`` if there is no such file and ``HostError`` if it cannot be read; all else is in the report.
    """
    try:
        reader = ArchiveReader(source)
    except CapsuleError as error:
        return VerifyReport((Problem(error.where or "file", error.what),))
    with reader:
        return verify_open(reader, progress)


def verify_open(reader: ArchiveReader, progress: Progress | None = None) -> VerifyReport:
    """Check an open capsule, as ``verify`` does."""
    return _Verification(reader, progress or Quiet()).report()


class _Verification:
    """What is found on the way through one file."""

    def __init__(self, reader: ArchiveReader, progress: Progress) -> None:
        self.reader = reader
        self.progress = progress
        self.done = 0
        self.problems: list[Problem] = []
        self.digests: dict[str, str] = {}
        self.texts: dict[str, bytes] = {}
        self.image_id: str | None = None

    def report(self) -> VerifyReport:
        for member in self.reader.members:
            try:
                self._read(member)
            except HostError:
                raise
            except ExseosError as error:
                self._add(member.name, error.what if error.where in (None, member.name) else f"{error.where}: {error.what}")
        self.progress.advance("verify", self.reader.file_size, self.reader.file_size)
        manifest, seal = self._manifest(MANIFEST), self._manifest(SEAL)
        self._check_lists(manifest, seal)
        index = self._index()
        if index is not None:
            self._check_index(index, manifest or {})
        counts = {"entries": len(self.reader.members), "bytes": self.reader.file_size}
        if index is not None:
            left_out = sum(name not in self.digests for name in index.optional) + (IMAGE not in self.reader)
            counts |= {"stages": len(index.stages), "claims": len(index.claims), "left_out": left_out}
        config = self.digests.get(IMAGE_CONFIG)
        return VerifyReport(
            tuple(sorted(set(self.problems))),
            self.digests.get(MANIFEST),
            self.digests.get(SEAL),
            f"sha256:{config}" if config else None,
            counts,
        )

    def _add(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def _read(self, member: Member) -> None:
        """Hash one entry, keeping the few that are looked into."""
        if member.name == IMAGE:
            self._read_image()
            return
        metrics = member.name.endswith(f"/{METRICS_FILE}") and member.name.startswith(("results/", "run/"))
        keep = member.name in _KEPT or metrics
        if keep and member.size > (_METRICS_LIMIT_BYTES if metrics else TEXT_LIMIT_BYTES):
            raise CapsuleError(f"the entry is too large: {member.size} bytes")
        digest, kept = hashlib.sha256(), []
        for block in self._counted(member.name):
            digest.update(block)
            if keep:
                kept.append(block)
        self.digests[member.name] = digest.hexdigest()
        if keep:
            self.texts[member.name] = b"".join(kept)

    def _read_image(self) -> None:
        from exseos.image.archive import check_archive  # here, since only a capsule with an image needs that room

        stream = ChunkStream(self._counted(IMAGE))
        self.image_id = check_archive(cast(BinaryIO, stream))
        if stream.read(1):
            raise CapsuleError("bytes stand behind the end of the image")

    def _counted(self, name: str) -> Iterator[bytes]:
        for block in self.reader.chunks(name):
            yield block
            self.done += len(block)
            self.progress.advance("verify", min(self.done, self.reader.file_size - 1), self.reader.file_size)

    def _manifest(self, name: str) -> dict[str, str] | None:
        if name not in self.texts:
            if name not in self.reader:
                self._add(name, "the list is missing")
            return None
        try:
            return Manifest.parse(self.texts[name].decode(), name).as_dict()
        except UnicodeDecodeError:
            self._add(name, "not UTF-8")
        except CapsuleError as error:
            self._add(name, error.what if error.where in (None, name) else f"{error.where}: {error.what}")
        return None

    def _check_lists(self, manifest: dict[str, str] | None, seal: dict[str, str] | None) -> None:
        """Names and digests of the entries against both lists."""
        for list_name, listed, belongs in ((MANIFEST, manifest, is_exact), (SEAL, seal, is_sealed)):
            if listed is None:
                continue
            present = {name for name in self.reader.names if belongs(name)}
            added = present - listed.keys()
            by_digest = {self.digests.get(name): name for name in sorted(added)}
            for name in listed.keys() - present:
                found = by_digest.get(listed[name])
                renamed = f"; its content is there as {found}" if found else ""
                what = "cannot be in this list" if not belongs(name) else f"missing{renamed}"
                self._add(name, f"{what} ({list_name})")
            for name in added:
                self._add(name, f"not in the list {list_name}: it was added or renamed")
            for name in present & listed.keys() & self.digests.keys():
                if self.digests[name] != listed[name]:
                    self._add(name, f"its SHA-256 is {self.digests[name]}, and {list_name} has {listed[name]}")

    def _index(self) -> Index | None:
        if INDEX not in self.texts:
            if INDEX not in self.reader:
                self._add(INDEX, "the index is missing")
            return None
        try:
            return Index.parse(self.texts[INDEX])
        except CapsuleError as error:
            self._add(INDEX, error.what)
            return None

    def _check_index(self, index: Index, manifest: Mapping[str, str]) -> None:
        """The index against itself and against the entries."""
        for problem in index.problems():
            self._add(INDEX, problem)
        if MANIFEST in self.digests and self.digests[MANIFEST] != index.id:
            self._add(INDEX, f"the experiment id is {index.id}, and {MANIFEST} gives {self.digests[MANIFEST]}")
        self._check_image(index)
        if README not in self.reader:
            self._add(README, "missing")
        elif README in self.texts and self.texts[README] != render(index).encode():
            self._add(README, "it is not what the index renders to")
        for name, optional in index.optional.items():
            if (
                is_optional(name)
                and name in self.digests
                and (self.digests[name], self.reader.size(name)) != (optional.sha256, optional.size)
            ):
                self._add(name, f"its SHA-256 is {self.digests[name]}, and the index has {optional.sha256}")
        for name in self.reader.names:
            if name.startswith("data/") and name not in index.optional:
                self._add(name, "not in the index: it was added or renamed")
        self._check_stages(index, manifest)
        self._check_data(index)

    def _check_image(self, index: Index) -> None:
        config = self.digests.get(IMAGE_CONFIG)
        if IMAGE_CONFIG not in self.reader:
            self._add(IMAGE_CONFIG, "missing: it is what the image id is the digest of")
        elif config is not None and index.image_id != f"sha256:{config}":
            self._add(INDEX, f"the image id is {index.image_id}, and {IMAGE_CONFIG} gives sha256:{config}")
        if self.image_id is not None and self.image_id != index.image_id:
            self._add(IMAGE, f"the image in it is {self.image_id}, and the index has {index.image_id}")

    def _check_stages(self, index: Index, manifest: Mapping[str, str]) -> None:
        """Each output is an entry with the digest of the index, and no entry of results/ is without a stage."""
        expected: dict[str, str] = {}
        for record in index.stages:
            if listing := record.listing:
                expected[listing[0]] = sha256_bytes(listing[1].encode())
                for name, sha256 in record.entries.items():
                    if name not in index.optional or index.optional[name].sha256 != sha256:
                        self._add(name, f"an output of {record.stage} of {record.trial} that the index's optional files do not have so")
            else:
                expected |= record.entries
            self._check_metrics(index, record)
        for name, sha256 in expected.items():
            if self.digests.get(name, sha256) != sha256:
                self._add(name, f"its SHA-256 is {self.digests[name]}, and the index has {sha256}")
            elif name not in self.reader and name not in manifest:
                self._add(name, f"missing ({INDEX})")
        for name in self.reader.names:
            if name.startswith("results/") and name not in expected:
                self._add(name, "no stage of the index gave it")

    def _check_metrics(self, index: Index, record: StageRecord) -> None:
        """The index's metrics are those of the stages' own files."""
        listed = [metric for metric in index.metrics if (metric.trial, metric.stage) == (record.trial, record.stage)]
        data = self.texts.get(f"{record.location}/{METRICS_FILE}", b"[]")
        try:
            own = _METRICS.validate_json(data)
        except ValidationError as error:
            self._add(f"{record.location}/{METRICS_FILE}", f"not a list of metrics: {error.errors()[0]['msg']}")
            return
        if listed != [MetricRecord(**metric.model_dump(), trial=record.trial, stage=record.stage) for metric in own]:
            self._add(INDEX, f"the metrics of {record.stage} of {record.trial} are not those of its {METRICS_FILE}")

    def _check_data(self, index: Index) -> None:
        """Files under data/ are prepared arrays or what the lock pins."""
        try:
            plain = json.loads(self.texts.get(LOCK, b""))
            lock = Lock.model_validate({**plain, "wheels": ()})
        except (ValueError, TypeError, RecursionError):
            self._add(LOCK, "missing" if LOCK not in self.reader else "not a valid lock")
            return
        self._check_toolchains(index, lock)
        known = {f"data/{name}/{pin.filename}": pin.sha256 for name, pin in lock.data.items()}
        for record in index.stages:
            known |= record.entries
        for name, optional in index.optional.items():
            if known.get(name) != optional.sha256:
                self._add(name, "the index has it with a digest that neither the lock nor a stage gives")

    def _check_toolchains(self, index: Index, lock: Lock) -> None:
        """A recorded stage and its metrics say of a stand-in what the lock says of it."""
        for record in index.stages:
            if record.exact:
                continue
            needs = record.needs or ""
            stand_in = STAND_IN in needs
            if not any(pin.version in needs and pin.stand_in == stand_in for pin in lock.toolchains):
                self._add(INDEX, f"stage {record.stage} of {record.trial} ran with {needs or 'nothing'}, which the lock does not pin")
            for metric in index.metrics:
                of_it = (metric.trial, metric.stage) == (record.trial, record.stage)
                if of_it and metric.version.endswith(STAND_IN_VERSION) != stand_in:
                    self._add(INDEX, f"metric {metric.name} of {record.stage} does not say whether the tool was a stand-in")
