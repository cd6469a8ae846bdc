"""Small Debian packages, wheels and a mirror for tests; run as a program it assembles them and prints the image id."""

from __future__ import annotations

import base64
import hashlib
import io
import lzma
import os
import random
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exseos.image.packages import DebPackage

GOLDEN_ID = "sha256:9689f1d42db56eed1ee4bbb86c3dad2c94d758eb4f81ecf9f05feff2cc3a00b2"
"""The image of ``Sample``: changes only with the assembler or Dockerfile.base."""


def deb(entries: Mapping[str, bytes | str | None], modes: Mapping[str, int] | None = None, compression: str = "xz") -> bytes:
    """A ``.deb`` with files (bytes), links (their target) and folders (None)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(f"./{name}")
            member.mtime, member.uid, member.mode = 1234567890, 1000, (modes or {}).get(name, 0o644)
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    return ar(buffer.getvalue(), compression)


def ar(tar: bytes, compression: str = "xz") -> bytes:
    """A ``.deb`` around a ``data.tar``."""
    data = lzma.compress(tar) if compression == "xz" else tar
    name = "data.tar.xz" if compression == "xz" else "data.tar" + compression
    members = [("debian-binary", b"2.0\n"), ("control.tar", b"odd"), (name, data)]
    text = b"!<arch>\n"
    for member, content in members:
        text += f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return text


def wheel(name: str, version: str, files: Mapping[str, bytes], entry_points: str = "", requires: Sequence[str] = ()) -> bytes:
    """A wheel with ``files``; those below ``NAME-VERSION.data/scripts/`` are scripts."""
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    info = f"{name}-{version}.dist-info"
    content = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    lines = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in content.items():
            archive.writestr(zipfile.ZipInfo(path, (1990, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


DEBS = {
    "alpha": deb(
        {
            "bin": None,
            "bin/alpha": b"#!/bin/sh\necho alpha\n",
            "usr/share/doc/alpha": None,
            "usr/share/doc/alpha/copyright": b"free",
            "usr/share/doc/alpha/README": b"left out",
            "usr/share/man/man1/alpha.1": b"left out",
            "usr/share/" + "long/" * 40 + "nämé": b"deep",
        },
        {"bin/alpha": 0o4755},
    ),
    "beta": deb({"lib/x86_64-linux-gnu/libbeta.so.1.2": bytes(range(256)) * 9000, "lib/x86_64-linux-gnu/libbeta.so.1": "libbeta.so.1.2"}),
    "mawk": deb({"usr/bin/mawk": b"\x7fELF awk"}, {"usr/bin/mawk": 0o700}, compression=""),
}
WHEELS = {
    "one-1.0-py3-none-any.whl": wheel(
        "one", "1.0", {"one/__init__.py": b"ONE = 1\n", "shared.py": b"one\n", "one-1.0.data/scripts/run-one": b"#!python\nimport one\n"}
    ),
    "two-2.0-py3-none-any.whl": wheel(
        "two", "2.0", {"two.py": b"TWO = 2\n" * 500000, "shared.py": b"two\n"}, "[console_scripts]\ntwo = two:main\n"
    ),
}


@dataclass(frozen=True)
class Sample:
    """A mirror (a folder) with packages, and wheels."""

    packages: tuple[DebPackage, ...]
    wheels: tuple[Path, ...]
    mirror: str


def write_sample(folder: Path, shuffle: int = 0) -> Sample:
    """Write the sample; ``shuffle`` changes the order of everything that has one."""
    packages, wheels = [], []
    for name, data in DEBS.items():
        path = folder / "mirror" / "pool" / f"{name}.deb"
        _write(path, data)
        digest = hashlib.sha256(data).hexdigest()
        packages.append(DebPackage(name=name, version="1", path=f"pool/{name}.deb", size=len(data), sha256=digest))
    for number, (name, data) in enumerate(WHEELS.items()):
        path = folder / f"wheels{(number + shuffle) % 2}" / name
        _write(path, data)
        wheels.append(path)
    shuffled = random.Random(shuffle)
    shuffled.shuffle(packages)
    shuffled.shuffle(wheels)
    return Sample(tuple(packages), tuple(wheels), (folder / "mirror").as_uri())


def _write(path: Path, data: bytes) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main() -> None:
    """``sample.py FOLDER UMASK SHUFFLE``: print the id and the SHA-256 of the archive."""
    from exseos.image.assemble import assemble
    from exseos.progress import Quiet

    folder, umask, shuffle = Path(sys.argv[1]), int(sys.argv[2], 8), int(sys.argv[3])
    os.umask(umask)
    sample = write_sample(folder, shuffle)
    os.environ["EXSEOS_DEBIAN_MIRROR"] = sample.mirror
    image = assemble(sample.packages, sample.wheels, None, folder / "cache", Quiet())
    digest = hashlib.sha256()
    for chunk in image.archive():
        digest.update(chunk)
    image.rootfs()
    print(image.id, digest.hexdigest())


if __name__ == "__main__":
    main()
