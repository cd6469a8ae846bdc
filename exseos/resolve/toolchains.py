"""The vendors' toolchains that a spec names: pinned by version and fingerprint, and checked before each use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from exseos.errors import UsageError
from exseos.lock import Lock, ToolchainPin
from exseos.progress import Progress
from exseos.spec.models import Experiment
from exseos.toolchains import designs
from exseos.toolchains.vendor.base import VendorToolchain
from exseos.toolchains.vendor.installation import Installation, installation, vendor


def vendor_toolchains(experiment: Experiment) -> dict[str, VendorToolchain]:
    """The toolchains of ``experiment`` that are mounted, by name."""
    return {name: tool for name, tool in designs.toolchains(experiment).items() if isinstance(tool, VendorToolchain)}


def wanted_versions(experiment: Experiment, name: str) -> list[str]:
    """The versions that the spec asks of a toolchain, sorted."""
    sections = [(one.section.toolchain, one.section.own) for one in designs.syntheses(experiment)]
    sections += [
        (designs.implementer(one, designs.design_of(experiment, one)).name, one.section.own) for one in designs.implementations(experiment)
    ]
    return sorted({str(own["version"]) for toolchain, own in sections if toolchain == name and own.get("version")})


def find_installations(
    experiment: Experiment, given: Mapping[str, Path], network_for: Collection[str], progress: Progress
) -> dict[str, Installation]:
    """The installations that the user named; raises ``UsageError`` for one that the experiment does not use."""
    used = vendor_toolchains(experiment)
    for option, names in (("--toolchain", given), ("--allow-network-for", network_for)):
        for name in names:
            vendor(name)
            if name not in used:
                hint = f"It uses: {', '.join(used) or 'none that is mounted'}."
                raise UsageError(f"the experiment does not use the toolchain {name}", where=option, hint=hint)
    for name in sorted(set(network_for) - given.keys()):
        raise UsageError(f"--allow-network-for names {name!r}, which no --toolchain mounts", where="--allow-network-for")
    found = {}
    for name, root in given.items():
        found[name] = installation(name, root)
        network = ", with the host's network" if name in network_for else ""
        progress.step(f"toolchain: {found[name]}{network}")
    return found


def pin_toolchains(experiment: Experiment, mounted: Mapping[str, Installation]) -> tuple[ToolchainPin, ...]:
    """What the lock says of each; raises ``UsageError`` for one that is not mounted, or of a version that the spec does not want."""
    pins = []
    for name, tool in vendor_toolchains(experiment).items():
        there = mounted.get(name)
        if there is None:
            raise UsageError(
                f"the spec needs {tool.title}, which is not mounted: the lock must say which version it is",
                where=name,
                hint=f"Give its installation with --toolchain {name}=DIR; `exseos doctor` lists the ones on this machine.",
            )
        wanted = wanted_versions(experiment, name)
        if wanted and wanted != [there.version]:
            raise UsageError(
                f"the spec wants {tool.title} {' and '.join(wanted)}, mounted is {there.version}",
                where=str(there.root),
                hint="Mount that version, or change `version` in the spec.",
            )
        pins.append(pin(there))
    return tuple(pins)


def pin(there: Installation) -> ToolchainPin:
    """The pin of one installation: no path of the host, no value of a licence variable."""
    return ToolchainPin(
        name=there.toolchain.name,
        version=there.version,
        fingerprint=there.fingerprint,
        licence_variables=there.toolchain.licence_variables,
    )


def check_mounted(lock: Lock, mounted: Mapping[str, Installation], hint: str) -> None:
    """Raise ``UsageError`` for an installation that the lock does not pin, or pins as another one; ``hint`` says what to do."""
    pins = {pin.name: pin for pin in lock.toolchains}
    for name, there in mounted.items():
        if name not in pins:
            known = ", ".join(pins) or "none"
            raise UsageError(f"nothing here uses the toolchain {name}", where="--toolchain", hint=f"The lock names: {known}.")
        if difference := mismatch(pins[name], there):
            raise UsageError(difference, where=str(there.root), hint=hint)


def mismatch(pin: ToolchainPin, there: Installation) -> str:
    """In what an installation is not the one pinned; empty if it is that one."""
    title = there.toolchain.title
    if pin.stand_in != there.stand_in:
        real, other = ("a stand-in", "the real tool") if pin.stand_in else ("the real tool", "a stand-in")
        return f"the lock pins {real} for {title}, mounted is {other}"
    if pin.version != there.version:
        return f"the lock pins {title} {pin.version}, mounted is {there.version}"
    if pin.fingerprint != there.fingerprint:
        return f"{title} {there.version} is mounted, but its programs are not those that the lock pins (another build or patch)"
    return ""
