"""The end of standard error is kept; a flood is slowed down, then told."""

from __future__ import annotations

import time

import pytest

from exseos.engines import tail
from exseos.engines.tail import TAIL_BYTES, Tail


def test_the_end_is_kept() -> None:
    said: list[str] = []
    kept = Tail(1 << 20, said.append)
    kept.feed(b"x" * TAIL_BYTES)
    kept.feed("é\xff".encode() + b"\xff")
    assert len(kept.text().encode("utf-8", "replace")) >= TAIL_BYTES
    assert kept.text().endswith("éÿ\N{REPLACEMENT CHARACTER}")
    assert said == []


def test_too_much_is_told_once_and_then_read_without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    kept = Tail(2 << 10, said.append)
    kept.feed(bytes(2 << 10))
    assert said == []
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))
    for _ in range(3):
        kept.feed(b"xx")
    assert said == ["more than 2 KiB of standard error"]


def test_a_fast_writer_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = [0.0], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds
        waited[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    kept = Tail(1 << 40, print)
    for _ in range(160):
        kept.feed(bytes(1 << 20))
    assert waited[0] == pytest.approx((160 << 20) / tail.RATE - 1)  # after a first second's worth
    now[0] += 100
    waited[0] = 0
    kept.feed(bytes(1 << 20))
    assert waited[0] == 0
