"""A tree made of parts: each unpacked by itself, in parallel, then moved into the tree one after the other in a fixed order."""

# Plain strings for paths: pathlib is too slow for a hundred thousand files.
# ruff: noqa: PTH102, PTH104, PTH105, PTH114, PTH115, PTH211

from __future__ import annotations

import filecmp
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exseos.errors import ExseosError
from exseos.image.bounds import HINT, MAX_IMAGE_BYTES, MAX_IMAGE_ENTRIES, MAX_TARGET_BYTES, Allowance, path_problem
from exseos.image.tar import MTIME
from exseos.progress import Progress

THREADS = min(8, os.cpu_count() or 1)


class PartTree:
    """Writes files, folders and links below ``root``, which must be empty; never through a link, outside, or more than allowed."""

    def __init__(self, root: Path, name: str, allowance: Allowance | None = None) -> None:
        self.root = os.fspath(root)
        self.name = name
        self._allowance = allowance or Allowance(name)
        self._folders = {""}

    def folder(self, path: str) -> None:
        """Make the folder ``path`` and those above it."""
        if path in self._folders:
            return
        if problem := path_problem(path):
            raise self._wrong(path, problem)
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            self._make("/".join(parts[:depth]))

    def _make(self, path: str) -> None:
        if path in self._folders:
            return
        self._allowance.take(0, 1)
        try:
            os.mkdir(self._at(path), 0o755)
        except FileExistsError as error:
            raise self._wrong(path, "is a file or link and a folder as well") from error
        self._folders.add(path)

    def file(self, path: str, chunks: Iterable[bytes | memoryview], executable: bool) -> None:
        """Write a file with its final mode and time, whatever the umask."""
        handle = self._create(path)
        try:
            for chunk in chunks:
                self._allowance.take(len(chunk))
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(handle, rest) :]
            os.fchmod(handle, 0o755 if executable else 0o644)
            os.utime(handle, (MTIME, MTIME))
        finally:
            os.close(handle)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link; nothing is ever written through it."""
        self._parent(path)
        if not target or "\0" in target or len(os.fsencode(target)) > MAX_TARGET_BYTES:
            raise self._wrong(path, "is a link that leads nowhere")
        try:
            os.symlink(target, self._at(path))
        except FileExistsError as error:
            raise self._wrong(path, "comes twice") from error
        os.utime(self._at(path), (MTIME, MTIME), follow_symlinks=False)

    def same(self, path: str, earlier: str) -> None:
        """Make ``path`` a second name of the file ``earlier`` (a hard link: two files in the tar)."""
        self._parent(path)
        self._parent(earlier)
        source = self._at(earlier)
        try:
            status = os.lstat(source)
            if not stat.S_ISREG(status.st_mode):
                raise self._wrong(path, "is a hard link to what is no file")
            self._allowance.take(status.st_size)
            os.link(source, self._at(path), follow_symlinks=False)
        except (FileNotFoundError, FileExistsError) as error:
            raise self._wrong(path, "is a hard link to what is not there, or comes twice") from error

    def _create(self, path: str) -> int:
        self._parent(path)
        try:
            return os.open(self._at(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise self._wrong(path, "comes twice") from error

    def _parent(self, path: str) -> None:
        if problem := path_problem(path):
            raise self._wrong(path, problem)
        self.folder(path.rpartition("/")[0])
        self._allowance.take(0, 1)

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _wrong(self, path: str, what: str) -> ExseosError:
        return ExseosError(f"{path[:200]!r} {what}", where=self.name, hint=HINT)


def fill(
    tree: Path,
    parts: Sequence[tuple[str, Callable[[Path, Allowance], None]]],
    progress: Progress,
    task: str,
    guests: Collection[str] = (),
) -> None:
    """Make each of the named ``parts`` in a folder of its own and merge them into ``tree`` in order: later files win.

    ``guests`` are parts that may not: ``ExseosError`` if one has another file where an earlier part has one.
    """
    home = tree.parent / "parts"
    home.mkdir()
    whole = Allowance(task, MAX_IMAGE_BYTES, MAX_IMAGE_ENTRIES)

    def make(number: int, name: str, action: Callable[[Path, Allowance], None]) -> Path:
        folder = home / str(number)
        folder.mkdir()
        action(folder, Allowance(name, whole=whole))
        return folder

    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(make, number, name, action) for number, (name, action) in enumerate(parts)]
        try:
            for done, ((name, _), job) in enumerate(zip(parts, jobs, strict=True), 1):
                _merge(os.fspath(job.result()), os.fspath(tree), name, guest=name in guests)
                progress.advance(task, done, len(parts), "parts")
        finally:
            for job in jobs:
                job.cancel()


def _merge(source: str, target: str, name: str, *, guest: bool) -> None:
    with os.scandir(source) as found:
        entries = list(found)
    for entry in entries:
        there = f"{target}/{entry.name}"
        try:
            is_folder = stat.S_ISDIR(os.lstat(there).st_mode)
        except FileNotFoundError:
            os.rename(entry.path, there)
            continue
        if is_folder != entry.is_dir(follow_symlinks=False):
            raise ExseosError(f"{entry.name!r} is a folder in one package and a file or link in another", where=name)
        if is_folder:
            _merge(entry.path, there, name, guest=guest)
        elif guest and not _same(entry.path, there):
            raise ExseosError(f"{entry.name!r} is another file than an earlier package has in its place", where=name, hint=HINT)
        else:
            os.replace(entry.path, there)


def _same(one: str, two: str) -> bool:
    """Whether two files or links, in nobody's hands but ours, are the same."""
    if os.path.islink(one) or os.path.islink(two):
        return os.path.islink(one) and os.path.islink(two) and os.readlink(one) == os.readlink(two)
    return os.lstat(one).st_mode == os.lstat(two).st_mode and filecmp.cmp(one, two, shallow=False)
