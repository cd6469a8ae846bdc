"""Capsule to folder: an experiment to read, change and build again, beside the capsule's own entries."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exseos.archive.zip_format import check_names
from exseos.capsule.content import Content
from exseos.capsule.pack import PARENT
from exseos.capsule.verify import verified
from exseos.digest import canonical_json
from exseos.errors import CapsuleError, HostError, UsageError
from exseos.lock import PYLOCK_FILE
from exseos.manifest import check_path
from exseos.progress import Progress, Quiet
from exseos.records.capsule import Capsule
from exseos.records.names import in_repository

CAPSULE = "capsule"
SPEC_FILE = "spec.yaml"


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
    with Capsule(source) as capsule:
        content, _ = verified(capsule, "unpacked", progress or Quiet())
        try:
            return _Unpacking(capsule, content, folder, progress or Quiet()).run()
        except OSError as error:
            raise HostError(f"cannot unpack the capsule: {error.strerror}", where=str(error.filename or folder)) from error


class _Unpacking:
    """One capsule on its way into one folder. All is written to a folder within, and moved up in the end."""

    def __init__(self, capsule: Capsule, content: Content, folder: Path, progress: Progress) -> None:
        self.capsule, self.content = capsule, content
        self.folder = folder
        self.work = folder / f".unfinished-{secrets.token_hex(4)}"
        self.progress = progress
        self.done = 0

    def run(self) -> Unpacked:
        names = [SPEC_FILE, *self.content.experiment.user_files]
        entries = {f"{CAPSULE}/{name}": name for name in self.capsule.names}
        lock = SPEC_FILE.replace(".yaml", ".lock")
        check_names([*entries, *names, PARENT, f"{lock}/lock.json", f"{lock}/{PYLOCK_FILE}"])
        new = not self.folder.exists()
        self.work.mkdir(parents=True)
        try:
            self._write(entries)
            self._write({name: f"spec/{name}" for name in names})
            # Without ExSeOS-HLS's own pin: a build uses the version that runs.
            self.content.lock.model_copy(update={"exseos": None}).write(self.work / lock)
            (self.work / PARENT).write_bytes(canonical_json({"id": self.content.index.id}) + b"\n")
            outside, left_out = self._data()
            for path in sorted(self.work.iterdir()):
                path.rename(self.folder / path.name)
            self.work.rmdir()
        except BaseException:
            shutil.rmtree(self.folder if new else self.work, ignore_errors=True)
            raise
        return Unpacked(self.folder, self.content.index.id, {name: self.folder / path for name, path in outside.items()}, left_out)

    def _write(self, files: Mapping[str, str]) -> None:
        for target, name in files.items():
            self.capsule.extract(name, self.work / target)
            self.done += self.capsule.reader.size(name)
            self.progress.advance("unpack", self.done, None)

    def _data(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Put the files of ``path:`` sources where the spec looks for them, if that is inside the folder."""
        outside: dict[str, str] = {}
        left_out: list[str] = []
        for name, source in self.content.experiment.data.items():
            entry = f"data/{name}/{self.content.lock.data[name].filename}"
            if entry not in self.capsule:
                left_out.append(entry)
            elif source.path is not None:
                place = _inside(source.path)
                if place is None:
                    outside[name] = f"{CAPSULE}/{entry}"
                elif not (self.work / place).exists():
                    self.capsule.extract(entry, self.work / place)
        return outside, tuple(left_out)


def _inside(path: str) -> str | None:
    """``path`` as a plain relative one; None if it leads out of the spec's folder."""
    plain = str(PurePosixPath(path))
    try:
        return None if plain.startswith("~") or in_repository(plain) else check_path(plain)
    except CapsuleError:
        return None
