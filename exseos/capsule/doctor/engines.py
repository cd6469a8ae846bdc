"""The engines: each one tried, and the one that ``auto`` would take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from exseos.capsule.doctor.findings import SECONDS, Finding, State, failed, together
from exseos.engines import choose, engines
from exseos.engines.base import Engine
from exseos.errors import ExseosError, HostError


@dataclass(frozen=True)
class Tried:
    """What came of starting a container."""

    engine: Engine
    reason: str | None
    version: str = ""
    unenforced: tuple[str, ...] = ()


def examine_engines(among: list[Engine] | None = None, seconds: float = SECONDS) -> tuple[list[Finding], str | None]:
    """What each engine says, and the name of the one that a build would take (None: there is none)."""
    known = engines() if among is None else among
    results = together({engine.name: partial(_try, engine) for engine in known}, seconds)
    working = [result.engine for result in results.values() if isinstance(result, Tried) and result.reason is None]
    chosen = together({"auto": lambda: choose(among=working)}, seconds)["auto"] if working else HostError("no engine works here")
    state: State = "note" if working else "problem"
    found = [_finding(name, result, state) for name, result in results.items()]
    if isinstance(chosen, ExseosError):
        if working:
            return [*found, failed("engines", "auto", "problem", chosen)], None
        hint = "Follow the advice at one of them."
        return [*found, Finding("engines", "auto", "problem", f"{chosen.what}: nothing can be built or replayed", hint)], None
    engine, why = chosen
    return [*found, Finding("engines", "auto", "ok", f"takes {engine.name}: {why}")], engine.name


def _try(engine: Engine) -> Tried:
    if (reason := engine.available()) is not None:
        return Tried(engine, reason)
    return Tried(engine, None, engine.version(), engine.unenforced())


def _finding(name: str, result: Tried | ExseosError, broken: State) -> Finding:
    """``broken`` is the state of an engine that does not work."""
    if isinstance(result, ExseosError):
        return failed("engines", name, broken, result)
    if result.reason is not None:
        reason, _, remedy = result.reason.partition("\n")
        return Finding("engines", name, broken, f"does not work: {reason}", remedy.strip())
    if result.unenforced:
        text = f"{result.version} works, but does not limit: {'; '.join(result.unenforced)}"
        return Finding("engines", name, "note", text, "See docs/engines.md: what is not limited is listed in each verdict.")
    return Finding("engines", name, "ok", f"{result.version} works and enforces every limit")
