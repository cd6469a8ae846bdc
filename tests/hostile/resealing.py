"""A forger: makes of any entries a capsule whose lists, digests, keys, numbers and README agree, as far as its parts can be read.

Everything that can be derived is derived anew, so that what a check still finds is a lie, not a slip.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import rfc8785

from exseos.archive.zip_format import Member, central_header, end_records, local_header
from exseos.digest import sha256_bytes, sha256_json
from exseos.records.index import Index
from exseos.records.names import IMAGE, INDEX, LOCK, MANIFEST, PYLOCK, README, SEAL, SPEC, is_exact, is_sealed
from exseos.records.parts import ClaimRecord, stage_key
from exseos.records.readme import render

Entries = dict[str, bytes]
BROKEN = (Exception,)
"""What reading a mutant's parts may raise: the forger goes on with what it has."""


def archive(entries: Entries) -> bytes:
    """The canonical zip of ``entries``, whatever they are called."""
    parts, directory, offset = [], [], 0
    for name in sorted(entries, key=str.encode):
        data = entries[name]
        member = Member(name, len(data), zlib.crc32(data), offset)
        header = local_header(member)
        parts += [header, data]
        directory.append(central_header(member))
        offset += len(header) + len(data)
    records = b"".join(directory)
    return b"".join([*parts, records, end_records(len(directory), len(records), offset)])


def listed(entries: Entries, wanted: Callable[[str], bool]) -> bytes:
    """The list of the entries that are ``wanted``."""
    return lines((name, sha256_bytes(data)) for name, data in entries.items() if wanted(name))


def lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Names and digests as ``sha256sum`` has them."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(pairs, key=lambda pair: pair[0].encode())).encode()


def reseal(entries: Entries) -> Entries:
    """With a fresh seal."""
    return {**entries, SEAL: listed(entries, is_sealed)}


def reidentify(entries: Entries) -> Entries:
    """With a fresh list of exact entries, its digest in the index, the README of that, and a fresh seal."""
    manifest = listed(entries, is_exact)
    entries = {**entries, MANIFEST: manifest}
    try:
        plain = json.loads(entries[INDEX])
        plain["id"] = sha256_bytes(manifest)
        entries[INDEX] = rfc8785.dumps(plain) + b"\n"
        entries[README] = render(Index.parse(entries[INDEX])).encode()
    except BROKEN:
        pass
    return reseal(entries)


def keep_numbers(entries: Entries) -> Entries:
    """As ``rederive``, with the metrics and claims that the index has."""
    return rederive(entries, numbers=False)


def rederive(entries: Entries, *, numbers: bool = True, lock: bool = True) -> Entries:
    """With all of the index that follows from outputs, lock, data and image made anew, and then new ids.

    Without ``numbers`` its metrics and claims stay, without ``lock`` the pins of what the capsule brings.
    """
    entries = dict(entries)
    try:
        index = json.loads(entries[INDEX])
        if lock:
            _lock_follows(entries)
        _stages_follow(entries, index)
        if numbers:
            _numbers_follow(entries, index)
        entries[INDEX] = rfc8785.dumps(index) + b"\n"
    except BROKEN:
        pass
    return reidentify(entries)


def _lock_follows(entries: Entries) -> None:
    """Pins of the data files and of the wheel that are there."""
    lock = json.loads(entries[LOCK])
    for name, pin in lock["data"].items():
        if data := entries.get(f"data/{name}/{pin['filename']}"):
            pin.update(sha256=sha256_bytes(data), size=len(data))
    if wheel := entries.get(f"lock/wheels/{lock['exseos']['filename']}"):
        lock["exseos"]["sha256"] = sha256_bytes(wheel)
    if json.loads(entries[LOCK]) != lock:
        entries[LOCK] = (json.dumps(lock, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _stages_follow(entries: Entries, index: dict[str, Any]) -> None:
    pins = json.loads(entries[LOCK])["data"]
    index["image_id"] = f"sha256:{sha256_bytes(entries['lock/image.json'])}"
    files = lines(
        (name.removeprefix("spec/"), sha256_bytes(data)) for name, data in entries.items() if name.startswith("spec/") and name != SPEC
    )
    digests: dict[str, str] = {}
    for stage in index["stages"]:
        below = stage["location"] + "/"
        outputs = {name: sha256_bytes(data) for name, data in entries.items() if name.startswith(below)}
        stage["outputs_digest"] = digests[stage["stage"]] = sha256_bytes(lines((n.removeprefix(below), d) for n, d in outputs.items()))
        for one in stage["inputs"]:
            one["outputs"] = digests.get(one["stage"], one["outputs"])
        for one in stage["data"]:
            one["sha256"] = pins.get(one["name"], one)["sha256"]
        if stage["files"] is not None:
            stage["files"] = sha256_bytes(files)
        if below.startswith("data/"):
            entries[f"results/{stage['location'].removeprefix('data/')}-sha256.txt"] = lines(outputs.items())
        stage["key"] = stage_key(
            kind=stage["kind"],
            parameters=stage["parameters"],
            seed=stage["seed"],
            image_id=index["image_id"],
            inputs={one["name"]: one["outputs"] for one in stage["inputs"]},
            data={one["name"]: one["sha256"] for one in stage["data"]},
            files=stage["files"],
            toolchain=stage["toolchain"],
        )
    left_out = [one for one in index["optional"] if one["name"] not in entries]
    here = [{"name": name, "sha256": sha256_bytes(data), "size": len(data)} for name, data in entries.items() if name.startswith("data/")]
    index["optional"] = sorted(here + left_out, key=lambda one: str(one["name"]))


def _numbers_follow(entries: Entries, index: dict[str, Any]) -> None:
    """The metrics of all ``metrics.json``, and what they make of the claims."""
    index["metrics"] = [
        {"scope": "design", **metric, "trial": stage["trial"], "stage": stage["stage"]}
        for stage in index["stages"]
        for metric in json.loads(entries.get(f"{stage['location']}/metrics.json", b"[]"))
    ]
    for claim in index["claims"]:
        found = [
            metric["value"]
            for metric in index["metrics"]
            if (metric["name"], metric["level"], metric["scope"]) == (claim["metric"], claim["level"], "design")
            and claim["stage"] in (None, metric["stage"])
        ]
        claim["recorded"] = found[0] if len(found) == 1 else None
        claim["holds"] = ClaimRecord.model_validate(claim).accepts(claim["recorded"])


def slim(entries: Entries) -> Entries:
    """The same experiment in a small file: of every stage a few outputs, and a wheel of no content."""
    kept: Entries = {}
    wheel = next(name for name in entries if name.startswith("lock/wheels/"))
    for name, data in entries.items():
        deep = name.count("/") > 3 and not name.endswith("metrics.json")
        if name == IMAGE or (deep and sha256_json(name)[0] not in "01"):
            continue
        kept[name] = data if len(data) < 40_000 or name in (INDEX, LOCK, PYLOCK, MANIFEST, SEAL) else short(name, data)
    kept[wheel] = b"a wheel"
    return rederive(kept)


def short(name: str, data: bytes) -> bytes:
    """A little of a large output."""
    return b"{}\n" if name.endswith(".json") else data[:500]
