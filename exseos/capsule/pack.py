"""Results to archive: every entry of a capsule, in order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exseos import __version__
from exseos.archive import ArchiveWriter
from exseos.digest import sha256_bytes, sha256_file
from exseos.errors import CapsuleError, DigestMismatch, UsageError
from exseos.manifest import Entry, Manifest
from exseos.progress import Progress
from exseos.records.bounded import read_json
from exseos.records.index import Index
from exseos.records.names import IMAGE, IMAGE_CONFIG, INDEX, LOCK, MANIFEST, PYLOCK, README, SEAL, WHEELS, is_exact, is_optional, is_sealed
from exseos.records.parts import ClaimRecord, DataFile, Input, MetricRecord, OptionalFile, Probe, StageRecord, Trial
from exseos.records.readme import render
from exseos.study.plan import TRIAL
from exseos.study.trial import StageResult
from exseos.study.vendor import described

if TYPE_CHECKING:
    from exseos.capsule.build import Prepared


PARENT = "parent.json"
"""The file of an unpacked experiment that names the one it came from."""
_MOST_PARENT_BYTES = 1000
_PARENT_HINT = "Take the file out of the folder if this experiment was not made from another."
_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Packed:
    """What was packed."""

    index: Index
    seal: str


@dataclass(frozen=True)
class _Content:
    """One entry: its SHA-256 and how it gets into the archive."""

    sha256: str
    size: int
    add: Callable[[ArchiveWriter, str], str]


def pack(
    output: Path,
    ready: Prepared,
    results: Sequence[StageResult],
    metrics: Sequence[MetricRecord],
    claims: Sequence[ClaimRecord],
    host: Mapping[str, Any],
    without: frozenset[str],
    progress: Progress,
) -> Packed:
    """Write the capsule to ``output``, whole or not at all."""
    progress.step(f"packing {output.name}")
    entries = dict(_exact_entries(ready, results))
    stages = tuple(_record(result, results, ready) for result in results)
    for stage, result in zip(stages, results, strict=True):
        if listing := stage.listing:
            listed = Manifest.of(Entry(f"{stage.location}/{entry.path}", entry.sha256) for entry in result.manifest)
            entries[listing] = _data(listed.text.encode())
    data = dict(_data_entries(ready, results))
    manifest = _list(entries, is_exact)
    index = Index(
        name=ready.experiment.name,
        title=ready.experiment.title,
        licence=ready.experiment.license,
        id=manifest.digest,
        image_id=ready.image.id,
        made_with=__version__,
        parent=parent_of(ready.spec.folder),
        trials=(Trial(name=TRIAL, chosen=True, values={}),),
        stages=stages,
        metrics=tuple(metrics),
        claims=tuple(claims),
        probes=tuple(
            Probe(stage=result.plan.name, **result.facts["probe"])
            for result in results
            if result.plan.declared.numerics and "probe" in result.facts
        ),
        optional=tuple(OptionalFile(name=name, sha256=content.sha256, size=content.size) for name, content in sorted(data.items())),
    )
    entries[MANIFEST] = _data(manifest.text.encode())
    entries[INDEX] = _data(index.to_bytes())
    entries[README] = _data(render(index).encode())
    entries |= {name: _data(value) for name, value in _run_entries(results, host)}
    entries |= dict(_recorded_entries(results))
    seal = _list(entries, is_sealed)
    entries[SEAL] = _data(seal.text.encode())
    kept = {name for name, source in ready.experiment.data.items() if source.redistribute}
    if "data" not in without:
        whole = len(kept) == len(ready.experiment.data)
        entries |= {
            name: content for name, content in data.items() if (whole if name.startswith("data/prepared/") else name.split("/")[1] in kept)
        }
    with ArchiveWriter(output) as archive:
        for name in sorted([*entries, *([] if "image" in without else [IMAGE])], key=str.encode):
            if name == IMAGE:
                archive.add_stream(IMAGE, ready.image.archive_size(), ready.image.archive())
            elif entries[name].add(archive, name) != entries[name].sha256:
                raise DigestMismatch("a file changed while it was packed", where=name, hint="Build again; finished stages are kept.")
    return Packed(index, seal.digest)


def _exact_entries(ready: Prepared, results: Sequence[StageResult]) -> Iterable[tuple[str, _Content]]:
    yield "spec/spec.yaml", _data(ready.spec.path.read_bytes())
    for name in ready.experiment.user_files:
        yield f"spec/{name}", _data((ready.files / name).read_bytes())
    yield LOCK, _data(ready.lock.json_bytes())
    yield PYLOCK, _data(ready.lock.pylock_bytes())
    yield IMAGE_CONFIG, _data(ready.image.config_bytes)
    yield f"{WHEELS}{ready.wheel.name}", _file(ready.wheel)
    for result in results:
        if result.plan.location.startswith("results/"):
            yield from _outputs(result)


def _data_entries(ready: Prepared, results: Sequence[StageResult]) -> Iterable[tuple[str, _Content]]:
    for name, path in ready.data.items():
        pin = ready.lock.data[name]
        yield f"data/{name}/{pin.filename}", _file(path, pin.sha256)
    for result in results:
        if result.plan.location.startswith("data/"):
            yield from _outputs(result)


def _run_entries(results: Sequence[StageResult], host: Mapping[str, Any]) -> Iterable[tuple[str, bytes]]:
    yield "run/host.json", _json(host)
    facts = [{"trial": TRIAL, "stage": result.plan.name, "from_store": result.reused, **result.facts} for result in results]
    yield "run/stages.json", _json(facts)


def _recorded_entries(results: Sequence[StageResult]) -> Iterable[tuple[str, _Content]]:
    """What vendors' tools left: evidence of this run, sealed, but outside the experiment id."""
    for result in results:
        if not result.plan.exact:
            yield from _outputs(result)


