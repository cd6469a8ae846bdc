"""What this machine can do, and what would stop a build, each problem with the next step.

Nothing is changed but what trying the engines takes, and nothing is asked of the network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from exseos.capsule.doctor import disk, machine, network
from exseos.capsule.doctor.engines import examine_engines
from exseos.capsule.doctor.findings import SECONDS, Finding, gather
from exseos.capsule.doctor.spec import examine_spec
from exseos.capsule.doctor.toolchains import examine_toolchains
from exseos.toolchains.vendor.installation import Installation, vendor, vendor_toolchains
from exseos.toolchains.vendor.licence import redacted, secrets

__all__ = ["Examination", "Finding", "examine"]


@dataclass(frozen=True)
class Examination:
    """All findings, section by section."""

    findings: tuple[Finding, ...]
    engine: str | None
    """The one that ``auto`` takes; None: none works."""
    installations: tuple[Installation, ...] = field(default=())
    """Installations of vendors' toolchains that can be used."""
    spec: Path | None = None

    @property
    def stops(self) -> tuple[Finding, ...]:
        """What would stop a build."""
        return tuple(finding for finding in self.findings if finding.state == "problem")


def examine(
    spec: Path | None = None,
    toolchains: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] = os.environ,
    seconds: float = SECONDS,
) -> Examination:
    """Examine this machine, and the spec at ``spec`` if there is one; ``toolchains`` are folders by name.

    Raises ``UsageError`` for a toolchain that does not exist or is not mounted; whatever else is wrong is a finding.
    """
    given = toolchains or {}
    for name in given:
        vendor(name)
    found = gather([*machine.checks(), *disk.checks()], seconds)
    tried, engine = examine_engines(seconds=seconds)
    tools = examine_toolchains(given, environment, seconds)
    found += [*tried, *tools.findings, *gather(network.checks(environment), seconds)]
    if spec is not None:
        found += examine_spec(spec, given, tools, environment, seconds)
    hidden = secrets(vendor_toolchains(), environment)
    told = [replace(one, text=redacted(one.text, hidden), next_step=redacted(one.next_step, hidden)) for one in found]
    return Examination(tuple(told), engine, tuple(tools.installations), spec)
