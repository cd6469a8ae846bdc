"""What a capsule that was accepted must mean: its index built from spec, lock and outputs, by other code than that which checks it.

Free are only ``run/host.json`` and ``run/stages.json`` (evidence of one run, which no verdict rests on), what stands below
``attestations/``, the parent of an experiment, and the digests of the numerics probes. The bytes of outputs cannot be derived without
running a stage: here they are any, and every digest, number and sentence about them follows from them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exseos.capsule.claims import record_of
from exseos.digest import sha256_bytes
from exseos.lock import Lock, parse_lock
from exseos.records.index import Index
from exseos.records.names import INDEX, LOCK, MANIFEST, PYLOCK, README, SEAL, SPEC, is_exact, is_sealed
from exseos.records.parts import MetricRecord, stage_key
from exseos.records.readme import render
from exseos.resolve.check import check_parts
from exseos.spec import parse_spec
from exseos.spec.models import Experiment
from exseos.stages import KINDS
from exseos.study.plan import StagePlan, plan
from exseos.study.vendor import described
from tests.hostile.resealing import Entries, lines, listed

_PREPARED = "data/prepared/trial-0/"
_LISTING = "results/prepared/trial-0-sha256.txt"
_EVIDENCE = {"run/host.json", "run/stages.json"}
_NOT_SAID = {"name": "name", "title": "title", "license": "licence"}


def lies(entries: Entries, own_wheel: str) -> list[str]:
    """What of a capsule with these entries does not follow; ``own_wheel`` is the digest of the wheel of the version that checks it."""
    spec = parse_spec(entries[SPEC].decode(), Path("spec.yaml"), check_parts)
    experiment = spec.experiment()
    lock = parse_lock(entries[LOCK], entries[PYLOCK], LOCK)
    assert lock.exseos is not None
    index = json.loads(entries[INDEX])
    found = []
    if entries[MANIFEST] != listed(entries, is_exact) or index["id"] != sha256_bytes(entries[MANIFEST]):
        found.append("list of the experiment id")
    if entries[SEAL] != listed(entries, is_sealed):
        found.append("list of the seal")
    wanted = _index(entries, experiment, lock)
    found += _names(entries, experiment, lock, wanted)
    strict = lock.exseos.sha256 == own_wheel
    if strict and entries[README] != render(Index.parse(entries[INDEX])).encode():
        found.append("README")
    if not strict:
        _take_unsaid(index, wanted, experiment)
    for stage in wanted["stages"]:
        stage["key"] = _key(stage, wanted["image_id"])
    found += _probes(index)
    found += [f"index: {key}" for key in index.keys() | wanted.keys() if key not in ("parent", "probes") and not same(index, wanted, key)]
    found += _image(entries)
    for one in wanted["optional"]:
        if one["name"] in entries and (sha256_bytes(entries[one["name"]]), len(entries[one["name"]])) != (one["sha256"], one["size"]):
            found.append(one["name"])
    return found


def same(one: dict[str, Any], two: dict[str, Any], key: str) -> bool:
    """Whether both have the key with the same JSON value: 1 is 1.0, and true is not 1."""
    return key in one and key in two and _plain(one[key]) == _plain(two[key])


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, int) else value


def _index(entries: Entries, experiment: Experiment, lock: Lock) -> dict[str, Any]:
    """The index that belongs to these entries, but for what is free."""
    assert lock.exseos is not None
    digests: dict[str, str] = {}
    stages = [_stage(entries, experiment, lock, one, digests) for one in plan(experiment)]
    metrics = [metric for one in stages for metric in _metrics(entries, one)]
    records = [MetricRecord.model_validate(metric) for metric in metrics if metric["scope"] == "design"]
    claims = []
    for claim in experiment.claims:
        own = [one for one in records if (one.name, one.level) == (claim.metric, claim.level) and claim.stage in (None, one.stage)]
        claims.append(record_of(claim, "trial-0", own[0].value if len(own) == 1 else None).model_dump(mode="json"))
    optional = {f"data/{name}/{pin.filename}": (pin.sha256, pin.size) for name, pin in lock.data.items()}
    sizes = {one["name"]: one["size"] for one in json.loads(entries[INDEX])["optional"]}
    for name, sha256 in _prepared(entries).items():
        # Of what was left out nothing but the index says the size.
        optional[name] = (sha256, len(entries[name]) if name in entries else sizes[name])
    return {
        "exseos_capsule": 1,
        "name": experiment.name,
        "title": experiment.title,
        "licence": experiment.license,
        "id": sha256_bytes(entries[MANIFEST]),
        "image_id": f"sha256:{sha256_bytes(entries['lock/image.json'])}",
        "made_with": lock.exseos.version,
        "trials": [{"name": "trial-0", "chosen": True, "values": {}}],
        "stages": stages,
        "metrics": metrics,
        "claims": claims,
        "optional": [{"name": name, "sha256": sha256, "size": size} for name, (sha256, size) in sorted(optional.items())],
    }


def _prepared(entries: Entries) -> dict[str, str]:
    """Outputs of ``prepare`` and their digests, as the exact list has them: the files themselves may be left out."""
    rows = entries[_LISTING].decode().splitlines()
    found = {row[66:]: row[:64] for row in rows}
    assert lines(found.items()) == entries[_LISTING]
    assert all(found[name] == sha256_bytes(data) for name, data in entries.items() if name.startswith(_PREPARED))
    return found


def _stage(entries: Entries, experiment: Experiment, lock: Lock, stage: StagePlan, digests: dict[str, str]) -> dict[str, Any]:
    pins = {pin.name: pin for pin in lock.toolchains}
    below = f"{stage.location}/"
    there = (
        _prepared(entries) if below == _PREPARED else {name: sha256_bytes(data) for name, data in entries.items() if name.startswith(below)}
    )
    outputs = lines((name.removeprefix(below), sha256) for name, sha256 in there.items())
    digests[stage.name] = sha256_bytes(outputs)
    files = listed(
        {name.removeprefix("spec/"): data for name, data in entries.items() if name.startswith("spec/") and name != SPEC}, lambda name: True
    )
    return {
        "trial": "trial-0",
        "stage": stage.name,
        "kind": stage.kind,
        "exact": stage.exact,
        "parameters": dict(stage.parameters),
        "seed": experiment.seed,
        "inputs": [{"name": name, "stage": one, "outputs": digests[one]} for name, one in sorted(stage.inputs.items())],
        "data": [{"name": name, "sha256": lock.data[name].sha256} for name in stage.data],
        "files": sha256_bytes(files) if KINDS[stage.kind].user_code else None,
        "toolchain": stage.toolchain and (pins[stage.toolchain].fingerprint if stage.toolchain in pins else stage.toolchain),
        "needs": None if stage.exact else described(pins[stage.toolchain or ""]),
        "outputs_digest": digests[stage.name],
        "location": stage.location,
    }


def _key(stage: dict[str, Any], image_id: str) -> str:
    return stage_key(
        **{key: stage[key] for key in ("kind", "parameters", "seed", "files", "toolchain")},
        image_id=image_id,
        inputs={one["name"]: one["outputs"] for one in stage["inputs"]},
        data={one["name"]: one["sha256"] for one in stage["data"]},
    )


def _metrics(entries: Entries, stage: dict[str, Any]) -> list[dict[str, Any]]:
    listed_ = json.loads(entries.get(f"{stage['location']}/metrics.json", b"[]"))
    return [{"scope": "design", **metric, "trial": "trial-0", "stage": stage["stage"]} for metric in listed_]


def _names(entries: Entries, experiment: Experiment, lock: Lock, wanted: dict[str, Any]) -> list[str]:
    """Entries that nothing gave, and those that are missing."""
    assert lock.exseos is not None
    fixed = {SPEC, *(f"spec/{name}" for name in experiment.user_files), INDEX, README, MANIFEST, SEAL, LOCK, PYLOCK, "lock/image.json"}
    fixed |= {f"lock/wheels/{lock.exseos.filename}", _LISTING}
    data = {f"data/{name}/{pin.filename}" for name, pin in lock.data.items()}
    below = tuple(f"{stage['location']}/" for stage in wanted["stages"])
    allowed = fixed | data | _EVIDENCE
    strange = [f"entry {name}" for name in entries if name not in allowed and not name.startswith((*below, "attestations/"))]
    return strange + [f"no entry {name}" for name in fixed - entries.keys()]


def _take_unsaid(index: dict[str, Any], wanted: dict[str, Any], experiment: Experiment) -> None:
    """Of another version: what the spec does not say is what that version made of it."""
    for key, name in _NOT_SAID.items():
        if key not in experiment.model_fields_set:
            wanted[name] = index[name]
    said = {stage.name: stage.parameters for stage in plan(experiment, explicit=True)}
    for one, two in zip(index["stages"], wanted["stages"], strict=False):
        if "seed" not in experiment.model_fields_set:
            two["seed"] = one["seed"]
        if one["stage"] in said and covers(one["parameters"], said[one["stage"]]):
            two["parameters"] = one["parameters"]


def covers(recorded: Any, said: Any) -> bool:
    """Whether ``recorded`` has everything that was ``said``."""
    if isinstance(said, dict):
        return isinstance(recorded, dict) and all(key in recorded and covers(recorded[key], value) for key, value in said.items())
    if isinstance(said, list):
        return isinstance(recorded, list) and len(recorded) == len(said) and all(map(covers, recorded, said))
    return bool(_plain(recorded) == _plain(said))


def _probes(index: dict[str, Any]) -> list[str]:
    able = [stage["stage"] for stage in index["stages"] if KINDS[stage["kind"]].numerics]
    stages = [probe["stage"] for probe in index["probes"]]
    return [] if len(set(stages)) == len(stages) and set(stages) <= set(able) else ["index: probes"]


def _image(entries: Entries) -> list[str]:
    """The configuration of an image, whose id is that of the index."""
    try:
        plain = json.loads(entries["lock/image.json"])
        layers = plain["rootfs"]["diff_ids"]
        whole = (
            len(plain) == 6
            and len(plain["rootfs"]) == 2
            and bool(layers)
            and all(one.startswith("sha256:") and len(one) == 71 for one in layers)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    return [] if whole else ["lock/image.json"]
