"""What the readers name is what ``docs/metrics.md`` explains."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.readers import hls_samples, test_bambu, test_catapult, test_intel, test_open_tools, test_quartus, test_smarthls, vivado_samples
from tests.readers.reading import read

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"
SAMPLES = hls_samples.SAMPLES | vivado_samples.SAMPLES
SAMPLES |= {f"quartus {number}": text for number, text in enumerate(test_quartus.SAMPLES)}
SAMPLES |= {f"intel {number}": text for number, text in enumerate(test_intel.SAMPLES)}
SAMPLES |= {f"smarthls {number}": text for number, text in enumerate(test_smarthls.SAMPLES)}
SAMPLES |= {"bambu": test_bambu.RESULTS, "newer bambu": test_bambu.NEWER, "cycle": test_catapult.CYCLE, "rtl": test_catapult.RTL}
SAMPLES |= {"yosys": test_open_tools.flat(test_open_tools.XILINX), "nextpnr": test_open_tools.ROUTED}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_name_is_documented(name: str) -> None:
    known = set(re.findall(r"`([a-z0-9_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    known |= {f"{each[:-7]}_ns" for each in known if each.endswith("_cycles")}
    plain = re.compile(r"_(?:available|utilization_percent|failing_endpoints|total_endpoints)$")
    found = {number.name for number in read(SAMPLES[name], name).numbers}
    short = {"tns": "tns_ns", "ths": "ths_ns", "tpws": "tpws_ns"}
    assert {short.get(plain.sub("", each), plain.sub("", each)) for each in found} <= known
