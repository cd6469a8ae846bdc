"""A forger's toolkit: take a capsule apart, change anything, and let all the rest follow.

A forger has our sources. So whatever can be computed (keys, digests, lists, ids, the index, the
README) is made consistent again by ``settle``: what an attack is refused for is never an oversight
of the forger. ``Forgery.read`` begins with a capsule, ``invented`` with nothing but words.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exseos import __version__
from exseos.capsule.claims import record_of
from exseos.digest import canonical_json
from exseos.image.dockerfile import own_config
from exseos.image.image import image_config
from exseos.image.wheel import wheel_bytes
from exseos.lock import ExseosPin, Lock, parse_lock
from exseos.manifest import Entry, Manifest
from exseos.resolve.check import check_parts
from exseos.spec import parse_spec
from exseos.study.plan import TRIAL, plan
from tests.hostile.resealing import Entries, archive, rederive, reidentify, reseal

INDEX, README = "capsule.json", "README.md"
MANIFEST, SEAL = "manifest-sha256.txt", "seal-sha256.txt"
SPEC, LOCK, PYLOCK, IMAGE = (
    "spec/spec.yaml",
    "lock/lock.json",
    "lock/pylock.toml",
    "lock/image.json",
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Forgery:
    """A capsule in parts: ``entries`` by name, and ``index`` as plain JSON."""

    def __init__(self, entries: dict[str, bytes]) -> None:
        self.entries = entries
        self.index: dict[str, Any] = json.loads(entries[INDEX])

    @staticmethod
    def read(path: Path) -> Forgery:
        """Take the capsule at ``path`` apart."""
        with zipfile.ZipFile(path) as archive:
            return Forgery({name: archive.read(name) for name in archive.namelist()})

    def stage(self, name: str) -> dict[str, Any]:
        """The record of a stage."""
        found: dict[str, Any] = next(one for one in self.index["stages"] if one["stage"] == name)
        return found

    def change(self, name: str, old: str, new: str) -> None:
        """Replace text of an entry, which must be there."""
        text = self.entries[name].decode()
        assert old in text, f"{old!r} is not in {name}"
        self.entries[name] = text.replace(old, new).encode()

    def write_below(self, location: str, files: Mapping[str, bytes]) -> None:
        """Let a location (``results/trial-0/train``) hold these files and no others."""
        for name in list(self.entries):
            if name.startswith(f"{location}/"):
                del self.entries[name]
        self.entries |= {f"{location}/{name}": data for name, data in files.items()}

    def below(self, location: str) -> dict[str, bytes]:
        """The files of a location, by their names in it."""
        start = f"{location}/"
        here = {name: data for name, data in self.entries.items() if name.startswith(start)}
        return {name.removeprefix(start): data for name, data in here.items()}

    def outputs(self, stage: str) -> dict[str, bytes]:
        """The outputs of a stage."""
        return self.below(self.stage(stage)["location"])

    def set_metrics(self, stage: str, **values: float) -> None:
        """Put other numbers into the ``metrics.json`` of a stage."""
        name = f"{self.stage(stage)['location']}/metrics.json"
        metrics = json.loads(self.entries[name])
        assert values.keys() <= {one["name"] for one in metrics}
        for one in metrics:
            one["value"] = values.get(one["name"], one["value"])
        self.entries[name] = canonical_json(metrics) + b"\n"

    @property
    def lock(self) -> dict[str, Any]:
        """A copy of the lock as plain JSON."""
        found: dict[str, Any] = json.loads(self.entries[LOCK])
        return found

    def set_lock(self, plain: Mapping[str, Any]) -> None:
        """Write the lock in the one form that it may have, though nothing in it need be true."""
        text = json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False)
        self.entries[LOCK] = text.encode() + b"\n"

    def pin_data(self, name: str, data: bytes, **more: Any) -> None:
        """Let the lock pin ``data`` for a source, and let the capsule bring it."""
        lock = self.lock
        pin = lock["data"][name]
        pin.update(sha256=sha(data), size=len(data), **more)
        self.set_lock(lock)
        self.entries[f"data/{name}/{pin['filename']}"] = data

    def settle(self, *, numbers: bool = True) -> Forgery:
        """Make everything that follows from something else follow from it again, but for what the lock pins.

        Without ``numbers`` the index keeps its metrics and claims.
        """
        return self._take(rederive(self._with_index(), numbers=numbers, lock=False))

    def seal(self) -> Forgery:
        """Make lists, id, README and seal anew, and leave the rest as it is."""
        return self._take(reidentify(self._with_index()))

    def reseal(self) -> Forgery:
        """Make the seal anew, and leave the rest as it is."""
        self.entries = reseal(self.entries)
        return self

    def _with_index(self) -> Entries:
        return {**self.entries, INDEX: canonical_json(self.index) + b"\n"}

    def _take(self, entries: Entries) -> Forgery:
        self.entries, self.index = entries, json.loads(entries[INDEX])
        return self

    def claims_of_spec(self) -> None:
        """Let the index claim what the spec claims."""
        experiment = parse_spec(self.entries[SPEC].decode(), Path("spec.yaml")).experiment()
        records = [record_of(one, TRIAL, None) for one in experiment.claims]
        self.index["claims"] = [record.model_dump() for record in records]

    def write(self, path: Path) -> Path:
        """The file, in canonical form; whether its names can be those of entries is not asked."""
        path.write_bytes(archive(self.entries))
        return path


# A capsule of which nothing ever ran: good for all that is refused before anything is run.

INVENTED_SPEC = """\
exseos: 1
name: invented
title: Nothing of this was ever run
license: CC-BY-4.0
environment: {python: "3.11", requirements: [numpy==2.0]}
data:
  events: {path: tables/events.csv, format: csv, target: kind}
  bought: {pypi: shop==1.0, member: shop/more.csv, format: csv, target: kind}
