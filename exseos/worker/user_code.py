"""The researcher's own functions: found, called with what their signatures take, and blamed with file and line.

``experiment.py:build_model`` is the function ``build_model`` of ``experiment.py`` in the spec's folder; modules there may
import each other. A module is loaded afresh for every stage, so what one stage leaves in it never reaches another.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from exseos.errors import StageError

SHOWN_AS = "/spec"
"""How the folder of user files is called in messages, wherever it is mounted."""


@contextmanager
def importable(files: Path) -> Iterator[None]:
    """User modules can be imported inside; before and after, none of them is loaded."""
    forget(files)
    sys.path.insert(0, str(files))
    try:
        yield
    finally:
        sys.path.remove(str(files))
        forget(files)


def forget(files: Path) -> None:
    """Let every user module be loaded afresh when it is next wanted."""
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if origin and Path(origin).is_relative_to(files):
            del sys.modules[name]


def load(call: str, files: Path) -> Callable[..., Any]:
    """The function that ``call`` (``file.py:function``) names. Raises ``StageError``; an error in the file itself passes through."""
    file, _, name = call.partition(":")
    module = _module(file, files)
    function = getattr(module, name, None)
    if not callable(function):
        known = sorted(
            key for key, value in vars(module).items() if callable(value) and getattr(value, "__module__", "") == module.__name__
        )
        close = difflib.get_close_matches(name, known, 1)
        meant = f"Did you mean {close[0]!r}? " if close else ""
        raise StageError(f"there is no function {name!r}", where=f"{SHOWN_AS}/{file}", hint=f"{meant}It has: {', '.join(known) or 'none'}.")
    return function  # type: ignore[no-any-return]


def _module(file: str, files: Path) -> ModuleType:
    path = files / file
    if not path.is_file():
        raise StageError(
            f"there is no file {file!r} among the spec's files", where=SHOWN_AS, hint="List it in `files:`, or mend the `call:`."
        )
    name = ".".join(Path(file).with_suffix("").parts)
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    if loaded is not None or name.partition(".")[0] in sys.stdlib_module_names:
        raise StageError(
            f"the module {name!r} exists already", where=f"{SHOWN_AS}/{file}", hint="Rename the file: it would hide a library."
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StageError("this is not a Python file", where=f"{SHOWN_AS}/{file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def call(function: Callable[..., Any], label: str, offered: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """Call ``function`` with every parameter of the spec, and those of ``offered`` that its signature names.

    ``label`` is the spec's ``call``. Raises ``StageError`` naming a parameter that it does not take or lacks.
    """
    signature = inspect.signature(function)
    accepted = [name for name, one in signature.parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    takes_any = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
    unknown = [] if takes_any else [name for name in parameters if name not in accepted]
    where = f"{SHOWN_AS}/{label}"
    if unknown:
        close = difflib.get_close_matches(unknown[0], accepted, 1)
        meant = f"Did you mean {close[0]!r}? " if close else ""
        takes = ", ".join(name for name in accepted if name not in offered)
        raise StageError(f"the function takes no parameter {unknown[0]!r}", where=where, hint=f"{meant}It takes: {takes or 'none'}.")
    arguments = {name: value for name, value in offered.items() if name in accepted} | dict(parameters)
    lacking = [name for name in accepted if name not in arguments and signature.parameters[name].default is inspect.Parameter.empty]
    if lacking:
        raise StageError(
            f"the function needs the parameter {lacking[0]!r}",
            where=where,
            hint=f"Give it beside `call:` in the spec. Offered without asking: {', '.join(offered)}.",
        )
    return function(**arguments)


def blame(error: BaseException, files: Path) -> tuple[str | None, str]:
    """Where in the user's files ``error`` arose (``/spec/file.py:12``; None: not there), and the traceback from there on."""
    frames = traceback.extract_tb(error.__traceback__)
    prefix = str(files)
    own = [index for index, frame in enumerate(frames) if Path(frame.filename).is_relative_to(files)]
    where = None
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(files):
        where = f"{SHOWN_AS}/{Path(error.filename).relative_to(files)}:{error.lineno}"
    elif own:
        last = frames[own[-1]]
        where = f"{SHOWN_AS}/{Path(last.filename).relative_to(files)}:{last.lineno}"
    shown = frames[own[0] :] if own else [] if where else frames
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(shown), *traceback.format_exception_only(error)]
    cause = error.__cause__
    text = "".join(lines).replace(prefix + "/", SHOWN_AS + "/")
    return where, f"{text}Caused by: {type(cause).__name__}: {cause}\n" if cause is not None else text
