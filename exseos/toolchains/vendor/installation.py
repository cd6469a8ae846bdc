"""An installation of a vendor's toolchain on this machine: found, asked for its version, fingerprinted. Runs on the host.

The fingerprint is the SHA-256 of the canonical JSON of the version and of the digests of the main executables and version files
by their path below the root: the same release has the same fingerprint wherever it is installed. Real tools are machine programs:
a folder with none is no installation. A program that says it is a stand-in gives a fingerprint that says so too.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exseos.digest import sha256_file, sha256_json
from exseos.errors import ExseosError, HostError, UsageError
from exseos.lock import STAND_IN
from exseos.toolchains.base import find, names
from exseos.toolchains.process import run_tool
from exseos.toolchains.vendor.base import VendorToolchain

MARKER = b"EXSEOS-STAND-IN"
"""What a program that only takes the place of a real one says in its first bytes (``tests/fake_tools``)."""
_HEAD = 4096
ELF = b"\x7fELF"
_QUERY_SECONDS = 120.0
_NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Installation:
    """A toolchain in a folder of this machine. ``root`` is its real path; ``mounts`` what a stage must see, the path given among it."""

    toolchain: VendorToolchain
    root: Path
    version: str
    fingerprint: str
    mounts: tuple[Path, ...]
    doubt: str = ""
    """Why the version is the one of the path and not the one that the program says, if so."""

    @property
    def stand_in(self) -> bool:
        """Whether it is a stand-in for tests."""
        return self.fingerprint.startswith("stand-in:")

    def __str__(self) -> str:
        return f"{self.toolchain.title} {self.version}" + (f" {STAND_IN}" if self.stand_in else "")


def vendor_toolchains() -> list[VendorToolchain]:
    """Every toolchain that is mounted, by name."""
    return [tool for name in names() if isinstance(tool := find(name), VendorToolchain)]


def vendor(name: str) -> VendorToolchain:
    """The vendor's toolchain called ``name``; a ``UsageError`` for any other."""
    tool = find(name)
    if not isinstance(tool, VendorToolchain):
        known = ", ".join(one.name for one in vendor_toolchains())
        raise UsageError(f"the toolchain {name!r} is inside the image: nothing is mounted for it", hint=f"Mounted are: {known}.")
    return tool


def installation(name: str, root: Path, seconds: float = _QUERY_SECONDS) -> Installation:
    """The installation of ``name`` at ``root``; raises ``UsageError`` if there is none, saying what is missing.

    ``seconds`` is how long it may take to say its version.
    """
    tool = vendor(name)
    try:
        root = Path(os.path.abspath(root.expanduser()))  # noqa: PTH100 (a path like …/latest stays as the user wrote it)
    except RuntimeError as error:
        raise UsageError(f"there is no such user: {root.parts[0]}", where=str(root), hint="Write the whole path.") from error
    if ":" in str(root.resolve()) + str(root):
        hint = "Bind-mount or link it at a path without one."
        raise UsageError("a path with ':' can stand neither in PATH nor in a mount", where=str(root), hint=hint)
    if not root.is_dir():
        raise UsageError(f"there is no folder for {tool.title}", where=str(root), hint=f"Name its installation: --toolchain {name}=DIR.")
    programs = list(matches(tool.programs, root))
    if not programs:
        raise UsageError(
            f"this is no installation of {tool.title}: it has none of {', '.join(tool.programs)}",
            where=str(root),
            hint=_nearby(tool, root) or f"Name the folder that holds {tool.programs[0]}.",
        )
    beside = [program for path in tool.companions(root.resolve()) for program in matches(tool.companion_programs, path)]
    heads = [head(path) for path in programs]
    stand_in = any(MARKER in first for first in [*heads, *map(head, beside)])
    if not stand_in and not any(first.startswith(ELF) for first in heads):
        raise UsageError(
            f"no program of {tool.title} here is a machine program: these are wrappers of an installation elsewhere",
            where=str(root),
            hint=f"Name the installation itself; looked at: {', '.join(str(path.relative_to(root)) for path in programs)}.",
        )
    version, doubt = ask_version(tool, root, programs[0], seconds)
    files = {path.relative_to(root).as_posix(): sha256_file(path) for path in [*programs, *matches(tool.version_files, root)]}
    if beside:
        files["beside"] = sha256_json(sorted([path.name, sha256_file(path)] for path in beside))
    kind = "stand-in" if stand_in else "sha256"
    fingerprint = f"{kind}:{sha256_json({'toolchain': name, 'version': version, 'files': files})}"
    # Scripts of an installation know each other by the path that they were installed under, which may lead through links.
    real = root.resolve()
    mounts = dict.fromkeys([root, real, *(path for path in [*tool.companions(root), *tool.companions(real)] if path.is_dir())])
    return Installation(tool, real, version, fingerprint, tuple(mounts), doubt)


