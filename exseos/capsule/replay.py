"""Capsule to verdict: each stage again, on the archived inputs, and every number against what the capsule and the paper say.

The capsule is untrusted: it is verified whole before anything of it is used, and its code runs in the engine's sandbox only.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from exseos.archive import ArchiveReader
from exseos.capsule.index import IMAGE, IMAGE_CONFIG, INDEX, TEXT_LIMIT_BYTES, Index
from exseos.capsule.judge import judge_capsule, known_failures
from exseos.capsule.sessions import Sessions
from exseos.capsule.verdict import Verdict, overall
from exseos.capsule.verify import verify
from exseos.engines import choose
from exseos.engines.base import Limits
from exseos.errors import CapsuleError, DigestMismatch, ExseosError, HostError, UsageError
from exseos.image.archive import find_image, read_archive
from exseos.image.image import Image
from exseos.lock import Lock, read_lock
from exseos.manifest import check_path
from exseos.progress import Progress
from exseos.resolve import unpinned
from exseos.resolve.data import bring_data, checked
from exseos.resolve.image import image_of
from exseos.resolve.toolchains import find_installations, mismatch, pin
from exseos.spec import read_spec
from exseos.spec.models import Experiment
from exseos.store import Store
from exseos.study.vendor import Vendor, described


@dataclass(frozen=True)
class ReplayRequest:
    """What ``exseos capsule replay`` was asked for."""

    capsule: Path
    engine: str = "auto"
    allow_failed_claims: bool = False
    data: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    toolchains: Mapping[str, Path] = field(default_factory=dict)
    """Vendors' toolchains by name → the folder of their installation."""
    network_for: frozenset[str] = frozenset()
    """Toolchains whose stages may use the host's network."""
    accept: frozenset[str] = frozenset()
    """Toolchains that may be another version or build than the capsule's."""


@dataclass
class _Capsule:
    """A verified capsule, opened for replay in ``folder``."""

    reader: ArchiveReader
    index: Index
    seal: str
    experiment: Experiment
    lock: Lock
    folder: Path


def replay(request: ReplayRequest, store: Store, progress: Progress) -> Verdict:
    """Replay ``request.capsule``; raises ``CapsuleError`` if it does not verify, ``ExseosError`` if nothing can be run."""
    progress.step(f"verifying {request.capsule.name}")
    report = verify(request.capsule, progress)
    if not report.ok or report.seal is None:
        listed = "\n".join(f"  {problem}" for problem in report.problems[:20])
        raise CapsuleError(f"the capsule does not verify; it was not replayed\n{listed}", where=str(request.capsule))
    engine, why = choose(request.engine)
    version, unenforced = engine.version(), engine.unenforced()
    progress.step(f"engine: {version} ({why})")
    with store.scratch() as scratch, ArchiveReader(request.capsule) as reader, ExitStack() as stack:
        capsule = _open(reader, report.seal, scratch)
        vendors, notes = _vendors(capsule, request, progress)
        data = _bring_data(capsule, request.data, store, progress)
        image = _image(capsule, store, progress)
        sessions = stack.enter_context(
            Sessions(engine, image, capsule.folder / "spec", data, request.limits, scratch, store, progress, vendors)
        )
        entries, more = judge_capsule(capsule.index, capsule.experiment, capsule.folder, sessions, progress)
        notes += more
    known = known_failures(capsule.index, entries) if request.allow_failed_claims else []
    return Verdict(
        verdict=overall(entries, known),
        id=capsule.index.id,
        seal=capsule.seal,
        image_id=image.id,
        engine=version,
        not_enforced=unenforced,
        notes=tuple(notes),
        entries=tuple(entries),
    )


def _open(reader: ArchiveReader, seal: str, folder: Path) -> _Capsule:
    index = Index.parse(reader.read(INDEX, TEXT_LIMIT_BYTES))
    for name in reader.names:
        if name.startswith(("spec/", "lock/", "results/", "data/prepared/", *(f"run/{trial.name}/" for trial in index.trials))):
            _extract(reader, name, folder)
    (folder / "spec/spec.yaml").rename(folder / "spec.yaml")
    spec = read_spec(folder / "spec.yaml")
    lock = read_lock(folder / "lock")
    lacking = [*unpinned(lock, spec.experiment()), *([] if lock.exseos else ["exseos"])]
    if lacking:
        raise CapsuleError(f"the lock does not pin {lacking[0]}", where="lock/lock.json")
    return _Capsule(reader, index, seal, spec.experiment(), lock, folder)


