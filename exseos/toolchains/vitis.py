"""``vitis``: Vitis HLS, through ``vitis-run`` or, before 2023.1, ``vitis_hls``.

    synthesize: {toolchain: vitis, part: xcvu13p-flga2577-2-e, clock_ns: 5, cosim_rows: 20}

The root is the folder of one release: ``/tools/Xilinx/Vitis/2023.2``, ``/tools/Xilinx/2025.1/Vitis``, or of older ones
``/tools/Xilinx/Vitis_HLS/2022.2``. Folders of the same release beside it (Vivado, Vitis_HLS) are mounted too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from exseos.toolchains.vendor.xilinx import XilinxHls, siblings, tool_environment


class Vitis(XilinxHls):
    """Takes hls4ml's projects for Vitis."""

    name = "vitis"
    title = "Vitis HLS"
    backends = ("Vitis",)
    programs = ("bin/vitis-run", "bin/vitis_hls", "bin/unwrapped/lnx64.o/vitis_hls", "bin/unwrapped/lnx64.o/vitis-run*")
    version_pattern = r"(?i)(?:vitis[-_ ](?:run|hls)\b[^\n]*?|vitis )v(20[0-9]{2}\.[0-9](?:\.[0-9]+)?)"
    companion_programs = tuple(f"{folder}/{name}" for name in ("vivado", "vitis_hls") for folder in ("bin", "bin/unwrapped/lnx64.o"))
    variables = ("XILINX_VITIS", "XILINX_HLS")
    usual_places = tuple(
        f"{base}/Xilinx/{tail}" for base in ("/tools", "/opt", "~") for tail in ("Vitis/20*", "Vitis_HLS/20*", "20*/Vitis")
    )

    def companions(self, root: Path) -> list[Path]:
        """Vivado, whose simulator and logic synthesis it calls, and the other half of releases that are in two folders."""
        return siblings(root, ("Vivado", "Vitis_HLS", "Vitis"))

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """As the release's ``settings64.sh`` sets them."""
        variable = "XILINX_HLS" if "Vitis_HLS" in root.parts else "XILINX_VITIS"
        return tool_environment(root, variable, [path for path in self.companions(root) if path.is_dir()])

    def hls_command(self, root: Path, folder: Path, options: Mapping[str, int]) -> list[str]:
        """Options stand in a file of the project."""
        values = "".join(f"    {name} {value}\n" for name, value in options.items())
        (folder / "build_opt.tcl").write_text(f"array set opt {{\n{values}}}\n", encoding="ascii")
        vitis_run = root / "bin/vitis-run"
        if vitis_run.exists():
            return [str(vitis_run), "--mode", "hls", "--tcl", "build_prj.tcl"]
        return [str(root / "bin/vitis_hls"), "-f", "build_prj.tcl"]


TOOLCHAIN = Vitis()
