"""Check that a capsule is whole: every byte against its ids, reading each once, and every statement against what it follows from.

Nothing in it is run or unpacked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from exseos.archive import ChunkStream, Member
from exseos.capsule.content import Content, check_content
from exseos.digest import sha256_bytes
from exseos.errors import CapsuleError, ExseosError, HostError
from exseos.progress import Progress, Quiet
from exseos.records.capsule import Capsule
from exseos.records.index import Index
from exseos.records.names import IMAGE, IMAGE_CONFIG, INDEX, MANIFEST, README, SEAL, is_exact, is_known, is_optional, is_sealed
from exseos.text import visible

_MOST_PROBLEMS = 100


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
    content: Content | None = None
    """What it holds, if there are no problems."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, though nothing is wrong."""
        return self.content.notes if self.content is not None else ()


def verify(source: Path | str | BinaryIO, progress: Progress | None = None) -> VerifyReport:
    """Check the capsule at ``source`` and list every problem.

    Raises ``UsageError`` if there is no such file and ``HostError`` if it cannot be read; all else is in the report.
    """
    try:
        capsule = Capsule(source)
    except CapsuleError as error:
        return VerifyReport((Problem(error.where or "file", error.what),))
    with capsule:
        return verify_open(capsule, progress)


def verify_open(capsule: Capsule, progress: Progress | None = None) -> VerifyReport:
    """Check an open capsule, as ``verify`` does."""
    return _Verification(capsule, progress or Quiet()).report()


def verified(capsule: Capsule, doing: str, progress: Progress) -> tuple[Content, str]:
    """What an open capsule holds, and its seal; raises ``CapsuleError`` with its problems if it was not ``doing`` (``replayed``)."""
    report = verify_open(capsule, progress)
    if not report.ok or report.content is None or report.seal is None:
        listed = "\n".join(f"  {problem}" for problem in report.problems[:20])
        what = f"the capsule does not verify and was not {doing}; problems: {len(report.problems)}"
        raise CapsuleError(f"{what}\n{listed}", where=capsule.where)
    return report.content, report.seal


class _Verification:
    """What is found on the way through one file."""

    def __init__(self, capsule: Capsule, progress: Progress) -> None:
        self.capsule = capsule
        self.reader = capsule.reader
        self.progress = progress
        self.done = 0
        self.problems: set[Problem] = set()
        self.digests: dict[str, str] = {}
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
        self._check_lists()
        index = self._index()
        content = None
        if index is not None:
            self._check_index(index)
            # What follows trusts that entries are what the lists say.
            content = None if self.problems else check_content(self.capsule, self._add)
        counts = {"entries": len(self.reader.members), "bytes": self.reader.file_size}
        if index is not None:
            left_out = sum(one.name not in self.digests for one in index.optional) + (IMAGE not in self.reader)
            counts |= {"stages": len(index.stages), "claims": len(index.claims), "left_out": left_out}
        config = self.digests.get(IMAGE_CONFIG)
        return VerifyReport(
            tuple(sorted(self.problems)),
            self.digests.get(MANIFEST),
            self.digests.get(SEAL),
            f"sha256:{config}" if config else None,
            counts,
            None if self.problems else content,
        )

    def _add(self, where: str, what: str) -> None:
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.add(Problem(where, what))

    def _read(self, member: Member) -> None:
        """Hash one entry; the few that are looked into are kept."""
        if not is_known(member.name):
            self._add(member.name, "no capsule has such an entry: it was added, or a newer version of exseos made it")
        if member.name == IMAGE:
            self._read_image()
        elif self.capsule.is_text(member.name):
            self.digests[member.name] = sha256_bytes(self.capsule.text(member.name))
            self.done += member.size
        else:
            digest = hashlib.sha256()
            for block in self._counted(member.name):
                digest.update(block)
            self.digests[member.name] = digest.hexdigest()

    def _read_image(self) -> None:
        from exseos.image.archive import check_archive  # here, since only a capsule with an image needs that room

        stream = ChunkStream(self._counted(IMAGE))
        self.image_id = check_archive(cast(BinaryIO, stream))
        if stream.read(1):
            raise CapsuleError("bytes stand behind the end of the image")

    def _counted(self, name: str) -> Iterator[bytes]:
        for block in self.capsule.chunks(name):
            yield block
            self.done += len(block)
            self.progress.advance("verify", min(self.done, self.reader.file_size - 1), self.reader.file_size)

    def _check_lists(self) -> None:
        """Names and digests of the entries against both lists."""
        for list_name, belongs in ((MANIFEST, is_exact), (SEAL, is_sealed)):
            if list_name not in self.reader:
                self._add(list_name, "the list is missing")
                continue
            try:
                listed = self.capsule.manifest if list_name == MANIFEST else self.capsule.seal
            except CapsuleError as error:
                self._add(list_name, error.what)
                continue
            present = {name for name in self.reader.names if belongs(name)}
            added = present - listed.keys()
            by_digest = {self.digests.get(name): name for name in sorted(added)}
            for name in listed.keys() - present:
                found = by_digest.get(listed[name])
                renamed = f"; its content is there as {found}" if found else ""
                self._add(name, f"missing{renamed} ({list_name})")
            for name in added:
                self._add(name, f"not in the list {list_name}: it was added or renamed")
            for name in present & listed.keys() & self.digests.keys():
                if self.digests[name] != listed[name]:
                    self._add(name, f"its SHA-256 is {self.digests[name]}, and {list_name} has {listed[name]}")

    def _index(self) -> Index | None:
        if INDEX not in self.reader:
            self._add(INDEX, "the index is missing")
            return None
        try:
            return self.capsule.index
        except CapsuleError as error:
            self._add(INDEX, error.what)
            return None

    def _check_index(self, index: Index) -> None:
        """The index against itself and against the digests of the entries."""
        for number, problem in enumerate(index.problems()):
            if number == _MOST_PROBLEMS:
                break
            self._add(INDEX, problem)
        if MANIFEST in self.digests and self.digests[MANIFEST] != index.id:
            self._add(INDEX, f"the experiment id is {index.id}, and {MANIFEST} gives {self.digests[MANIFEST]}")
        if README not in self.reader:
            self._add(README, "missing")
        config = self.digests.get(IMAGE_CONFIG)
        if IMAGE_CONFIG not in self.reader:
            self._add(IMAGE_CONFIG, "missing: it is what the image id is the digest of")
        elif config is not None and index.image_id != f"sha256:{config}":
            self._add(INDEX, f"the image id is {index.image_id}, and {IMAGE_CONFIG} gives sha256:{config}")
        if self.image_id is not None and self.image_id != index.image_id:
            self._add(IMAGE, f"the image in it is {self.image_id}, and the index has {index.image_id}")
        optional = {one.name: one for one in index.optional}
        for name in self.reader.names:
            if name.startswith("data/") and name not in optional:
                self._add(name, "not in the index: it was added or renamed")
        for name, one in optional.items():
            there = is_optional(name) and name in self.digests
            if there and (self.digests[name], self.reader.size(name)) != (one.sha256, one.size):
                self._add(name, f"its SHA-256 is {self.digests[name]}, and the index has {one.sha256}")
