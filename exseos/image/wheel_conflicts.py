"""What the files of a wheel may not do to the worker, which imports and runs what it finds.

``site-packages`` is searched before Python's own library, and ``/opt/exseos/bin`` before ``/usr/bin``. So a file of a wheel may hide
either, be run at each start of Python, register itself with a library that looks for plugins, or lie in another wheel's package.
What exseos itself needs is ``own``: its files are what every stage runs, and no other wheel may change or replace them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from exseos.image.wheel_contents import BIN, WheelContents, same_content
from exseos.image.wheel_layer import SITE_PACKAGES

HOOKS = {"apport_python_hook", "sitecustomize", "tensorflow-plugins", "usercustomize"}
"""What is run because it is there: by Python when it starts (the first, by Debian's ``sitecustomize``), and by TensorFlow."""
PLUGIN_GROUPS = {"alembic.plugins", "dais_tracer.plugins", "hls4ml.backends", "pydantic"}
"""Entry points that are loaded because they are there, by libraries that the worker imports; ``.pth`` files are not read there."""
_HARMLESS = {"docs", "examples", "test", "tests"}
"""Folders that many wheels bring by mistake, and that nothing imports; Python's library has the third."""
_IMPORTED = (".py", ".pyc", ".so")
_PROGRAMS = ("usr/bin", "usr/sbin")
_LIBRARY = ("usr/lib/python3.11", "usr/lib/python3.11/lib-dynload")
_INFOS = (".dist-info", ".egg-info", ".egg-link", ".egg")


def conflicts(wheels: Sequence[WheelContents], own: Collection[str], exseos: WheelContents | None) -> list[str]:
    """What is wrong with ``wheels`` beside each other, one sentence each; ``own`` are names, ``exseos`` is the wheel of it."""
    needed = [wheel for wheel in wheels if wheel.name in own]
    owned = _Owned(needed)
    problems = [] if exseos is None else list(_strange(exseos))
    for wheel in wheels:
        problems += _alone(wheel)
        if wheel.name not in own:
            problems += [
                f"{wheel} registers itself with {group}, and its code would run in every stage"
                for group in sorted(wheel.groups & PLUGIN_GROUPS)
            ]
            problems += owned.intrusions(wheel)
    return problems + owned.twice


def hidden(wheels: Sequence[WheelContents], base: Path) -> list[str]:
    """What wheels would hide of the base layer, whose tree is ``base``: its programs, and the modules of Python's own library."""
    programs = {name for folder in _PROGRAMS for name in _listed(base / folder)}
    modules = {name.split(".")[0] for folder in _LIBRARY for name in _listed(base / folder)} - _HARMLESS
    problems = []
    for wheel in wheels:
        found = {path.removeprefix(f"{BIN}/") for path in wheel.files if path.startswith(f"{BIN}/")} & programs
        problems += [f"{wheel} brings a program {name[:80]!r}, which hides that of the base layer" for name in sorted(found)]
        found = {stem for path in wheel.modules if (stem := _importable(path)) in modules}
        problems += [f"{wheel} brings a module {name!r}, which hides that of Python" for name in sorted(found)]
    return problems


def _listed(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _importable(path: str) -> str:
    """The top-level module that a path below ``site-packages`` is or is part of."""
    first, below, _ = path.partition("/")
    return first if below else _stem(first)


def _stem(name: str) -> str:
    """The module in a file of this name; empty if there is none."""
    return name.split(".")[0] if name.endswith(_IMPORTED) else ""


def _idle(path: str) -> bool:
    """Whether nothing looks at a path of the image: a stray file or folder of ``site-packages``, such as a licence."""
    first, below, _ = path.removeprefix(f"{SITE_PACKAGES}/").partition("/")
    return path.startswith(f"{SITE_PACKAGES}/") and (first in _HARMLESS if below else not _stem(first))


def _strange(exseos: WheelContents) -> Iterator[str]:
    inside = (f"{SITE_PACKAGES}/exseos/", f"{SITE_PACKAGES}/exseos-{exseos.version}.dist-info/")
    for path in exseos.files:
        if not path.startswith(inside) and path != f"{BIN}/exseos":
            yield f"the wheel of exseos brings {path[:200]!r}, which is not below exseos/"
            return


def _alone(wheel: WheelContents) -> Iterator[str]:
    """What no wheel but that of exseos may bring, each once."""
    found = {}
    for path in wheel.modules:
        first = path.partition("/")[0]
        if (module := _importable(path)) in HOOKS:
            found[module] = f"{wheel} brings {module}, which would run in every stage"
        elif module == "exseos" or first.lower().startswith("exseos-"):
            found["exseos"] = f"{wheel} brings {path[:200]!r}, and exseos is the worker itself"
        elif first.lower().endswith(_INFOS) and canonicalize_name(first.rpartition(".")[0].split("-")[0]) != wheel.name:
            found[first] = f"{wheel} brings {first[:200]!r}, which says that another package is installed"
    if f"{BIN}/exseos" in wheel.files:
        found["exseos"] = f"{wheel} brings a program 'exseos'"
    yield from found.values()


class _Owned:
    """The files of the wheels that exseos needs: which folders are whole packages of theirs, and which modules lie in shared ones."""

    def __init__(self, wheels: Sequence[WheelContents]) -> None:
        self.twice: list[str] = []
        """Files that two of them bring differently."""
        self._files: dict[str, WheelContents] = {}
        self._folders: dict[str, WheelContents] = {"": wheels[0]} if wheels else {}
        """Folder below ``site-packages`` → one that has something there."""
        self._packages: set[str] = set()
        self._modules: dict[tuple[str, str], WheelContents] = {}
        for wheel in wheels:
            self.twice += list(self._changed(wheel))[:1]
            self._files |= dict.fromkeys(wheel.files, wheel)
            for path in wheel.modules:
                self._add(path, wheel)

    def _add(self, path: str, wheel: WheelContents) -> None:
        *above, name = path.split("/")
        folder = ""
        for part in above:
            self._modules.setdefault((folder, part), wheel)
            folder = f"{folder}{part}/"
            self._folders.setdefault(folder, wheel)
            if not part.isidentifier():
                self._packages.add(folder)
        if stem := _stem(name):
            self._modules.setdefault((folder, stem), wheel)
        if folder and (stem == "__init__" or name.endswith(".so") or ".so." in name):
            self._packages.add(folder)

    def _changed(self, wheel: WheelContents) -> Iterator[str]:
        for path in wheel.files:
            other = self._files.get(path)
            if other is not None and not _idle(path) and not same_content(other, wheel, path):
                yield f"{other} and {wheel} bring different files as {path[:200]!r}"

    def intrusions(self, wheel: WheelContents) -> list[str]:
        """Where ``wheel``, which exseos does not need, changes these; the first of each kind."""
        found = list(self._changed(wheel))[:1]
        for path in wheel.modules:
            whole = f"{SITE_PACKAGES}/{path}"
            other = None if whole in self._files or _idle(whole) else self._intruded(path)
            if other is not None:
                return [*found, f"{wheel} brings {path[:200]!r}, which is among the modules of {other}"]
        return found

    def _intruded(self, path: str) -> WheelContents | None:
        *above, name = path.split("/")
        folder = ""
        for part in above:
            below = f"{folder}{part}/"
            if below in self._packages:
                return self._folders[below]
            if below not in self._folders:  # of its own, unless Python takes it for a module that is there as a file
                return self._modules.get((folder, part))
            folder = below
        stem = _stem(name)
        if stem == "__init__" and folder:
            return self._folders[folder]
        return self._modules.get((folder, stem)) if stem else None