def ask_version(tool: VendorToolchain, root: Path, program: Path, seconds: float = _QUERY_SECONDS) -> tuple[str, str]:
    """The version that ``program`` says; if it says none, as on a system where it cannot run, the one in the path of ``root`` and why.

    Raises ``UsageError`` if there is neither.
    """
    said = doubt = ""
    # some products have programs that spell the question otherwise, such as vitis-run beside vitis_hls
    for arguments in dict.fromkeys((tool.version_arguments, ("--version",))):
        answer, failure = _asked(tool, root, [str(program), *arguments], seconds)
        if match := re.search(tool.version_pattern, answer):
            return " ".join(group for group in match.groups() if group), ""
        said, doubt = said or answer, doubt or failure or "the program said none"
        if failure.startswith(_NO_ANSWER):
            break
    if match := re.search(r"(?:^|[^0-9])(20[0-9]{2}\.[0-9](?:\.[0-9])?|[0-9]{2}\.[0-9](?:\.[0-9])?)$", _last_number(root)):
        return match[1], doubt
    last = "\n  ".join(said.strip().splitlines()[-5:]) or "nothing"
    raise UsageError(
        f"{tool.title} does not say its version ({doubt}); it said\n  {last}",
        where=str(program),
        hint=f"Try `{program} {' '.join(tool.version_arguments)}` yourself.",
    )


def _asked(tool: VendorToolchain, root: Path, command: list[str], seconds: float) -> tuple[str, str]:
    """What ``command`` says, and why it failed if it did. Its home and working folder are temporary: such tools like to write there."""
    with tempfile.TemporaryDirectory(prefix="exseos-version-", ignore_cleanup_errors=True) as folder:
        home, log = Path(folder), Path(folder, "exseos.log")
        own = tool.environment(root, home)
        path = os.pathsep.join(filter(None, (own.pop("PATH", ""), os.environ.get("PATH", ""))))
        failure = ""
        try:
            environment = {**own, "PATH": path, "HOME": folder}
            run_tool(command, home, seconds, log, what="its program", environment=environment)
        except HostError as error:
            failure = f"{_NO_ANSWER} within {seconds:g} s" if "did not end" in error.what else error.what.partition(";")[0]
        except ExseosError as error:
            failure = error.what.partition(";")[0]
        return log.read_text(encoding="utf-8", errors="replace")[:_HEAD], failure


def matches(patterns: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Files below ``root`` that match, in the order of the patterns, each once."""
    seen = set()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and path not in seen:
                seen.add(path)
                yield path


def head(path: Path) -> bytes:
    """The first bytes of a program; raises ``UsageError`` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        raise UsageError(f"cannot read a program of the toolchain: {error.strerror}", where=str(path)) from error


def _last_number(root: Path) -> str:
    """The last part of a path that looks like a version: ``2023.2`` of ``…/Vitis/2023.2``."""
    parts = [part for part in [*root.parts, *root.resolve().parts] if re.search(r"[0-9]+\.[0-9]", part)]
    return parts[-1] if parts else ""


def _nearby(tool: VendorToolchain, root: Path) -> str:
    """A hint at an installation a few folders below or above ``root``, if there is one."""
    around = [*root.glob("*"), *root.glob("*/*"), *list(root.parents)[:3]]
    for folder in sorted(around[:500]):
        if folder.is_dir() and any(matches(tool.programs, folder)):
            return f"Did you mean --toolchain {tool.name}={folder}?"
    return ""
