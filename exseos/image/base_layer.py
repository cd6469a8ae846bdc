"""The base layer: Debian packages unpacked in pure Python. No maintainer script runs, so nothing of the machine gets in.

A ``.deb`` is an ``ar`` archive with a tar of files (deb(5)). What scripts would have set up and programs need is written here:
the links of a merged ``/usr``, a few alternatives, accounts, and the folders that engines mount upon.
"""

from __future__ import annotations

import lzma
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from exseos.errors import ExseosError
from exseos.image.bounds import MAX_PART_ENTRIES, Allowance
from exseos.image.deb import SmallHeader, data_tar
from exseos.image.packages import DebPackage
from exseos.image.parts import PartTree, fill
from exseos.image.tar import CHUNK, MTIME
from exseos.progress import Progress

MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib32": "usr/lib32", "lib64": "usr/lib64", "libx32": "usr/libx32"}
"""Folders of the root that are links into ``/usr``."""
EXCLUDED = (
    "usr/share/bug/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/menu/",
    "usr/share/zoneinfo/right/",
)
"""What is left out, besides all of ``usr/share/doc`` but the licences."""
ALTERNATIVES = {"usr/bin/awk": "mawk", "usr/bin/c++": "g++", "usr/bin/cc": "gcc", "usr/bin/python3": "python3.11", "usr/bin/sh": "dash"}
FOLDERS = (
    "data",
    "dev",
    "in",
    "opt/exseos/bin",
    "opt/exseos/lib/python3.11/site-packages",
    "out",
    "proc",
    "root",
    "run",
    "spec",
    "sys",
    "tmp",
)
_TZIF = struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
FILES = {
    "etc/group": b"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hostname": b"exseos\n",
    "etc/hosts": b"127.0.0.1 localhost exseos\n::1 localhost\n",
    "etc/localtime": (b"TZif2" + bytes(15) + _TZIF) * 2 + b"\nUTC0\n",
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n",
    "etc/resolv.conf": b"",
    "etc/timezone": b"Etc/UTC\n",
}


def fill_base(tree: Path, packages: Sequence[tuple[DebPackage, Path]], progress: Progress, guests: Collection[str] = ()) -> None:
    """Unpack ``packages`` (each with its ``.deb``) into the empty folder ``tree``; none of the ``guests`` replaces a file of another."""
    ordered = sorted(packages, key=lambda pair: pair[0].name)
    parts: list[tuple[str, Callable[[Path, Allowance], None]]] = [("skeleton", _skeleton)]
    parts += [(one.name, partial(_unpack, deb, one.name)) for one, deb in ordered]
    fill(tree, parts, progress, "unpack packages", guests)
    for path, target in ALTERNATIVES.items():
        link = tree / path
        if (link.parent / target).exists() and not os.path.lexists(link):
            link.symlink_to(target)
            os.utime(link, (MTIME, MTIME), follow_symlinks=False)


def _skeleton(root: Path, allowance: Allowance) -> None:
    part = PartTree(root, "skeleton", allowance)
    for path in FOLDERS:
        part.folder(path)
    for path in sorted(MERGED.values()):
        part.folder(path)
    for path, target in MERGED.items():
        part.link(path, target)
    for path, content in FILES.items():
        part.file(path, [content], executable=False)


def _unpack(deb: Path, name: str, root: Path, allowance: Allowance) -> None:
    part = PartTree(root, name, allowance)
    try:
        with data_tar(deb, name) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK, tarinfo=SmallHeader) as tar:
            count = 0
            while (member := tar.next()) is not None:
                tar.__dict__["members"].clear()  # else every header is kept
                if (count := count + 1) > MAX_PART_ENTRIES:
                    raise ValueError(f"more than {MAX_PART_ENTRIES} entries")
                path = _place(member.name)
                if path and not _excluded(path, member.issym()):
                    _add(part, tar, member, path)
    except OSError as error:
        if error.errno is not None:  # of the disk; those of a decompressor have no number
            raise
        raise _unsupported(error, name) from error
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise _unsupported(error, name) from error


def _unsupported(error: Exception, name: str) -> ExseosError:
    return ExseosError(f"the package cannot be unpacked: {error}", where=name, hint="It is no Debian package of a supported form.")


def _add(part: PartTree, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    if member.isdir():
        part.folder(path)
    elif member.issym():
        part.link(path, member.linkname)
    elif member.islnk():
        part.same(path, _place(member.linkname))
    elif member.isreg():
        content = tar.extractfile(member)
        assert content is not None
        part.file(path, iter(partial(content.read, CHUNK), b""), bool(member.mode & 0o100))
    else:
        raise ExseosError(f"{path!r} is a device or pipe", where=part.name, hint="Such a package cannot be part of an image.")


def _place(name: str) -> str:
    """Where a member goes, relative to the root: ``/bin`` and its like are in ``/usr``."""
    path = name.removeprefix("./").strip("/")
    if path == ".":
        return ""
    first, slash, rest = path.partition("/")
    return f"{MERGED[first]}{slash}{rest}" if first in MERGED else path


def _excluded(path: str, is_link: bool) -> bool:
    if path.startswith("usr/share/doc/"):
        of_package = path.split("/")[4:]  # a link in place of a package's folder leads to the folder that has the licence
        return not (of_package == ["copyright"] or (is_link and not of_package))
    return f"{path}/".startswith(EXCLUDED)
