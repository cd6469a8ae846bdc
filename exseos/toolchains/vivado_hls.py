"""``vivado_hls``: Vivado HLS, until 2020.1.

    synthesize: {toolchain: vivado_hls, part: xc7z020clg400-1, clock_ns: 10}

The root is the folder of one release, such as ``/tools/Xilinx/Vivado/2019.2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exseos.toolchains.vendor.xilinx import XilinxHls, tool_environment


class VivadoHls(XilinxHls):
    """Takes hls4ml's projects for Vivado."""

    name = "vivado_hls"
    title = "Vivado HLS"
    backends = ("Vivado",)
    programs = ("bin/vivado_hls", "bin/unwrapped/lnx64.o/vivado_hls")
    version_pattern = r"(?i)Vivado(?:\(TM\))? HLS[^\n]*? v(20[0-9]{2}\.[0-9](?:\.[0-9]+)?)"
    variables = ("XILINX_VIVADO", "XILINX_HLS")
    usual_places = tuple(f"{base}/Xilinx/Vivado/20*" for base in ("/tools", "/opt", "~"))

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """As the release's ``settings64.sh`` sets them."""
        return tool_environment(root, "XILINX_VIVADO", [])

    def hls_command(self, root: Path, folder: Path, options: Mapping[str, int]) -> list[str]:
        """Options are one argument of the script."""
        return [str(root / "bin/vivado_hls"), "-f", "build_prj.tcl", " ".join(f"{name}={value}" for name, value in options.items())]


TOOLCHAIN = VivadoHls()
