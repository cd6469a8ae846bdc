"""JSON values and their text, changed as a forger or a broken disk would: by structure, or by what stands on the page."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import rfc8785

Place = tuple[Any, Any]
"""A container and the key or index in it."""


class Raw:
    """A text that is written into the JSON as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


class Twice:
    """The value of a key that is written twice, with two values."""

    def __init__(self, one: Any, two: Any) -> None:
        self.values = (one, two)


NUMBERS = [
    "1" + "0" * 400,
    "-1" + "0" * 400,
    "1e309",
    "-0",
    "-0.0",
    "1e-400",
    "NaN",
    "Infinity",
    "1" * 5000,
    "1.0",
    "01",
    "9007199254740993",
]
STRINGS = [
    "",
    "\0",
    "\x1b[2J",
    "\u202e",
    "a" * 70_000,
    "../../etc/passwd",
    "\ud800",
    "/",
    "é",
    "e\u0301",
    "None",
    "true",
    "0" * 64,
    "'\"\n",
]


def strange(random: random.Random) -> Any:
    """A value of any type, often one that hurts."""
    kinds: list[Callable[[], Any]] = [
        lambda: Raw(random.choice(NUMBERS)),
        lambda: random.choice(STRINGS),
        lambda: random.choice([None, True, False, 0, 1, -1, 0.5, 2**53, 2**63, 1e308, [], {}, [[]], [None], {"": ""}]),
        lambda: random.choice(["x", "trial-0", "train", "sha256:" + "0" * 64, "design", "rtl", "data/x", "best"]),
        lambda: Raw("[" * (depth := random.choice([5, 40, 5000])) + "]" * depth),
        lambda: Raw("[" + ",".join(["0"] * 100_000) + "]"),
        lambda: Raw("{" + ",".join(f'"k{number}":0' for number in range(random.choice([3, 20_000]))) + "}"),
        lambda: random.randrange(-(2**70), 2**70),
    ]
    # The large ones are slow to make and to refuse: seldom.
    weights = [6, 8, 10, 6, 2, 0.3, 1, 2]
    return random.choices(kinds, weights)[0]()


def mutated(random: random.Random, value: Any) -> Any:
    """``value`` with one to three changes; may hold ``Raw`` and ``Twice``."""
    value = copy.deepcopy(value)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        if not (found := list(places(value))):
            return strange(random)
        random.choice(_CHANGES)(random, found, value)
    return value


def places(value: Any) -> list[Place]:
    """Every place of a plain value, but the top."""
    found: list[Place] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        waiting += [one[key] for key in keys]
    return found


def _replace(random: random.Random, found: list[Place], _: Any) -> None:
    holder, key = random.choice(found)
    holder[key] = strange(random)


def _nudge(random: random.Random, found: list[Place], _: Any) -> None:
    """A value of the same kind, near to the old one."""
    holder, key = random.choice(found)
    old = holder[key]
    if isinstance(old, bool):
        holder[key] = not old
    elif isinstance(old, int | float):
        holder[key] = random.choice([old + 1, -old, old * (1 + 2**-52), old - 1, float(old), old * 10, 0])
    elif isinstance(old, str):
        at = random.randrange(len(old) + 1)
        holder[key] = random.choice(
            [old[:at] + old[at + 1 :], old[:at] + "x" + old[at:], old.upper(), old + " ", old[::-1], old + "\n", old.swapcase()]
        )
    elif isinstance(old, list) and old:
        change = random.choice([old.reverse, old.pop, lambda: random.shuffle(old), lambda: old.append(copy.deepcopy(random.choice(old)))])
        change()
    else:
        holder[key] = strange(random)


def _delete(random: random.Random, found: list[Place], _: Any) -> None:
    holder, key = random.choice(found)
    del holder[key]


def _add(random: random.Random, found: list[Place], _: Any) -> None:
    holder, _ = random.choice(found)
    if isinstance(holder, dict):
        holder[random.choice(["x", "", "extra", *STRINGS])] = strange(random)
    else:
        holder.insert(random.randrange(len(holder) + 1), strange(random))


def _rename(random: random.Random, found: list[Place], _: Any) -> None:
    named = [(holder, key) for holder, key in found if isinstance(holder, dict)]
    if named:
        holder, key = random.choice(named)
        holder[random.choice([key.upper(), key + "s", key[::-1], f" {key}", "x"])] = holder.pop(key)


def _copy(random: random.Random, found: list[Place], _: Any) -> None:
    """The value of another place: so digests change places."""
    (holder, key), (other, where) = random.choice(found), random.choice(found)
    alike = [(one, at) for one, at in found if type(one[at]) is type(other[where])]
    holder, key = random.choice(alike) if random.random() < 0.8 else (holder, key)
    holder[key] = copy.deepcopy(other[where])


def _swap(random: random.Random, found: list[Place], _: Any) -> None:
    (holder, key), (other, where) = random.choice(found), random.choice(found)
    if not isinstance(holder[key], dict | list) and not isinstance(other[where], dict | list):
        holder[key], other[where] = other[where], holder[key]


def _twice(random: random.Random, found: list[Place], _: Any) -> None:
    holder, key = random.choice(found)
    if isinstance(holder, dict):
        holder[key] = Twice(holder[key], random.choice([holder[key], strange(random)]))
    else:
        holder.insert(key, copy.deepcopy(holder[key]))


_CHANGES = [_replace, _replace, _nudge, _nudge, _nudge, _delete, _add, _rename, _copy, _copy, _swap, _twice]


def text(value: Any, *, indent: bool = False) -> bytes:
    """``value`` as JSON: in the canonical form, or in the one of a lock; ``Raw`` and ``Twice`` as they want."""
    newline = "\n" if indent else ""
    return (_text(value, 1 if indent else 0) + (newline or "")).encode("utf-8", "surrogatepass")


def _text(value: Any, level: int) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Twice):
        return _text(value.values[0], 0)
    begin, end = (("\n" + " " * level), "\n" + " " * (level - 1)) if level else ("", "")
    inner = level + 1 if level else 0
    if isinstance(value, dict) and value:
        rows = []
        for key in sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass")):
            both = value[key].values if isinstance(value[key], Twice) else (value[key],)
            rows += [f"{_scalar(key, level)}:{' ' if level else ''}{_text(one, inner)}" for one in both]
        return "{" + ",".join(begin + row for row in rows) + end + "}"
    if isinstance(value, list) and value:
        return "[" + ",".join(begin + _text(one, inner) for one in value) + end + "]"
    return _scalar(value, level)


def _scalar(value: Any, level: int) -> str:
    try:
        return json.dumps(value, ensure_ascii=False) if level else rfc8785.dumps(value).decode()
    except (rfc8785.CanonicalizationError, UnicodeError):
        return json.dumps(value)
