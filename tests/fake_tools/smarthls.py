"""Stand-in for SmartHLS as it comes with Libero SoC, laid out as ``microchip/Libero_SoC_v<version>/SmartHLS-<version>/SmartHLS``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import MARKER, lay_out

_LEGUP = f"""# {MARKER}: the commands of config.tcl, which sources this file
array set ::shls_parameters {{}}
proc set_project {{family device args}} {{
  if {{$family ni {{PolarFire PolarFireSoC SmartFusion2 IGLOO2 RTG4}}}} {{ error "Unknown FPGA family: $family" }}
  set ::shls_parameters(FAMILY) $family
  set ::shls_parameters(DEVICE) $device
}}
proc set_parameter {{name value}} {{
  if {{$name eq "CLOCK_PERIOD" && ![string is double -strict $value]}} {{ error "CLOCK_PERIOD must be a number, not '$value'" }}
  set ::shls_parameters($name) $value
}}
proc set_custom_top_level_module {{name}} {{ set ::shls_parameters(TOP) $name }}
foreach name {{set_operation_latency set_resource_constraint set_synthesis_top_module add_clock set_custom_config}} {{
  proc $name {{args}} {{}}
}}
"""

_MAKE = f"""# {MARKER}: the targets that every project's Makefile includes
TARGETS := clean sw_compile sw_run hw cosim rtl_synth fpga
.PHONY: $(TARGETS)
$(TARGETS):
\t@$(SHLS_ROOT_DIR)/bin/shls --stand-in-stage $@ '$(NAME)' '$(LOCAL_CONFIG)' '$(USER_CXX_FLAG)' $(SRCS)
"""


def install(folder: Path, version: str = "2024.2", behaviour: str = "good") -> Path:
    """Lay out the installation and return its root, the folder that ``SHLS_ROOT_DIR`` names."""
    return lay_out(
        folder / f"microchip/Libero_SoC_v{version}/SmartHLS-{version}/SmartHLS",
        {"bin/shls": "smarthls.py", "bin/stand_in.py": "stand_in.py"},
        tool="smarthls",
        version=version,
        behaviour=behaviour,
        files={
            "examples/legup.tcl": _LEGUP,
            "examples/Makefile.common": _MAKE,
            "smarthls-library/hls/ap_int.hpp": f"// {MARKER}\n#pragma once\n",
        },
    )
