"""Mutants of one small capsule, each made from its number alone: ``mutant(7)`` is the same today and tomorrow.

By structure (an entry, a value, a line, a digest), then sealed again as far as a forger of some diligence would; or by bytes.
``python -m tests.hostile.mutation 20000`` examines that many; ``--only 123`` one of them, and says what it is.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from exseos.archive import ArchiveReader
from exseos.records.names import INDEX, LOCK, MANIFEST, PYLOCK, README, SEAL, SPEC
from exseos.spec.yaml12 import load
from tests.hostile.json_mutation import mutated, strange, text
from tests.hostile.resealing import BROKEN, Entries, archive, keep_numbers, rederive, reidentify, reseal, slim

CAPSULE = Path(__file__).parents[1] / "fixtures" / "format-1" / "format-1.capsule.zip"
SEED = 20261126

_NAMES = [
    "x",
    "run/x.json",
    "results/trial-0/train/more",
    "spec/more.py",
    "lock/more",
    "data/more",
    "README.MD",
    "../x",
    "/x",
    "a//b",
    "C:/x",
]
_NAMES += [
    "run/a\\b",
    "spec/.git/config",
    "capsule.json/x",
    "attestations/../x",
    "image.tar",
    "x" * 2000,
    "run/e\u0301",
    "run/\x1b",
    "CAPSULE.JSON",
]


@dataclass(frozen=True)
class Mutant:
    """A file; ``what`` was done to it; its ``entries``, if it was made of entries."""

    number: int
    what: str
    data: bytes
    entries: Entries | None


@cache
def original() -> Entries:
    """The entries of the capsule that is mutated: the frozen fixture's, made small, with a statement below ``attestations/``."""
    with ArchiveReader(CAPSULE) as reader:
        entries = {name: reader.read(name) for name in reader.names}
    return slim({**entries, "attestations/statement.json": b'{"_type":"https://in-toto.io/Statement/v1"}\n'})


@cache
def original_bytes() -> bytes:
    """The capsule of ``original``."""
    return archive(original())


def mutant(number: int, seed: int = SEED) -> Mutant:
    """The mutant of this number."""
    chance = random.Random(f"{seed} {number}")
    if chance.random() < 0.2:
        change = chance.choice(_RAW)
        return Mutant(number, change.__name__, change(chance, original_bytes()), None)
    entries, done = dict(original()), []
    for _ in range(chance.choice([1, 1, 1, 1, 2])):
        (change_of,) = chance.choices(list(_STRUCTURED), list(_STRUCTURED.values()))
        try:
            done.append(f"{change_of.__name__} {change_of(chance, entries)}")
        except BROKEN:  # the first change left nothing that the second could change
            continue
    seal = chance.choices(list(_SEALS), list(_SEALS.values()))[0]
    entries = seal(entries)
    return Mutant(number, f"{' and '.join(done)}, {seal.__name__}", archive(entries), entries)


def unsealed(entries: Entries) -> Entries:
    """As they are."""
    return entries


_SEALS = {unsealed: 1, reseal: 2, reidentify: 2, keep_numbers: 1, rederive: 4}


def _index(random: random.Random, entries: Entries) -> str:
    entries[INDEX] = text(mutated(random, json.loads(entries[INDEX]))) + random.choice([b"\n"] * 9 + [b""])
    return ""


def _lock(random: random.Random, entries: Entries) -> str:
    entries[LOCK] = text(mutated(random, json.loads(entries[LOCK])), indent=True)
    return ""


def _other_json(random: random.Random, entries: Entries) -> str:
    name = random.choice([name for name in entries if name.endswith(".json") and name not in (INDEX, LOCK)])
    value = mutated(random, json.loads(entries[name]))
    entries[name] = text(value) + b"\n" if name != "lock/image.json" else text(value)
    return name


def _metrics(random: random.Random, entries: Entries) -> str:
    name = random.choice([name for name in entries if name.endswith("/metrics.json")])
    entries[name] = text(mutated(random, json.loads(entries[name])), indent=random.random() < 0.5)
    return name


def _spec(random: random.Random, entries: Entries) -> str:
    """By structure: a spec that is written as JSON is YAML as well."""
    value = mutated(random, load(entries[SPEC].decode(), "spec.yaml").value)
    entries[SPEC] = text(value, indent=random.random() < 0.5)
    return ""


