"""The wheel of the running exseos, made from its own files: what an image holds is what made the image.

A checkout and an installed wheel give the same bytes: a zip without compression, entries sorted, fixed times, and metadata of only
those fields that do not depend on how exseos was installed (Core metadata 2.1, wheel format 1.0).
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement

import exseos
from exseos.digest import sha256_bytes
from exseos.errors import HostError
from exseos.image.archive import save_chunks
from exseos.resources import NAMES, PACKAGE, resource
from exseos.store import host_errors

_TAG = "py3-none-any"
_EXTRA = re.compile(r"""extra == ['"](?P<name>[a-z0-9-]+)['"]""")


def exseos_wheel(cache: Path) -> Path:
    """The wheel of the running exseos as a file of ``cache``, named as PyPI names it."""
    data = wheel_bytes()
    path = cache / "wheels" / sha256_bytes(data) / f"exseos-{exseos.__version__}-{_TAG}.whl"
    with host_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != data:
            save_chunks([data], path)
    return path


def wheel_bytes() -> bytes:
    """The wheel's bytes."""
    files = dict(_package_files())
    info = f"exseos-{exseos.__version__}.dist-info"
    files[f"{info}/METADATA"] = _metadata_text().encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: exseos\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\nexseos = exseos.cli:main\n"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=str.encode):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def _package_files() -> Iterator[tuple[str, bytes]]:
    for path, name in _files(PACKAGE, "exseos"):
        if not name.startswith("exseos/data/"):
            yield name, path.read_bytes()
    for top in NAMES:
        for path, name in _files(resource(top), f"exseos/data/{top}"):
            yield name, path.read_bytes()


def _files(root: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Files below ``root`` (or it alone) and their names in the wheel; no bytecode, nothing hidden."""
    if root.is_file():
        yield root, name
        return
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield path, "/".join((name, *parts))


def _record(files: dict[str, bytes], own: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for name in sorted(files, key=str.encode):
        digest = urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
        writer.writerow((name, f"sha256={digest}", len(files[name])))
    writer.writerow((own, "", ""))
    return text.getvalue().encode()


@dataclass(frozen=True)
class Requirements:
    """What exseos asks of Python and of other packages."""

    python: str
    core: Sequence[str]
    extras: dict[str, Sequence[str]]


def requirements() -> Requirements:
    """From the checkout's ``pyproject.toml`` if exseos runs from one (its installed metadata may be older), else as installed."""
    project_file = PACKAGE.parent / "pyproject.toml"
    if project_file.is_file() and not (PACKAGE / "data").exists():
        project = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
        return Requirements(project["requires-python"], project["dependencies"], project["optional-dependencies"])
    try:
        known = metadata.metadata("exseos")
    except metadata.PackageNotFoundError as error:
        raise HostError("the installation of exseos has no metadata", where=str(PACKAGE), hint="Install it again.") from error
    core: list[str] = []
    extras: dict[str, list[str]] = {name: [] for name in known.get_all("Provides-Extra") or []}
    for text in known.get_all("Requires-Dist") or []:
        requirement = Requirement(text)
        match = _EXTRA.search(str(requirement.marker or ""))
        if match is None:
            core.append(text)
            continue
        rest = re.sub(r"\s*(and\s+)?" + _EXTRA.pattern.replace("(?P<name>", "(?:"), "", str(requirement.marker)).strip(" ()")
        requirement.marker = Marker(rest) if rest else None
        extras[match["name"]].append(str(requirement))
    return Requirements(known["Requires-Python"], core, {name: tuple(texts) for name, texts in extras.items()})


def _metadata_text() -> str:
    needs = requirements()
    lines = ["Metadata-Version: 2.1", "Name: exseos", f"Version: {exseos.__version__}", f"Requires-Python: {needs.python}"]
    lines += sorted(f"Requires-Dist: {_normal(text)}" for text in needs.core)
    for extra in sorted(needs.extras):
        lines.append(f"Provides-Extra: {extra}")
        lines += sorted(f"Requires-Dist: {_normal(text, extra)}" for text in needs.extras[extra])
    return "\n".join(lines) + "\n"


def _normal(text: str, extra: str | None = None) -> str:
    """One spelling of a requirement, whatever the build backend or version of ``packaging`` writes."""
    need = Requirement(text)
    extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
    versions = ",".join(sorted(map(str, need.specifier)))
    markers = ([f"({need.marker})"] if need.marker else []) + ([f'extra == "{extra}"'] if extra else [])
    return f"{need.name}{extras}{versions}" + ("; " + " and ".join(markers) if markers else "")
