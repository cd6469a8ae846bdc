"""Stand-in for Quartus Prime Standard with the Intel HLS compiler, laid out as ``intelFPGA/<version>``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import MARKER, lay_out

_INIT = f"""# {MARKER}: sets up the shell for i++, as the real script does
_hls=$(cd "$(dirname "${{BASH_SOURCE[0]:-$0}}")" && pwd)
echo "Assuming current directory ($_hls) is root of i++"
export INTELFPGAOCLSDKROOT="$_hls"
export QUARTUS_ROOTDIR_OVERRIDE="${{QUARTUS_ROOTDIR_OVERRIDE:-$(dirname "$_hls")/quartus}}"
for _folder in "$_hls/bin" "$QUARTUS_ROOTDIR_OVERRIDE/bin" "$(dirname "$_hls")/modelsim_ase/bin"; do
  echo "Adding $_folder to PATH"
  export PATH="$_folder:$PATH"
done
export LD_LIBRARY_PATH="$_hls/host/linux64/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
"""

_REPORT = f"""# {MARKER}: called by the generate_report.tcl of a project of i++
proc generate_hls_report {{project revision report clk2x components}} {{
  exec $::program --stand-in-hls-report $revision $report {{*}}$components >@stdout 2>@stderr
}}
proc update_html_report_data {{}} {{}}
"""

_VSIM = f"""#!/bin/sh
# {MARKER}: the ModelSim that comes with Quartus
[ "$1" = -version ] || {{ echo '** Error: this stand-in only says its version' >&2; exit 1; }}
echo 'Model Technology ModelSim - INTEL FPGA STARTER EDITION vsim 10.6d Simulator 2018.02 Feb 24 2018'
"""


def install(folder: Path, version: str = "19.1.0", behaviour: str = "good") -> Path:
    """Lay out the installation and return its root, which holds ``quartus``, ``hls`` and ``modelsim_ase``."""
    short = ".".join(version.split(".")[:2])
    tools = ("quartus_sh", "quartus_map", "quartus_fit", "quartus_sta", "quartus_pow")
    programs = {f"quartus/bin/{name}": "quartus_sh.py" for name in tools}
    programs |= {"hls/bin/i++": "quartus_ixx.py", "hls/bin/stand_in.py": "stand_in.py", "quartus/bin/stand_in.py": "stand_in.py"}
    root = lay_out(
        folder / "intelFPGA" / short,
        programs,
        tool="quartus",
        version=version,
        behaviour=behaviour,
        files={
            "quartus/version.txt": f"Version={version}.670\nEdition=Standard\n",
            "hls/init_hls.sh": _INIT,
            "hls/share/lib/tcl/quartus_compile_report.tcl": _REPORT,
            "modelsim_ase/bin/vsim": _VSIM,
        },
    )
    (root / "modelsim_ase/bin/vsim").chmod(0o755)
    return root
