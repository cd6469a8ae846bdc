"""Capsule to folder: an experiment to read, change and build again, beside the capsule's own entries."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exseos.archive import ArchiveReader
from exseos.archive.zip_format import check_names
from exseos.capsule.index import LOCK
from exseos.capsule.inspect import read_index
from exseos.capsule.verify import verify_open
from exseos.digest import canonical_json
from exseos.errors import CapsuleError, HostError, UsageError
from exseos.lock import PYLOCK_FILE, Lock, read_lock
from exseos.manifest import check_path
from exseos.progress import Progress, Quiet
from exseos.spec import read_spec

CAPSULE = "capsule"
PARENT = "parent.json"
SPEC_FILE = "spec.yaml"
_SPEC = "spec/"


@dataclass(frozen=True)
class Unpacked:
    """An unpacked experiment. ``data`` are the ``--data NAME=FILE`` that a build needs: files the spec looks for outside the folder."""

    folder: Path
    id: str
    data: Mapping[str, Path]
    left_out: tuple[str, ...]
    """Data files that are not in the capsule."""


def unpack(source: Path, folder: Path, progress: Progress | None = None) -> Unpacked:
    """Verify the capsule at ``source``, then fill ``folder``, which must be empty or not there.

    ``folder`` gets the spec and its files, ``spec.lock/``, ``parent.json`` (the experiment id) and, below ``capsule/``, every entry of
    the capsule, where ``sha256sum -c`` works. Raises ``CapsuleError`` with all problems before anything is written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder to unpack into is not empty", where=str(folder), hint="Name a new folder.")
    with ArchiveReader(source) as reader:
        report = verify_open(reader, progress)
        if not report.ok:
            listed = "\n".join(f"  {problem}" for problem in report.problems[:20])
            raise CapsuleError(
                f"the capsule is damaged and was not unpacked; problems: {len(report.problems)}\n{listed}", where=str(source)
            )
        try:
            return _Unpacking(reader, folder, progress or Quiet()).run()
        except OSError as error:
            raise HostError(f"cannot unpack the capsule: {error.strerror}", where=str(error.filename or folder)) from error


class _Unpacking:
    """One capsule on its way into one folder. All is written to a folder within, and moved up in the end."""

    def __init__(self, reader: ArchiveReader, folder: Path, progress: Progress) -> None:
        self.reader = reader
        self.index = read_index(reader)
        self.folder = folder
        self.work = folder / f".unfinished-{secrets.token_hex(4)}"
        self.progress = progress
        self.done = 0

    def run(self) -> Unpacked:
        copies = {name: name.removeprefix(_SPEC) for name in self.reader.names if name.startswith(_SPEC)}
        entries = {f"{CAPSULE}/{name}": name for name in self.reader.names}
        lock = SPEC_FILE.replace(".yaml", ".lock")
        check_names([*entries, *copies.values(), PARENT, f"{lock}/lock.json", f"{lock}/{PYLOCK_FILE}"])
        new = not self.folder.exists()
        self.work.mkdir(parents=True)
        try:
            self._write(entries)
            self._write({target: name for name, target in copies.items()})
            self._lock().write(self.work / lock)
            (self.work / PARENT).write_bytes(canonical_json({"id": self.index.id}) + b"\n")
            outside, left_out = self._data()
            for path in sorted(self.work.iterdir()):
                path.rename(self.folder / path.name)
            self.work.rmdir()
        except BaseException:
            shutil.rmtree(self.folder if new else self.work, ignore_errors=True)
            raise
        return Unpacked(self.folder, self.index.id, {name: self.folder / path for name, path in outside.items()}, left_out)

    def _write(self, files: Mapping[str, str]) -> None:
        for target, name in files.items():
            _fill(self.work / target, self.reader.chunks(name))
            self.done += self.reader.size(name)
            self.progress.advance("unpack", self.done, None)

    def _lock(self) -> Lock:
        """The capsule's lock without ExSeOS-HLS's own pin: a build uses the version that runs."""
        return read_lock(self.work / CAPSULE / "lock").model_copy(update={"exseos": None})

    def _data(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Put the files of ``path:`` sources where the spec looks for them, if that is inside the folder."""
        outside: dict[str, str] = {}
        left_out: list[str] = []
        lock = read_lock(self.work / CAPSULE / "lock")
        for name, source in read_spec(self.work / SPEC_FILE).experiment().data.items():
            if name not in lock.data:
                raise CapsuleError(f"the lock does not pin the data {name!r}", where=LOCK)
            entry = f"data/{name}/{lock.data[name].filename}"
            if entry not in self.reader:
                left_out.append(entry)
            elif source.path is not None:
                place = _inside(source.path)
                if place is None:
                    outside[name] = f"{CAPSULE}/{entry}"
                elif not (self.work / place).exists():
                    _fill(self.work / place, self.reader.chunks(entry))
        return outside, tuple(left_out)


def _inside(path: str) -> str | None:
    """``path`` as a plain relative one; None if it leads out of the spec's folder."""
    plain = str(PurePosixPath(path))
    try:
        return None if plain.startswith("~") else check_path(plain)
    except CapsuleError:
        return None


def _fill(path: Path, chunks: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        for chunk in chunks:
            stream.write(chunk)
