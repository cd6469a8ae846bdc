"""Licence variables: which are set, by name alone, what kind of thing they name, and who reads them. No value is ever told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from exseos.capsule.doctor.findings import Finding, Section
from exseos.toolchains.vendor.base import VendorToolchain
from exseos.toolchains.vendor.search import is_folder

_SERVER = re.compile(r"\d*@[^@/\s]+")
_BYTES = 64 << 10


def licences(
    tools: Sequence[VendorToolchain], environment: Mapping[str, str], section: Section = "toolchains", name: str = "licences"
) -> Iterator[Finding]:
    """A finding for each variable that is set, or one that none is."""
    readers: dict[str, list[str]] = {}
    for tool in tools:
        for variable in tool.licence_variables:
            readers.setdefault(variable, []).append(tool.name)
    there = [variable for variable in readers if environment.get(variable)]
    for variable in there:
        yield _licence(variable, environment[variable], readers[variable], section, name)
    if not there and readers:
        yield Finding(section, name, "ok", f"none set of {', '.join(readers)}")


def _licence(variable: str, value: str, readers: list[str], section: Section, name: str) -> Finding:
    parts = [part for part in re.split(r"[:,;]", value) if part]
    servers = [part for part in parts if _SERVER.fullmatch(part)]
    paths = [Path(part) for part in parts if part not in servers]
    absent = [path for path in paths if not path.exists()]
    relative = [path for path in paths if not path.is_absolute()]
    unreadable = [path for path in paths if path.is_file() and not os.access(path, os.R_OK)]
    text = f"{variable} is set, read by {', '.join(readers)}; it names "
    text += " and ".join(
        filter(None, (_count(len(paths), "file or folder", "files or folders"), _count(len(servers), "server", "servers")))
    )
    allow = " ".join(f"--allow-network-for {reader}" for reader in (readers if section == "spec" else ["NAME"]))
    if absent or relative or unreadable:
        why = "does not exist" if absent else "is not an absolute path" if relative else "cannot be read"
        which = "which" if len(paths) == 1 else "one of which"
        return Finding(section, name, "note", f"{text}, {which} {why}", f"Correct {variable}: a tool that needs it will find no licence.")
    if servers or any(_asks_server(path) for path in paths):
        text += "" if servers else " that names a server"
        return Finding(
            section, name, "note", f"{text}: the tool needs the network", f"Allow it, where you trust the experiment: `{allow}`."
        )
    return Finding(section, name, "ok", text)


def _count(number: int, one: str, several: str) -> str:
    return "" if number == 0 else f"a {one}" if number == 1 else f"{number} {several}"


def _asks_server(path: Path) -> bool:
    """Whether a licence file sends the tool to a server."""
    files = sorted(path.glob("*.lic"))[:10] if is_folder(path) else [path]
    for file in files:
        try:
            with file.open("rb") as stream:
                if re.search(rb"(?m)^\s*(?:USE_SERVER|SERVER\s+\S+)", stream.read(_BYTES)):
                    return True
        except OSError:
            continue
    return False