def _spec_said(random: random.Random, entries: Entries) -> str:
    """One allowed value more, or another: what the index has no longer follows."""
    value = load(entries[SPEC].decode(), "spec.yaml").value
    key, section = random.choice(
        [
            ("stream", {"batch_size": random.choice([256, 128])}),
            ("train", {**value["train"], "epochs": random.choice([1, 2])}),
            ("train", {**value["train"], "learning_rate": random.choice([0.05, 5e-2, 0.06])}),
            ("seed", random.choice([0, 1])),
            ("title", random.choice([value["title"], "Another"])),
            ("license", random.choice(["CC-BY-4.0", "MIT"])),
            ("split", {"train": 0.6, "validation": 0.1, "test": 0.3}),
            ("files", ["experiment.py"]),
            ("authors", [{"name": "Somebody"}]),
            ("simulate", {"rows": random.choice([None, 5])}),
            ("convert", {"clock_ns": random.choice([5, 5.0, 4])}),
            ("claims", value["claims"][::-1]),
            ("claims", [{**value["claims"][0], "value": random.choice([0.8, 0.1]), "text": "It is so"}]),
            ("implement", None),
            ("claims", [_with(random, value["claims"][0])]),
            ("model", _with(random, {**value["model"], "width": 8})),
            ("data", {"points": _with(random, value["data"]["points"])}),
        ]
    )
    entries[SPEC] = text({**value, key: section})
    return f"{key} {section}"


def _with(random: random.Random, section: dict[str, Any]) -> dict[str, Any]:
    """``section`` with one value of another kind, or a text too long."""
    return {**section, random.choice(list(section)): random.choice([strange(random), "x" * random.choice([300, 1001, 10_001])])}


def _lines(random: random.Random, entries: Entries) -> str:
    """One line of a text: gone, twice, elsewhere, or changed."""
    name = random.choice([README, MANIFEST, SEAL, PYLOCK, LOCK, SPEC, "spec/experiment.py", "results/prepared/trial-0-sha256.txt"])
    rows = entries[name].split(b"\n")
    at, to = random.randrange(len(rows)), random.randrange(len(rows))
    change = random.randrange(6)
    if change == 0:
        del rows[at]
    elif change == 1:
        rows.insert(to, rows[at])
    elif change == 2:
        rows[at], rows[to] = rows[to], rows[at]
    elif change == 3:
        extra = [
            b"\xff",
            b"\t",
            b"\r",
            "\u2028".encode(),
            b"&a [*a, *a]",
            b"!!python/object:x",
            b"0" * 66 + b"x",
            b"- " * 3000,
            b"x" * 300_000,
        ]
        rows.insert(at, random.choice(extra))
    else:
        rows[at] = _bent(random, rows[at])
    entries[name] = b"\n".join(rows)
    return f"{name} {change}"


