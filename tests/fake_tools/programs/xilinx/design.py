"""EXSEOS-STAND-IN: devices, and the numbers that the stand-ins report, drawn from the design that they were given."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A device as the reports tell it; ``slrs`` is the number of its super logic regions."""

    name: str
    family: str
    bram_18k: int
    dsp: int
    ff: int
    lut: int
    uram: int
    slrs: int

    @property
    def device(self) -> str:
        return re.split(r"-|(?<=\d)(?:clg|ffg|fbg|csg|cpg|fgg|sbg)", self.name)[0]

    @property
    def ultrascale(self) -> bool:
        return self.family not in ("zynq", "artix7", "kintex7", "virtex7")


_DEVICES = {
    "xcvu13p": ("virtexuplus", 5376, 12288, 3456000, 1728000, 1280, 4),
    "xcvu9p": ("virtexuplus", 4320, 6840, 2364480, 1182240, 960, 3),
    "xcvu37p": ("virtexuplusHBM", 4032, 9024, 2607360, 1303680, 960, 3),
    "xcu250": ("virtexuplus", 5376, 12288, 3456000, 1728000, 1280, 4),
    "xcu280": ("virtexuplusHBM", 4032, 9024, 2607360, 1303680, 960, 3),
    "xcu50": ("virtexuplusHBM", 2688, 5952, 1743360, 871680, 640, 2),
    "xcku040": ("kintexu", 1200, 1920, 484800, 242400, 0, 1),
    "xcku115": ("kintexu", 4320, 5520, 1326720, 663360, 0, 2),
    "xczu3eg": ("zynquplus", 432, 360, 141120, 70560, 0, 1),
    "xczu7ev": ("zynquplus", 624, 1728, 460800, 230400, 96, 1),
    "xczu9eg": ("zynquplus", 1824, 2520, 548160, 274080, 0, 1),
    "xck26": ("zynquplus", 288, 1248, 234240, 117120, 64, 1),
    "xc7z010": ("zynq", 120, 80, 35200, 17600, 0, 1),
    "xc7z020": ("zynq", 280, 220, 106400, 53200, 0, 1),
    "xc7z045": ("zynq", 1090, 900, 437200, 218600, 0, 1),
    "xc7a35t": ("artix7", 100, 90, 41600, 20800, 0, 1),
    "xc7a100t": ("artix7", 270, 240, 126800, 63400, 0, 1),
    "xc7k325t": ("kintex7", 890, 840, 407600, 203800, 0, 1),
    "xc7vx690t": ("virtex7", 2940, 3600, 866400, 433200, 0, 1),
}
_SPEED = re.compile(r"-?[a-z]{3,4}\d{2,4}-[0-9]L?V?(-[a-z])?", re.IGNORECASE)


def part_named(name: str) -> Part | None:
    """The part ``device-package-speed``; None for one that is not installed."""
    for device in sorted(_DEVICES, key=len, reverse=True):
        if name.startswith(device) and _SPEED.fullmatch(name[len(device) :]):
            return Part(name, *_DEVICES[device])
    return None


class Draw:
    """Numbers that only depend on ``seed``, and that are all different and not zero."""

    def __init__(self, *seed: str) -> None:
        self._seed = "\0".join(seed)
        self._taken = {0}

    def between(self, name: str, low: int, high: int) -> int:
        value = low + int.from_bytes(hashlib.sha256(f"{self._seed}\0{name}".encode()).digest()[:8], "big") % (high - low + 1)
        while value in self._taken:
            value += 1
        self._taken.add(value)
        return value

    def share(self, name: str, available: int) -> int:
        """Between 1 and 20 percent of what the device has, 0 where it has none."""
        return self.between(name, max(1, available // 100), max(9, available // 5)) if available else 0


def digest(texts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


@dataclass(frozen=True)
class Estimate:
    """What C synthesis says of one module."""

    lut: int
    ff: int
    dsp: int
    bram_18k: int
    uram: int
    latency_min: int
    latency_average: int
    latency_max: int
    interval_min: int
    interval_max: int
    clock_ns: str
    estimated_ns: str
    uncertainty_ns: str

    @property
    def slack_ns(self) -> float:
        return float(self.clock_ns) - float(self.uncertainty_ns) - float(self.estimated_ns)


def estimate(design: str, part: Part, clock_ns: float, uncertainty_ns: float, scope: str, *, misses: bool = False) -> Estimate:
    """The estimates of the module ``scope`` of the design with this digest; ``misses`` its clock or not."""
    draw = Draw(design, part.name, f"{clock_ns:.3f}", scope)
    budget = clock_ns - uncertainty_ns
    reached = clock_ns * draw.between("miss", 1050, 1400) / 1000 if misses else budget * draw.between("reach", 550, 950) / 1000
    least = draw.between("latency", 40, 400)
    interval = draw.between("interval", 3, 30)
    return Estimate(
        lut=draw.share("lut", part.lut),
        ff=draw.share("ff", part.ff),
        dsp=draw.share("dsp", part.dsp),
        bram_18k=draw.share("bram", part.bram_18k),
        uram=draw.share("uram", part.uram),
        latency_min=least,
        latency_average=draw.between("average", least + 1, least + 9),
        latency_max=draw.between("most", least + 11, least + 30),
        interval_min=interval,
        interval_max=draw.between("interval most", interval + 1, interval + 9),
        clock_ns=f"{clock_ns:.2f}",
        estimated_ns=f"{reached:.3f}",
        uncertainty_ns=f"{uncertainty_ns:.2f}",
    )


@dataclass(frozen=True)
class Sources:
    """C++ files of a design and what they include, in the order of their inclusion."""

    texts: tuple[tuple[str, bytes], ...]
    missing: tuple[tuple[str, int, int, str], ...]
    """Where a header is included that is not there: file, line, column, header."""

    @property
    def digest(self) -> str:
        return digest([text for _, text in self.texts])


_INCLUDE = re.compile(rb'[ \t]*#[ \t]*include[ \t]+"([^"]+)"')
_OWN_HEADERS = re.compile(r"(ap_|hls_|ac_)\w+\.h|utils/.*|etc/.*")


def sources(files: list[str]) -> Sources:
    """Read ``files`` and, again and again, what they include in quotes; headers of the tool itself are left out."""
    texts: dict[str, bytes] = {}
    missing: list[tuple[str, int, int, str]] = []
    waiting = list(files)
    while waiting:
        name = waiting.pop(0)
        if name in texts:
            continue
        texts[name] = Path(name).read_bytes()
        for number, line in enumerate(texts[name].splitlines(), 1):
            if found := _INCLUDE.match(line):
                header = found[1].decode()
                place = _beside(name, header, files)
                if place:
                    waiting.append(place)
                elif not _OWN_HEADERS.fullmatch(header):
                    missing.append((name, number, found.start(1), header))
    return Sources(tuple(texts.items()), tuple(missing))


def _beside(name: str, header: str, files: list[str]) -> str:
    for folder in (Path(name).parent, *(Path(file).parent for file in files)):
        if (folder / header).is_file():
            return os.path.normpath(folder / header)
    return ""
