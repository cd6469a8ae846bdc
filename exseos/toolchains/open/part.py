"""Names of FPGA parts: what Lattice's and Xilinx's ordering codes say."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

from exseos.errors import UsageError

# Lattice, ECP5 and ECP5-5G family data sheet (FPGA-DS-02012), ordering information: devices and their packages.
_PACKAGES = {"TG144": "TQFP144", "BG256": "CABGA256", "MG285": "CSFBGA285", "BG381": "CABGA381", "BG554": "CABGA554", "BG756": "CABGA756"}
_PINS_OF = {
    "12F": ("TG144", "BG256", "MG285", "BG381"),
    "25F": ("TG144", "BG256", "MG285", "BG381"),
    "45F": ("TG144", "BG256", "MG285", "BG381", "BG554"),
    "85F": ("MG285", "BG381", "BG554", "BG756"),
}
_SERDES_PINS = ("MG285", "BG381", "BG554", "BG756")
_FAMILIES = {"LFE5U": ("", ("6", "7", "8")), "LFE5UM": ("um-", ("6", "7", "8")), "LFE5UM5G": ("um5g-", ("8",))}

_XILINX = (
    (re.compile(r"xc7[akszv].*"), "xc7"),
    (re.compile(r"xa7.*"), "xc7"),
    (re.compile(r"xc(ku|vu)\d+p.*|xczu\d+.*|xcu\d+.*|xck26.*"), "xcup"),
    (re.compile(r"xc(ku|vu)\d+-.*"), "xcu"),
)


@dataclass(frozen=True)
class Part:
    """One FPGA: the maker's name, Yosys' family, and nextpnr's arguments when it can place and route it."""

    name: str
    family: str
    """``ecp5``, or Yosys' name of a Xilinx family: ``xc7``, ``xcu``, ``xcup``."""
    nextpnr: tuple[str, ...] = ()

    @property
    def routable(self) -> bool:
        """Whether the open toolchain can place and route it."""
        return bool(self.nextpnr)


def parse_part(name: str) -> Part:
    """The part called ``name`` (any case); an unknown one is a ``UsageError`` that lists the nearest names."""
    ecp5 = _ecp5_parts()
    if name.upper() in ecp5:
        return ecp5[name.upper()]
    for pattern, family in _XILINX:
        if pattern.fullmatch(name.lower()):
            return Part(name.lower(), family)
    close = difflib.get_close_matches(name.upper(), ecp5, 4, cutoff=0.5)
    meant = f"Did you mean {', '.join(close)}? " if close else ""
    raise UsageError(
        f"the open toolchain does not know the part {name!r}",
        where="synthesize.part",
        hint=f"{meant}It knows ECP5 ordering codes (LFE5U-85F-6BG756C) and Xilinx parts (xc7a100t-csg324-1, xcu250-figd2104-2L-e).",
    )


@cache
def _ecp5_parts() -> dict[str, Part]:
    """All ECP5 ordering codes: family, size, speed grade, package, temperature grade."""
    parts = {}
    for family, (prefix, speeds) in _FAMILIES.items():
        for size, pins in _PINS_OF.items():
            if prefix and size == "12F":
                continue
            for pin in pins:
                if prefix and pin not in _SERDES_PINS:
                    continue
                for speed in speeds:
                    arguments = (f"--{prefix}{size[:-1]}k", "--package", _PACKAGES[pin], "--speed", speed)
                    for grade in "CI":
                        name = f"{family}-{size}-{speed}{pin}{grade}"
                        parts[name] = Part(name, "ecp5", arguments)
    return parts