def _bent(random: random.Random, data: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    more = random.choice([b"", b"x", b"0", b" ", b"\x00", b'"', b"\\", "\u202e".encode(), bytes([random.randrange(256)])])
    return data[:at] + more + data[at + random.randrange(3) :]


def _content(random: random.Random, entries: Entries) -> str:
    """An output, a file of the author, or anything else, with other bytes."""
    name = random.choice(list(entries))
    entries[name] = random.choice([b"", b"\0" * 100, entries[random.choice(list(entries))], _bent(random, entries[name])])
    return name


def _entries(random: random.Random, entries: Entries) -> str:
    """An entry more, less, or under another name."""
    name, other = random.choice(list(entries)), random.choice([*_NAMES, *entries])
    change = random.randrange(4)
    if change == 0:
        del entries[name]
    elif change == 1:
        entries[other] = entries.get(other, b"") + random.choice([b"", b"{}", b"x" * 100])
    elif change == 2:
        entries[other] = entries.pop(name)
    else:
        entries[name], entries[other] = entries.get(other, b""), entries[name]
    return f"{change} {name[:80]!r} {other[:80]!r}"


def _digests(random: random.Random, entries: Entries) -> str:
    """Two digests of a list or the index change places."""
    name = random.choice([MANIFEST, SEAL, INDEX, LOCK, PYLOCK])
    words = [word for word in entries[name].replace(b'"', b" ").replace(b":", b" ").split() if len(word) == 64]
    one, two = random.choice(words), random.choice(words)
    entries[name] = entries[name].replace(one, b"?").replace(two, one).replace(b"?", two)
    return name


def _attestations(random: random.Random, entries: Entries) -> str:
    """What no seal covers."""
    entries[f"attestations/{random.choice(['statement.json', 'more', 'a/b'])}"] = random.choice([b"", b"{", b"[" * 50_000, b"\xff" * 100])
    return ""


def _evidence(random: random.Random, entries: Entries) -> str:
    """What a verdict does not rest on."""
    name = random.choice(["run/host.json", "run/stages.json"])
    entries[name] = random.choice([b"", b"{}", b"[" * 50_000, text(mutated(random, json.loads(entries[name])))])
    return name


def _forged_number(random: random.Random, entries: Entries) -> str:
    """A better number, in the stage's metrics or in the index alone."""
    value: Any = random.choice([0, 1, 0.999, 12, strange(random)])
    if random.random() < 0.5:
        name = random.choice([name for name in entries if name.endswith("/metrics.json")])
        plain = json.loads(entries[name])
        field = random.choice(["value", "value", "value", "name", "level", "unit", "scope", "version", "tool"])
        random.choice(plain)[field] = value if field == "value" else random.choice([value, "", "x" * random.choice([2, 1001, 10_001])])
        entries[name] = text(plain)
        return name
    plain = json.loads(entries[INDEX])
    key, fields = random.choice(
        [("metrics", ["value"]), ("claims", ["value", "absolute", "relative", "recorded", "holds", "text", "metric"])]
    )
    random.choice(plain[key])[random.choice(fields)] = value
    entries[INDEX] = text(plain) + b"\n"
    return key


def _forged_stage(random: random.Random, entries: Entries) -> str:
    """Something else that a stage is said to have run with."""
    plain = json.loads(entries[INDEX])
    stage = random.choice(plain["stages"])
    key = random.choice(
        ["parameters", "parameters", "seed", "exact", "kind", "inputs", "data", "files", "toolchain", "needs", "location", "stage"]
    )
    stage[key] = mutated(random, stage[key]) if stage[key] else strange(random)
    entries[INDEX] = text(plain) + b"\n"
    return f"{stage['stage']} {key}"


def _more_index(random: random.Random, entries: Entries) -> str:
    """A stage, claim, metric, probe, trial or optional file twice, with a change, or none of them."""
    plain = json.loads(entries[INDEX])
    key = random.choice(["stages", "claims", "metrics", "probes", "trials", "optional"])
    if plain[key]:
        one = random.choice(plain[key])
        change = random.randrange(4)
        if change == 0:
            plain[key].append(mutated(random, one))
        elif change == 1:
            plain[key].remove(one)
        elif change == 2:
            plain[key] = []
        else:
            plain[key] = [one] * random.choice([2, 1000])
    entries[INDEX] = text(plain) + b"\n"
    return key


_STRUCTURED: dict[Callable[[random.Random, Entries], str], int] = {
    _index: 8,
    _lock: 6,
    _other_json: 3,
    _metrics: 6,
    _spec: 6,
    _spec_said: 4,
    _lines: 6,
    _content: 3,
    _entries: 4,
    _digests: 2,
    _attestations: 1,
    _evidence: 1,
    _forged_number: 5,
    _forged_stage: 5,
    _more_index: 4,
}


def flipped(random: random.Random, data: bytes) -> bytes:
    """One to three bits."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 3])):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def flipped_record(random: random.Random, data: bytes) -> bytes:
    """A byte of one of the zip's own records."""
    signature = random.choice([b"PK\1\2", b"PK\3\4", b"PK\5\6"])
    starts = [at for at in range(len(data)) if data.startswith(signature, at)]
    changed = bytearray(data)
    at = min(len(data) - 1, random.choice(starts) + random.randrange(60))
    changed[at] = random.choice([0, 1, 0xFF, changed[at] ^ 1, random.randrange(256)])
    return bytes(changed)


def cut(random: random.Random, data: bytes) -> bytes:
    """Without its end, its beginning or a part within."""
    one, two = sorted((random.randrange(len(data)), random.randrange(len(data))))
    return random.choice([data[:one], data[one:], data[:one] + data[two:], data[:-1], data[1:]])


def more(random: random.Random, data: bytes) -> bytes:
    """With bytes added in front, behind or within."""
    at = random.choice([0, len(data), random.randrange(len(data))])
    extra = random.choice([b"\0", b"x" * 1000, b"PK\5\6" + bytes(18), data[:2000], data])
    return data[:at] + extra + data[at:]


def overwritten(random: random.Random, data: bytes) -> bytes:
    """A range of zeros, or a copy of another one."""
    size = random.choice([1, 8, 512, 4096])
    at, source = random.randrange(len(data) - size), random.randrange(len(data) - size)
    return data[:at] + random.choice([bytes(size), data[source : source + size]]) + data[at + size :]


def end_record(random: random.Random, data: bytes) -> bytes:
    """Other numbers in the end record."""
    fields = list(struct.unpack("<4s4H2IH", data[-22:]))
    at = random.randrange(1, 8)
    largest = 0xFFFFFFFF if at in (5, 6) else 0xFFFF
    fields[at] = random.choice([0, 1, largest, fields[at] + 1, random.randrange(largest)]) & largest
    return data[:-22] + struct.pack("<4s4H2IH", *fields)


def other_zip(random: random.Random, data: bytes) -> bytes:
    """The same entries as another program packs them."""
    entries = original()
    names = list(entries)
    random.shuffle(names)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])) as target:
        for name in random.choice([names, sorted(names)]):
            target.writestr(zipfile.ZipInfo(name, random.choice([(1980, 1, 1, 0, 0, 0), (2026, 1, 1, 0, 0, 0)])), entries[name])
        target.comment = random.choice([b"", b"x" * 100])
    return buffer.getvalue()


_RAW = [flipped, flipped, flipped_record, flipped_record, flipped_record, cut, more, overwritten, end_record, other_zip]


if __name__ == "__main__":
    from tests.hostile.examination import main

    main()
