"""Capsule to verdict: each stage again, on the archived inputs, and every number against what the capsule and the paper say.

The capsule is untrusted: it is verified whole before anything of it is used, its code runs in the engine's sandbox only, and
what it brings to compute with is checked or named (``basis``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exseos.capsule.basis import Trust, data_entry, find_basis
from exseos.capsule.content import Content
from exseos.capsule.judge import Judge, known_failures
from exseos.capsule.verdict import Verdict, VerdictEntry, overall
from exseos.capsule.verify import verified
from exseos.engines import choose
from exseos.engines.base import Limits
from exseos.errors import DigestMismatch, ExseosError, UsageError
from exseos.network import CAPSULE, Network
from exseos.progress import Progress
from exseos.records.capsule import Capsule
from exseos.resolve.data import bring_data, checked
from exseos.resolve.origin import compare_origin
from exseos.resolve.toolchains import find_installations, mismatch, pin
from exseos.store import Store
from exseos.study.vendor import Vendor, described
from exseos.study.workers import Workers


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
    trust: Trust = field(default_factory=Trust)
    network: Network = CAPSULE


def replay(request: ReplayRequest, store: Store, progress: Progress) -> Verdict:
    """Replay ``request.capsule``; raises ``CapsuleError`` if it does not verify, ``ExseosError`` if nothing can be run."""
    progress.step(f"verifying {request.capsule.name}")
    with store.scratch() as scratch, Capsule(request.capsule) as capsule:
        content, seal = verified(capsule, "replayed", progress)
        engine, why = choose(request.engine)
        version, unenforced = engine.version(), engine.unenforced()
        progress.step(f"engine: {version} ({why})")
        vendors, notes = _vendors(content, request, progress)
        basis = find_basis(capsule, content, scratch, request.trust, request.network, store, progress)
        data, lacking, origins = _bring_data(capsule, content, request, scratch, store, progress)
        files = scratch / "spec"
        files.mkdir()
        for name in content.experiment.user_files:
            capsule.extract(f"spec/{name}", files / name)
        with Workers(engine, basis.image, files, data, request.limits, scratch / "workers", store, progress, vendors=vendors) as workers:
            judge = Judge(capsule, content, scratch / "archived", workers, lacking, progress)
            entries, more = judge.run()
    entries = [*basis.entries, *origins, *entries]
    known = known_failures(content.index, entries) if request.allow_failed_claims else []
    return Verdict(
        verdict=overall(entries, known),
        id=content.index.id,
        seal=seal,
        image_id=basis.image.id,
        engine=version,
        not_enforced=unenforced,
        notes=(*content.notes, *basis.notes, *notes, *more),
        entries=tuple(entries),
    )


def _vendors(content: Content, request: ReplayRequest, progress: Progress) -> tuple[dict[str, Vendor], list[str]]:
    """The toolchains that the reviewer mounts, and notes for the verdict; raises ``UsageError`` for one that is not the capsule's."""
    mounted = find_installations(content.experiment, request.toolchains, request.network_for, progress)
    for name in sorted(request.accept - mounted.keys()):
        hint = f"Mounted are: {', '.join(mounted) or 'none'}."
        raise UsageError(f"--accept-toolchain names {name!r}, which no --toolchain mounts", where="--accept-toolchain", hint=hint)
    pins = {one.name: one for one in content.lock.toolchains}
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


def _bring_data(
    capsule: Capsule, content: Content, request: ReplayRequest, scratch: Path, store: Store, progress: Progress
) -> tuple[dict[str, Path], dict[str, str], list[VerdictEntry]]:
    """Each data source's file, or the reason why there is none here; and what is known of where it comes from."""
    found: dict[str, Path] = {}
    lacking: dict[str, str] = {}
    entries = []
    lock = content.lock
    common: dict[str, Any] = {"cache": store.cache, "python": lock.python, "progress": progress, "network": request.network}
    for name, source in sorted(content.experiment.data.items()):
        pinned = lock.data[name]
        entry = f"data/{name}/{pinned.filename}"
        if name in request.data:
            found[name] = checked(name, request.data[name], pinned)
        elif entry in capsule:
            found[name] = capsule.extract(entry, scratch / "data" / name)
            found[name].chmod(0o644)
        elif source.path is not None:
            lacking[name] = f"needs the data file {pinned.filename} (SHA-256 {pinned.sha256[:12]}…): give it with --data {name}=FILE"
        else:
            try:
                found[name] = bring_data(name, source, pinned, scratch, given={}, **common)
            except DigestMismatch:
                raise
            except ExseosError as error:
                what = f"{error.what} {error.hint}" if error.hint else error.what
                lacking[name] = f"the data {name} is not in the capsule and cannot be brought: {what}"
        if name in found:
            origin = compare_origin(name, source, pinned, **common)
            if shown := data_entry(name, origin, trusted=request.trust.data):
                entries.append(shown)
    return found, lacking, entries
