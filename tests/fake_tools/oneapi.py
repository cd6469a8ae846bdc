"""Stand-in for oneAPI's C++ compiler with its FPGA support, laid out as ``oneapi``; beside it the Quartus that a full compile calls."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import MARKER, lay_out

QUARTUS = "intelFPGA_pro/23.4/quartus"
"""Where the Quartus Prime Pro for full compiles is laid out, below the same folder as ``oneapi``."""


def _setvars(root: Path, number: str) -> str:
    return f"""#!/bin/sh
# {MARKER}: sets up the shell, as the real script does
if [ -n "${{BASH_VERSION:-}}" ]; then _oneapi=$(cd "$(dirname "${{BASH_SOURCE:-$0}}")" && pwd); else _oneapi='{root}'; fi
_force=0
for _argument in "$@"; do
  case "$_argument" in
    --force) _force=1 ;;
    --config=*|--include-intel-llvm|intel64|ia32) ;;
    --help) echo "usage: source setvars.sh [--force] [--config=file] [--help] [...]"; return 0 2>/dev/null || exit 0 ;;
  esac
done
if [ -n "${{SETVARS_COMPLETED:-}}" ] && [ "$_force" = 0 ]; then
  echo ":: WARNING: setvars.sh has already been run. Skipping re-execution."
  echo "   To force a re-execution of setvars.sh, use the '--force' option."
  return 3 2>/dev/null || exit 3
fi
echo ":: initializing oneAPI environment ..."
echo ":: compiler -- latest"
ONEAPI_ROOT="$_oneapi"
export ONEAPI_ROOT
. "$_oneapi/compiler/{number}/env/vars.sh"
SETVARS_COMPLETED=1
export SETVARS_COMPLETED
echo ":: oneAPI environment initialized ::"
"""


def _vars(root: Path, number: str) -> str:
    return f"""#!/bin/sh
# {MARKER}: the compiler's own part of setvars.sh
CMPLR_ROOT="${{ONEAPI_ROOT:-{root}}}/compiler/{number}"
FPGA_VARS_DIR="$CMPLR_ROOT/opt/oclfpga"
INTELFPGAOCLSDKROOT="$FPGA_VARS_DIR"
PATH="$CMPLR_ROOT/bin:$FPGA_VARS_DIR/bin:$PATH"
LD_LIBRARY_PATH="$CMPLR_ROOT/lib:$FPGA_VARS_DIR/host/linux64/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export CMPLR_ROOT FPGA_VARS_DIR INTELFPGAOCLSDKROOT PATH LD_LIBRARY_PATH
"""


def _says(text: str) -> str:
    return f"#!/bin/sh\n# {MARKER}: only says its version\necho '{text}'\n"


def install(folder: Path, version: str = "2024.0.2", behaviour: str = "good") -> Path:
    """Lay out the installation and return its root, which holds ``setvars.sh`` and ``compiler``."""
    number = ".".join(version.split(".")[:2])
    root = folder / "oneapi"
    compiler = f"compiler/{number}"
    lay_out(
        root,
        {f"{compiler}/bin/icpx": "oneapi_icpx.py", f"{compiler}/bin/stand_in.py": "stand_in.py"},
        tool="oneapi",
        version=version,
        behaviour=behaviour,
        files={
            "setvars.sh": _setvars(root, number),
            f"{compiler}/env/vars.sh": _vars(root, number),
            f"{compiler}/opt/oclfpga/bin/aoc": _says(f"Intel(R) FPGA SDK for OpenCL(TM), 64-Bit Offline Compiler Version {version}"),
        },
    )
    (root / compiler / "opt/oclfpga/bin/aoc").chmod(0o755)
    latest = root / "compiler/latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(number)
    shell = folder / QUARTUS / "bin/quartus_sh"
    shell.parent.mkdir(parents=True, exist_ok=True)
    shell.write_text(_says("Quartus Prime Shell\nVersion 23.4.0 Build 79 11/22/2023 SC Pro Edition"))
    shell.chmod(0o755)
    return root
