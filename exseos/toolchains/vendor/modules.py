"""Environment modules: which folders do a site's module files speak of?

On shared servers tools are often found by ``module load`` alone. A module file is a program in Tcl or Lua; here it is only read, as
text: variables that it sets to plain text are put in where it uses them, and what then looks like an absolute path is taken for one.
Number and size of files, and the time, are bounded: a site may have tens of thousands, on a network file system.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MOST_FILES = 200
"""Module files that are read: those that are loaded, then those whose names speak of a toolchain, then any."""
_MOST_NAMES = 20_000
_MOST_DEPTH = 4
_BYTES = 64 << 10
_SECONDS = 10.0
_PATH = re.compile(r"(?<![\w.$@/-])/[^\s\"'`{}()\[\]<>|;:,$*?\\]+")
_TCL_SET = re.compile(r"^\s*set\s+(\w+)\s+(.+?)\s*$")
_LUA_SET = re.compile(r"^\s*(?:local\s+)?(\w+)\s*=\s*(.+?)\s*$")
_TCL_USE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_LUA_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|\b[A-Za-z_]\w*(?:\(\))?")
_LUA_GLUED = re.compile(r"\"([^\"]*)\"\s*\.\.\s*\"([^\"]*)\"")
_LUA_JOINED = re.compile(r"pathJoin\(\s*(\"[^\"]*\"(?:\s*,\s*\"[^\"]*\")*)\s*\)")


@dataclass(frozen=True)
class ModuleFile:
    """A module by the name that ``module load`` takes, and its file."""

    name: str
    path: Path


def module_files(environment: Mapping[str, str], words: Iterable[str] = ()) -> list[ModuleFile]:
    """At most ``MOST_FILES`` module files of ``MODULEPATH``, loaded ones first, then those with one of ``words`` in their names."""
    roots = [Path(part) for part in environment.get("MODULEPATH", "").split(os.pathsep) if part.startswith("/")]
    loaded = set(environment.get("LOADEDMODULES", "").split(os.pathsep)) - {""}
    found = [_named(Path(part), roots) for part in environment.get("_LMFILES_", "").split(os.pathsep) if part.startswith("/")]
    found += [ModuleFile(name, root / f"{name}{suffix}") for name in sorted(loaded) for root in roots for suffix in ("", ".lua")]
    wanted = [word.lower() for word in words]
    walked = list(_walk(roots))
    walked.sort(key=lambda one: not any(word in one.name.lower() for word in wanted))
    return list({one.path: one for one in [*found, *walked] if _is_file(one.path)}.values())[:MOST_FILES]


def mentioned_paths(module: ModuleFile) -> list[Path]:
    """Absolute paths in the text of a module file, in their order, each once; none if it cannot be read."""
    try:
        with module.path.open("rb") as stream:
            text = stream.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    lines = _lua(text, module.name) if module.path.suffix == ".lua" else _tcl(text, module.name)
    return paths_of("\n".join(lines))


def paths_of(text: str) -> list[Path]:
    """What looks like an absolute path in ``text``, each once."""
    return [Path(os.path.normpath(found)) for found in dict.fromkeys(_PATH.findall(text))]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _walk(roots: Iterable[Path]) -> Iterator[ModuleFile]:
    """Files below ``roots`` in the order of their names, not beyond the bounds."""
    seen, end = 0, time.monotonic() + _SECONDS
    for root in roots:
        for folder, folders, files in os.walk(root):
            depth = len(Path(folder).relative_to(root).parts)
            folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < _MOST_DEPTH else []
            for name in sorted(files):
                seen += 1
                if seen > _MOST_NAMES or time.monotonic() > end:
                    return
                if not name.startswith("."):
                    yield _named(Path(folder, name), roots)


def _named(path: Path, roots: Iterable[Path]) -> ModuleFile:
    root = next((root for root in roots if path.is_relative_to(root)), path.parent.parent)
    return ModuleFile(path.relative_to(root).as_posix().removesuffix(".lua"), path)


def _tcl(text: str, name: str) -> Iterator[str]:
    """The lines of a Tcl module file with its plain variables put in."""
    version = name.rpartition("/")[2]
    values: dict[str, str] = {}
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        line = re.sub(r"\[\s*(?:file\s+tail\s+\[\s*module-info\s+name\s*\]|module-info\s+version)\s*\]", version, line)
        line = re.sub(r"\[\s*module-info\s+name\s*\]", name, line)
        line = _TCL_USE.sub(lambda match: values.get(match[1] or match[2], match[0]), line)
        if match := _TCL_SET.match(line):
            values[match[1]] = match[2].strip(' \t;"{}')
        yield line


def _lua(text: str, name: str) -> Iterator[str]:
    """The lines of a Lua module file with its plain variables put in and texts joined."""
    family, _, version = name.rpartition("/")
    values = {"myModuleVersion()": version, "myModuleName()": family, "myModuleFullName()": name}

    def put_in(match: re.Match[str]) -> str:
        word = match[0]
        if word[0] in "\"'":
            return f'"{word[1:-1]}"'
        return f'"{values[word]}"' if word in values else word

    for line in text.splitlines():
        line = line.partition("--")[0]
        left, value = (match[1], match[2]) if (match := _LUA_SET.match(line)) else ("", line)
        value = _LUA_WORD.sub(put_in, value)
        before = ""
        while before != value:
            before = value
            value = _LUA_GLUED.sub(r'"\1\2"', value)
            value = _LUA_JOINED.sub(lambda match: '"' + "/".join(re.findall(r'"([^"]*)"', match[1])) + '"', value)
        if left and (text_value := re.fullmatch(r'"([^"]*)";?', value)):
            values[left] = text_value[1]
        yield value
