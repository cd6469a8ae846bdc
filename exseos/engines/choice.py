"""Which engine runs the images: the one asked for, or the first that works."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

from exseos.engines.base import Engine
from exseos.errors import HostError, UsageError

AUTO = "auto"


def engines() -> list[Engine]:
    """Every engine there is, cheapest start first: each class in a module of this package that derives from ``Engine``."""
    found: list[Engine] = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        loaded = importlib.import_module(f"{__package__}.{module.name}")
        classes = [kind for _, kind in inspect.getmembers(loaded, inspect.isclass) if kind.__module__ == loaded.__name__]
        found += [kind() for kind in classes if issubclass(kind, Engine) and not inspect.isabstract(kind)]
    return sorted(found, key=lambda engine: engine.rank)


def choose(name: str = AUTO, among: list[Engine] | None = None) -> tuple[Engine, str]:
    """The engine called ``name``, and why it is this one.

    ``auto`` takes the first that works and enforces every limit; if none enforces all, the first that works. Bubblewrap comes
    first: it starts in milliseconds, needs no daemon, runs without root and does not copy the image; where the machine lets it
    limit memory and processes of the whole sandbox, Docker adds nothing that the contract asks for.

    Raises ``UsageError`` for an unknown name, ``HostError`` with each engine's reason and remedy if none works.
    """
    known = engines() if among is None else among
    if name != AUTO:
        return _named(name, known), f"--engine {name} asks for it"
    reasons = []
    weaker: list[tuple[Engine, str]] = []
    for engine in known:
        if (reason := engine.available()) is not None:
            reasons.append(f"{engine.name}: {reason}")
        elif missing := engine.unenforced():
            weaker.append((engine, f"it does not limit {'; '.join(missing)}"))
        else:
            others = [*reasons, *(f"{other.name}: {why}" for other, why in weaker)]
            return engine, "; ".join(["it works here and enforces every limit", *(f"not {other}" for other in others)])
    if weaker:
        engine, why = weaker[0]
        return engine, f"it works here, but {why}"
    raise HostError("no engine works on this machine", hint="\n".join(reasons))


def _named(name: str, known: list[Engine]) -> Engine:
    for engine in known:
        if engine.name == name:
            if (reason := engine.available()) is not None:
                raise HostError(f"the engine {name} does not work here", hint=reason)
            return engine
    names = ", ".join([AUTO, *(engine.name for engine in known)])
    raise UsageError(f"there is no engine {name!r}", where="--engine", hint=f"Engines: {names}.")