def _vendors(capsule: _Capsule, request: ReplayRequest, progress: Progress) -> tuple[dict[str, Vendor], list[str]]:
    """The toolchains that the reviewer mounts, and notes for the verdict; raises ``UsageError`` for one that is not the capsule's."""
    mounted = find_installations(capsule.experiment, request.toolchains, request.network_for, progress)
    for name in sorted(request.accept - mounted.keys()):
        hint = f"Mounted are: {', '.join(mounted) or 'none'}."
        raise UsageError(f"--accept-toolchain names {name!r}, which no --toolchain mounts", where="--accept-toolchain", hint=hint)
    pins = {one.name: one for one in capsule.lock.toolchains}
    vendors, notes = {}, [f"{described(one)}: its numbers are about no hardware" for one in pins.values() if one.stand_in]
    for name, there in mounted.items():
        if difference := mismatch(pins[name], there):
            if name not in request.accept:
                hint = f"Mount that one, or accept this one with --accept-toolchain {name}; the verdict will say so."
                raise UsageError(difference, where=str(there.root), hint=hint)
            notes.append(f"{difference}: accepted by --accept-toolchain {name}")
        network = name in request.network_for
        vendors[name] = Vendor(there, pin(there), network)
        vendors[name].mounts()  # raises if they are impossible here: no verdict on the capsule
        if network:
            notes.append(f"{there}: its stages had this machine's network, as --allow-network-for {name} says")
    return vendors, notes


def _extract(reader: ArchiveReader, name: str, folder: Path) -> Path:
    """Write one entry below ``folder``; the reader has refused unsafe names."""
    path = folder / check_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for chunk in reader.chunks(name):
            stream.write(chunk)
    return path


def _bring_data(capsule: _Capsule, given: Mapping[str, Path], store: Store, progress: Progress) -> dict[str, Path | str]:
    """Each data source's file, or the reason why there is none here."""
    found: dict[str, Path | str] = {}
    for name, source in sorted(capsule.experiment.data.items()):
        pin = capsule.lock.data[name]
        entry = f"data/{name}/{pin.filename}"
        if name in given:
            found[name] = checked(name, given[name], pin)
        elif entry in capsule.reader.names:
            found[name] = _extract(capsule.reader, entry, capsule.folder)
        elif source.path is not None:
            found[name] = f"needs the data file {pin.filename} (SHA-256 {pin.sha256[:12]}…): give it with --data {name}=FILE"
        else:
            found[name] = _download(capsule, name, store, progress)
    return found


def _download(capsule: _Capsule, name: str, store: Store, progress: Progress) -> Path | str:
    source, lock = capsule.experiment.data[name], capsule.lock
    try:
        return bring_data(name, source, lock.data[name], capsule.folder, python=lock.python, cache=store.cache, progress=progress, given={})
    except DigestMismatch:
        raise
    except ExseosError as error:
        return f"the data {name} is not in the capsule and cannot be brought: {error.what}"


def _image(capsule: _Capsule, store: Store, progress: Progress) -> Image:
    """The capsule's own image, or the one that its lock determines."""
    cached = find_image((capsule.folder / IMAGE_CONFIG).read_bytes(), store.cache)
    if cached is not None:
        image = cached
    elif IMAGE in capsule.reader.names:
        progress.step("unpacking the image")
        with capsule.reader.open(IMAGE) as stream:
            image = read_archive(stream, store.cache)
    else:
        assert capsule.lock.exseos is not None
        progress.step("the image is not in the capsule: assembling it from the lock")
        try:
            image = image_of(capsule.lock, capsule.folder / "lock/wheels" / capsule.lock.exseos.filename, store.cache, progress)
        except DigestMismatch:
            raise
        except ExseosError as error:
            raise HostError(
                f"the image is not in the capsule and cannot be assembled here: {error.what}",
                where=error.where,
                hint="Replay where the package registries can be reached, or ask the authors for the capsule with its image.",
            ) from error
    if image.id != capsule.index.image_id:
        raise CapsuleError(f"the lock gives the image {image.id}, the capsule names {capsule.index.image_id}", where=IMAGE_CONFIG)
    return image