split: {train: 0.7, validation: 0.1, test: 0.2}
seed: 7
model: {call: "experiment.py:build", width: 3}
train: {epochs: 2, optimizer: adam, learning_rate: 1e-2}
convert: {backend: Vitis}
synthesize: {toolchain: vitis, part: xc7, clock_ns: 5, cosim_rows: 0}
claims:
  - {text: "Table 1: accuracy", metric: accuracy, level: float, value: 0.87, absolute: 0.01}
  - {text: "It is small", metric: lut, level: synthesized, value: 700, relative: 0.1}
"""
EVENTS, MORE = b"x,kind\n1,a\n2,b\n", b"x,kind\n3,a\n"


def _metrics(*rows: tuple[str, float, str, str]) -> bytes:
    common = {"origin": "report", "tool": "tool", "version": "1.2", "scope": "design"}
    keys = ("name", "value", "unit", "level")
    return canonical_json([{**dict(zip(keys, row, strict=True)), **common} for row in rows]) + b"\n"


OUTPUTS = {
    "prepare": {"x_train.npy": b"numbers" * 9, "prepared.json": b"{}\n"},
    "train": {"model.keras": b"weights" * 9, "objective.json": b"{}\n"},
    "evaluate": {"metrics.json": _metrics(("accuracy", 0.872, "1", "float"))},
    "convert": {"hls4ml/firmware/top.cpp": b"void top();\n"},
    "synthesize": {"metrics.json": _metrics(("lut", 749, "count", "synthesized"))},
}


def invented(spec: str = INVENTED_SPEC) -> Forgery:
    """A capsule of ``spec`` that verifies, made of words alone."""
    wheel = wheel_bytes()
    filename = f"exseos-{__version__}-py3-none-any.whl"
    lock = _lock(ExseosPin(version=__version__, filename=filename, sha256=sha(wheel)))
    experiment = parse_spec(spec, Path("spec.yaml"), check_parts).experiment()
    entries = {
        SPEC: spec.encode(),
        "spec/experiment.py": b"def build(width): ...\n",
        LOCK: lock.json_bytes(),
        PYLOCK: lock.pylock_bytes(),
        IMAGE: canonical_json(image_config(own_config(), [("nothing", sha(b""))])),
        f"lock/wheels/{filename}": wheel,
        "data/events/events.csv": EVENTS,
        "data/bought/more.csv": MORE,
        "run/host.json": b"{}\n",
    }
    pins = {pin.name: pin for pin in lock.toolchains}
    stages = []
    for one in plan(experiment):
        pin = None if one.exact else pins[one.toolchain or ""]
        entries |= {f"{one.location}/{name}": data for name, data in OUTPUTS[one.name].items()}
        stages.append(
            {
                "trial": TRIAL,
                "stage": one.name,
                "kind": one.kind,
                "exact": one.exact,
                "parameters": dict(one.parameters),
                "seed": experiment.seed,
                "inputs": [{"name": name, "stage": stage, "outputs": "0" * 64} for name, stage in sorted(one.inputs.items())],
                "data": [{"name": name, "sha256": "0" * 64} for name in sorted(one.data)],
                "files": "0" * 64 if one.declared.user_code else None,
                "toolchain": one.fingerprint({name: pin.fingerprint for name, pin in pins.items()}),
                "needs": None if pin is None else f"Vitis HLS {pin.version}",
                "key": "0" * 64,
                "outputs_digest": "0" * 64,
                "location": one.location,
            }
        )
    index = {
        "exseos_capsule": 1,
        "name": experiment.name,
        "title": experiment.title,
        "licence": experiment.license,
        "id": "0" * 64,
        "image_id": "sha256:" + "0" * 64,
        "made_with": __version__,
        "parent": None,
        "trials": [{"name": TRIAL, "chosen": True, "values": {}}],
        "stages": stages,
        "metrics": [],
        "claims": [],
        "probes": [],
        "optional": [],
    }
    forgery = Forgery({**entries, INDEX: canonical_json(index)})
    forgery.claims_of_spec()
    return forgery.settle()


def _lock(own: ExseosPin) -> Lock:
    wheel = {"name": "shop", "version": "1.0", "filename": "shop-1.0-py3-none-any.whl", "size": 9}
    plain: dict[str, Any] = {
        "request": {},
        "python": "3.11",
        "platform": "x86_64-manylinux_2_36",
        "exclude_newer": "2026-01-01T00:00:00Z",
        "packages": [],
        "data": {
            "events": {"filename": "events.csv", "size": len(EVENTS), "sha256": sha(EVENTS)},
            "bought": {
                "filename": "more.csv",
                "size": len(MORE),
                "sha256": sha(MORE),
                "archive": {**wheel, "sha256": "3" * 64},
            },
        },
        "toolchains": [{"name": "vitis", "version": "2023.2", "fingerprint": "sha256:" + "7" * 64}],
        "exseos": own.model_dump(),
        "wheels": [
            {
                "name": "numpy",
                "version": "2.0",
                "filename": "numpy-2.0-py3-none-any.whl",
                "size": 7,
                "sha256": "2" * 64,
            }
        ],
    }
    lock = Lock.model_validate(plain)
    return parse_lock(lock.json_bytes(), lock.pylock_bytes(), "lock")


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    """The list of some outputs, as a stage of ours would give it."""
    return Manifest.of(Entry(name, sha(data)) for name, data in files.items())
