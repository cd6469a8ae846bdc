"""Vivado as it is installed: ``Vivado/<version>/bin/vivado``."""

from __future__ import annotations

from pathlib import Path

from tests.fake_tools.base import PROGRAMS, lay_out

MODULES = {f"stand_in/{path.name}": f"xilinx/{path.name}" for path in sorted((PROGRAMS / "xilinx").iterdir()) if path.is_file()}
"""What every one of AMD's programs needs beside it."""


def release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def place(folder: Path, product: str, version: str, unified: bool = False) -> Path:
    """Where an installer puts a product: below its name, or since 2025.1 (``unified``) below its version."""
    return folder / version / product if unified else folder / product / version


def settings64(product: str, root: Path) -> dict[str, str]:
    """``settings64.sh``, which also finds the products that are installed beside this one."""
    version = root.name if root.parent.name == product else root.parent.name
    names = ("Vitis", "Vitis_HLS", "Vivado")
    others = [root.parent / name if root.name == product else root.parents[1] / name / version for name in names if name != product]
    lines = [f'export XILINX_{product.upper()}="{root}"', f'export PATH="{root}/bin:$PATH"']
    lines += [f'if [ -d "{other}/bin" ]; then export PATH="{other}/bin:$PATH"; fi' for other in others]
    return {"settings64.sh": "\n".join(["# EXSEOS-STAND-IN", *lines, ""])}


def install(folder: Path, version: str = "2023.2", behaviour: str = "good", *, unified: bool = False) -> Path:
    """Lay out ``version`` below ``folder``; returns ``Vivado/<version>``, or ``<version>/Vivado`` if ``unified``."""
    root = place(folder, "Vivado", version, unified)
    files = settings64("Vivado", root)
    return lay_out(root, {**MODULES, "bin/vivado": "vivado.py"}, tool="vivado", version=version, behaviour=behaviour, files=files)
