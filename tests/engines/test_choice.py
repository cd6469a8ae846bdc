"""Which engine is taken, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exseos.engines import choose, engines
from exseos.engines.base import Command, Engine, ImageSource, Limits, Mount, Process
from exseos.errors import HostError, UsageError
from exseos.progress import Quiet


class Pretended(Engine):
    """An engine that only says how it is."""

    name = "pretended"
    rank = 0

    def __init__(self, name: str, reason: str | None = None, missing: tuple[str, ...] = ()) -> None:
        self.name = name  # type: ignore[misc]
        self._reason = reason
        self._missing = missing

    def available(self) -> str | None:
        return self._reason

    def version(self) -> str:
        return "pretended 1"

    def load(self, image: ImageSource, progress: object = Quiet()) -> str:
        return image.id

    def start(self, image: ImageSource, command: Command, mounts: Sequence[Mount], limits: Limits) -> Process:
        raise HostError("pretended engines run nothing")

    def remove(self, image: ImageSource) -> None: ...

    def unenforced(self) -> tuple[str, ...]:
        return self._missing


def test_engines_are_found_by_their_files() -> None:
    assert [engine.name for engine in engines()] == ["bubblewrap", "docker"]


def test_auto_takes_the_first_that_works_and_enforces_all() -> None:
    broken, weak, good, other = Pretended("a", "is broken"), Pretended("b", missing=("memory",)), Pretended("c"), Pretended("d")
    engine, why = choose("auto", [broken, weak, good, other])
    assert engine is good
    assert why == "it works here and enforces every limit; not a: is broken; not b: it does not limit memory"


def test_auto_takes_a_weaker_one_rather_than_none_and_says_so() -> None:
    weak = Pretended("b", missing=("memory", "number of processes"))
    assert choose("auto", [Pretended("a", "is broken"), weak]) == (weak, "it works here, but it does not limit memory; number of processes")


def test_none_works() -> None:
    with pytest.raises(HostError) as caught:
        choose("auto", [Pretended("a", "is broken: mend it"), Pretended("b", "is not there: install it")])
    assert "a: is broken: mend it" in str(caught.value)
    assert "b: is not there: install it" in str(caught.value)
    assert caught.value.exit_code == 1


def test_by_name() -> None:
    weak = Pretended("b", missing=("memory",))
    assert choose("b", [Pretended("a"), weak])[0] is weak
    with pytest.raises(HostError, match="mend it"):
        choose("a", [Pretended("a", "is broken: mend it")])
    with pytest.raises(UsageError, match=r"auto, a, b"):
        choose("c", [Pretended("a"), weak])
