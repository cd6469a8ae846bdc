"""Yosys' statistics and nextpnr's report."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exseos.readers.base import ReportError
from tests.readers.damage import cut_or_thinned, design, has_nothing_new, levels, read_alone, scoped, without_each_line

ECP5 = {"LUT4": 61, "TRELLIS_FF": 32, "CCU2C": 23, "MULT18X18D": 4, "DP16KD": 5}
XILINX = {
    "LUT2": 11,
    "LUT6": 12,
    "FDRE": 13,
    "FDSE": 14,
    "CARRY4": 15,
    "DSP48E1": 16,
    "RAMB18E1": 17,
    "RAMB36E1": 18,
    "URAM288": 19,
    "BUFG": 1,
}
STAT = json.dumps(
    {
        "creator": "Yosys 0.51 (git sha1 0123)",
        "invocation": "stat -json ",
        "modules": {
            "\\top": {"num_wires": 71, "num_cells": 62, "num_submodules": 2, "num_cells_by_type": {"LUT4": 62, "part": 2}},
            "\\part": {"num_wires": 9, "num_cells": 8, "num_submodules": 0, "num_cells_by_type": {"LUT4": 5, "TRELLIS_FF": 3}},
        },
        "design": {"num_wires": 89, "num_cells": 78, "num_submodules": 2, "num_cells_by_type": {"LUT4": 72, "TRELLIS_FF": 6, "part": 2}},
    },
    indent=3,
)
ROUTED = json.dumps(
    {
        "critical_paths": [{"from": "posedge clk", "path": [{"delay": 0.5}], "to": "posedge clk"}],
        "fmax": {"clk": {"achieved": 117.375, "constraint": 80}},
        "utilization": {
            "TRELLIS_COMB": {"available": 24288, "used": 308},
            "TRELLIS_FF": {"available": 24289, "used": 131},
            "MULT18X18D": {"available": 28, "used": 3},
            "DP16KD": {"available": 56, "used": 2},
            "TRELLIS_IO": {"available": 197, "used": 41},
            "DCCA": {"available": 57, "used": 1},
        },
    },
    indent=1,
)


def flat(cells: dict[str, int], **more: float) -> str:
    found = {"num_cells": sum(cells.values()), "num_cells_by_type": cells, **more}
    return json.dumps({"creator": "Yosys 0.70 (git sha1 28ba)", "modules": {"\\top": found}, "design": found})


def test_cells_of_lattice() -> None:
    report = read_alone(flat(ECP5))
    assert (report.tool, report.version, levels(report)) == ("yosys", "0.70", {"synthesized"})
    assert design(report) == {"cells": 125, "lut": 61, "ff": 32, "carry": 23, "dsp": 4, "bram_18k": 5}


def test_cells_of_xilinx() -> None:
    expected = {"lut": 23, "ff": 27, "carry": 15, "dsp": 16, "ramb18": 17, "ramb36": 18, "bram_18k": 53, "bram36": 26.5, "uram": 19}
    assert design(read_alone(flat(XILINX))) == expected | {"cells": 136}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"CFG3": 2, "CFG4": 3, "SLE": 7, "ARI1": 11, "MACC_PA": 13}, {"lut": 5, "ff": 7, "carry": 11, "dsp": 13}),
        ({"EFX_LUT4": 3, "EFX_FF": 5, "EFX_ADD": 7}, {"lut": 3, "ff": 5, "carry": 7}),
        ({"CC_LUT3": 3, "CC_LUT4": 5, "CC_DFF": 7, "CC_ADDF": 11, "CC_MULT": 13}, {"lut": 8, "ff": 7, "carry": 11, "dsp": 13}),
        ({"LUT4": 3, "FD1P3IX": 5, "CCU2": 7, "PDPSC16K": 11, "MULT18X18": 13}, {"lut": 3, "ff": 5, "carry": 7, "bram_18k": 11, "dsp": 13}),
        (
            {"LUT1": 3, "DFF": 5, "ALU": 7, "SPX9": 11, "SDPB": 13, "MULT18X18": 17},
            {"lut": 3, "ff": 5, "carry": 7, "bram_18k": 24, "dsp": 17},
        ),
        ({"MISTRAL_ALUT3": 3, "MISTRAL_FF": 5, "MISTRAL_M10K": 7, "MISTRAL_MUL18X18": 11}, {"lut": 3, "ff": 5, "m20k": 7, "dsp": 11}),
        ({"$lut": 3, "$scopeinfo": 1}, {"lut": 3}),
    ],
)
def test_cells_of_other_families(cells: dict[str, int], expected: dict[str, int]) -> None:
    found = design(read_alone(flat(cells)))
    assert found.pop("cells") == sum(cells.values())
    assert found == expected


def test_without_a_top_module_there_are_only_modules() -> None:
    statistics = json.loads(STAT)
    del statistics["design"]
    report = read_alone(json.dumps(statistics))
    assert design(report) == {}
    assert scoped(report, "part")["lut"] == 5


def test_a_standard_cell_library_has_area_and_no_luts() -> None:
    report = read_alone(flat({"sky130_fd_sc_hd__buf_2": 3, "sky130_fd_sc_hd__or2_2": 4}, area=65.625))
    assert design(report) == {"cells": 7, "area": 65.625}


def test_each_module_is_a_scope() -> None:
    report = read_alone(STAT)
    assert design(report) == {"cells": 78, "wires": 89, "lut": 72, "ff": 6}
    assert scoped(report, "part") == {"cells": 8, "wires": 9, "lut": 5, "ff": 3}
    assert scoped(report, "top") == {"cells": 62, "wires": 71, "lut": 62}


def test_versions_that_count_instances_as_cells() -> None:
    assert design(read_alone(STAT.replace('"num_cells": 78', '"num_cells": 80')))["lut"] == 72


def test_cells_that_do_not_add_up() -> None:
    with pytest.raises(ReportError, match="add up"):
        read_alone(STAT.replace('"num_cells": 78', '"num_cells": 79'))


def test_a_routed_design() -> None:
    report = read_alone(ROUTED)
    assert (report.tool, levels(report)) == ("nextpnr", {"routed"})
    used = {"lut": 308, "ff": 131, "dsp": 3, "bram_18k": 2, "io": 41}
    available = {"lut": 24288, "ff": 24289, "dsp": 28, "bram_18k": 56, "io": 197}
    assert design(report) == used | {f"{name}_available": value for name, value in available.items()} | {
        "fmax_mhz": 117.375,
        "clock_target_ns": 12.5,
    }


def test_of_several_clocks_none_is_the_designs() -> None:
    report = read_alone(json.dumps({"fmax": {"a": {"achieved": 50.5, "constraint": 40}, "b": {"achieved": 61.5}}, "utilization": {}}))
    assert design(report) == {}
    assert scoped(report, "a") == {"fmax_mhz": 50.5, "clock_target_ns": 25.0}
    assert scoped(report, "b") == {"fmax_mhz": 61.5}


@pytest.mark.parametrize("text", [STAT, ROUTED])
def test_without_any_one_line(text: str) -> None:
    assert all(has_nothing_new(text, damaged) for damaged in without_each_line(text))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_cut_off_anywhere(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([STAT, ROUTED]))
    assert has_nothing_new(text, data.draw(cut_or_thinned(text)))
