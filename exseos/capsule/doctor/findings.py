"""What the doctor says: findings, and checks that are bounded in time and cannot end each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from exseos.errors import ExseosError, HostError

SECONDS = 30.0
"""How long one check may take."""

Section = Literal["machine", "engines", "toolchains", "network", "spec"]
State = Literal["ok", "note", "problem"]
"""``note``: worth knowing, a build goes on. ``problem``: it would stop a build."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing about this machine or spec."""

    section: Section
    name: str
    state: State
    text: str
    next_step: str = ""


@dataclass(frozen=True)
class Check:
    """A part of the examination. ``otherwise`` is the state of its finding if it fails itself or does not end."""

    section: Section
    name: str
    run: Callable[[], Iterable[Finding]]
    otherwise: State = "note"


def gather(checks: Sequence[Check], seconds: float = SECONDS) -> list[Finding]:
    """The findings of ``checks`` in their order; all run at once, each at most ``seconds``."""
    results = together({index: partial(_listed, check) for index, check in enumerate(checks)}, seconds)
    found: list[Finding] = []
    for index, check in enumerate(checks):
        result = results[index]
        if isinstance(result, ExseosError):
            found.append(failed(check.section, check.name, check.otherwise, result))
        else:
            found += result
    return found


def _listed(check: Check) -> list[Finding]:
    return list(check.run())


def together(jobs: Mapping[K, Callable[[], T]], seconds: float = SECONDS) -> dict[K, T | ExseosError]:
    """The result of each job, or the error with which it ended; all run at once, and after ``seconds`` none is waited for."""
    results: dict[K, T | ExseosError] = {}

    def work(key: K, job: Callable[[], T]) -> None:
        try:
            results[key] = job()
        except ExseosError as error:
            results[key] = error
        except OSError as error:
            results[key] = HostError(error.strerror or str(error), where=str(error.filename) if error.filename else None)
        except Exception as error:  # noqa: BLE001 (a doctor that falls over one symptom is of no use for the others)
            results[key] = ExseosError(f"the check itself failed: {type(error).__name__}: {error}", hint="Please report it.")

    # not a pool: its threads are waited for at the end, and one that hangs on a dead file system would hold the program
    threads = {key: threading.Thread(target=work, args=(key, job), daemon=True) for key, job in jobs.items()}
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    late = HostError(f"no answer within {seconds:g} s", hint="Something that it asks hangs: a network file system, a daemon or a tool.")
    return {key: results.get(key, late) for key in jobs}


def failed(section: Section, name: str, state: State, error: ExseosError) -> Finding:
    """The finding of an error."""
    text = f"{error.where}: {error.what}" if error.where else error.what
    return Finding(section, name, state, text, error.hint or "")