def _outputs(result: StageResult) -> Iterable[tuple[str, _Content]]:
    for entry in result.manifest:
        yield f"{result.plan.location}/{entry.path}", _file(result.folder / entry.path, entry.sha256)


def _record(result: StageResult, results: Sequence[StageResult], ready: Prepared) -> StageRecord:
    """``needs`` names the toolchain of a recorded stage: without it nobody can run the stage again."""
    plan = result.plan
    pins = {pin.name: pin for pin in ready.lock.toolchains}
    digests = {other.plan.name: other.manifest.digest for other in results}
    return StageRecord(
        trial=TRIAL,
        stage=plan.name,
        kind=plan.kind,
        exact=plan.exact,
        parameters=dict(plan.parameters),
        seed=ready.experiment.seed,
        inputs=tuple(Input(name=name, stage=stage, outputs=digests[stage]) for name, stage in sorted(plan.inputs.items())),
        data=tuple(DataFile(name=name, sha256=ready.lock.data[name].sha256) for name in plan.data),
        files=ready.files_digest if plan.declared.user_code else None,
        toolchain=plan.fingerprint({name: pin.fingerprint for name, pin in pins.items()}),
        needs=None if plan.exact else described(pins[plan.toolchain or ""]),
        key=result.key,
        outputs_digest=result.manifest.digest,
        location=plan.location,
    )


def _list(entries: Mapping[str, _Content], wanted: Callable[[str], bool]) -> Manifest:
    return Manifest.of(Entry(name, content.sha256) for name, content in entries.items() if wanted(name) and not is_optional(name))


def _data(data: bytes) -> _Content:
    return _Content(sha256_bytes(data), len(data), lambda archive, name: archive.add_bytes(name, data))


def _file(path: Path, sha256: str | None = None) -> _Content:
    return _Content(sha256 or sha256_file(path), path.stat().st_size, lambda archive, name: archive.add_file(name, path))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def parent_of(folder: Path) -> str | None:
    """The experiment id that an unpacked experiment came from; raises ``UsageError`` if ``parent.json`` does not say it."""
    path = folder / PARENT
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            plain = read_json(stream.read(_MOST_PARENT_BYTES + 1), str(path), most_bytes=_MOST_PARENT_BYTES)
        parent = plain["id"] if isinstance(plain, dict) else None
    except CapsuleError as error:
        raise UsageError(error.what, where=str(path), hint=_PARENT_HINT) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path), hint=_PARENT_HINT) from error
    except KeyError:
        parent = None
    if not isinstance(parent, str) or not _ID.fullmatch(parent):
        raise UsageError("it does not name the experiment that this one was made from", where=str(path), hint=_PARENT_HINT)
    return parent
