"""Names of parts, and how a toolchain is found by its name."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from exseos.errors import UsageError
from exseos.toolchains.base import find, names
from exseos.toolchains.open.part import parse_part


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LFE5U-85F-6BG756C", ["--85k", "--package", "CABGA756", "--speed", "6"]),
        ("lfe5u-12f-7tg144i", ["--12k", "--package", "TQFP144", "--speed", "7"]),
        ("LFE5UM-45F-8MG285C", ["--um-45k", "--package", "CSFBGA285", "--speed", "8"]),
        ("LFE5UM5G-25F-8BG381I", ["--um5g-25k", "--package", "CABGA381", "--speed", "8"]),
    ],
)
def test_ecp5(name: str, arguments: list[str]) -> None:
    part = parse_part(name)
    assert (part.name, part.family, list(part.nextpnr), part.routable) == (name.upper(), "ecp5", arguments, True)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("xc7a100t-csg324-1", "xc7"),
        ("xc7z020clg400-1", "xc7"),
        ("xcku040-ffva1156-2-e", "xcu"),
        ("xcvu13p-flga2577-2-e", "xcup"),
        ("xczu7ev-ffvc1156-2-e", "xcup"),
        ("XCU250-figd2104-2L-e", "xcup"),
    ],
)
def test_xilinx_is_only_mapped(name: str, family: str) -> None:
    part = parse_part(name)
    assert (part.family, part.routable) == (family, False)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LFE5U-85F-6BG765C", "LFE5U-85F-6BG756C"),
        ("LFE5UM5G-85F-6BG756C", "LFE5UM5G-85F-8BG756C"),
        ("LFE5U-12F-6BG756C", "LFE5U-12F-6BG256C"),
    ],
)
def test_an_unknown_part_gets_the_nearest_names(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"does not know the part '{name}'") as caught:
        parse_part(name)
    assert meant in str(caught.value.hint)


def test_the_spec_section_knows_parts_and_limits() -> None:
    section = find("open").synthesize_parameters
    assert section.model_validate({"toolchain": "open"}).model_dump() == {
        "toolchain": "open",
        "part": "LFE5U-85F-6BG756C",
        "clock_ns": 10.0,
        "latency_cutoff": 2.0,
        "hard_dc": 2,
    }
    with pytest.raises(ValidationError, match=r"Did you mean .*LFE5U-85F-6BG756C, "):
        section.model_validate({"part": "LFE5U-85F-6BG756"})
    for wrong in ({"clock_ns": 0}, {"latency_cutoff": -1}, {"hard_dc": -2}, {"speed": 1}):
        with pytest.raises(ValidationError):
            section.model_validate(wrong)


def test_toolchains_are_found_by_name() -> None:
    assert "open" in names()
    assert find("open").name == "open" and find("open").exact
    with pytest.raises(UsageError, match="there is no toolchain 'opn'") as caught:
        find("opn")
    assert "Did you mean 'open'?" in str(caught.value.hint)


def test_declaring_a_toolchain_is_light() -> None:
    code = "import sys; from exseos.toolchains.base import find, names; [find(n) for n in names()]; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert not [module for module in ("numpy", "keras", "tensorflow", "hls4ml", "da4ml", "pyosys") if f"'{module}'" in loaded]
