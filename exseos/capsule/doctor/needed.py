"""The vendors' toolchains that a spec needs: are they given, are they the ones locked, and if not given, which would do?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from exseos.capsule.doctor.findings import Finding
from exseos.capsule.doctor.toolchains import Toolchains, flag
from exseos.lock import Lock
from exseos.resolve.toolchains import mismatch, vendor_toolchains, wanted_versions
from exseos.spec.models import Experiment
from exseos.toolchains.vendor.base import VendorToolchain
from exseos.toolchains.vendor.installation import Installation


def unused(experiment: Experiment, given: Collection[str]) -> list[Finding]:
    """A problem for each toolchain that was given and is not used: a build refuses it."""
    used = vendor_toolchains(experiment)
    hint = f"Leave it out; the experiment uses: {', '.join(used) or 'none that is mounted'}."
    text = "--toolchain gives it, and the experiment does not use it"
    return [Finding("spec", name, "problem", text, hint) for name in given if name not in used]


def needed(
    tool: VendorToolchain, experiment: Experiment, given: Collection[str], tools: Toolchains, lock: Lock | None, path: Path
) -> Iterator[Finding]:
    """What a build says of ``tool``, which the spec at ``path`` needs."""
    pin = next((pin for pin in lock.toolchains if pin.name == tool.name), None) if lock else None
    wanted = wanted_versions(experiment, tool.name)

    def wrong(there: Installation) -> str:
        if pin is not None:
            return mismatch(pin, there)
        return "" if wanted in ([], [there.version]) else f"the spec wants {tool.title} {' and '.join(wanted)}, this is {there.version}"

    if tool.name in given:
        yield _given(tool, tools.given.get(tool.name), wrong, pin is not None, path)
        return
    here = [there for there in tools.installations if there.toolchain.name == tool.name]
    fitting = [there for there in here if not wrong(there)]
    text = f"its stages need {tool.title} {pin.version if pin else ' and '.join(wanted)}".strip() + ", which no --toolchain gives"
    if fitting:
        hint = f"It is here: add `{flag(fitting[0])}`."
    elif here:
        text += f"; here: {'; '.join(wrong(there) for there in here)}"
        hint = f"Mount the one wanted, or lock the spec to this one: `exseos lock {shlex.quote(str(path))} {flag(here[0])}`."
    else:
        hint = f"Give its installation with --toolchain {tool.name}=DIR."
    yield Finding("spec", tool.name, "problem", text, hint)


def _given(tool: VendorToolchain, there: Installation | None, wrong: Callable[[Installation], str], locked: bool, path: Path) -> Finding:
    if there is None:
        text = f"the folder that --toolchain gives is no {tool.title} that can be used"
        return Finding("spec", tool.name, "problem", text, "See what is said of it among the toolchains.")
    if difference := wrong(there):
        hint = f"Mount that one, or lock the spec to this one: `exseos lock {shlex.quote(str(path))} {flag(there)}`."
        return Finding("spec", tool.name, "problem", difference, hint)
    text = f"{there} is given" + (", and is the one locked" if locked else "; the lock will pin it")
    return Finding("spec", tool.name, "note" if there.stand_in else "ok", text)
