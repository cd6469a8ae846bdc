"""Files that belong to ExSeOS-HLS but live outside its Python code: ``Dockerfile.base`` and ``capsule_templates``.

In a source checkout they are beside the package; in an installed wheel they are in ``exseos/data``.
"""

from __future__ import annotations

from pathlib import Path

from exseos.errors import HostError

PACKAGE = Path(__file__).resolve().parent
NAMES = ("Dockerfile.base", "capsule_templates")


def resource(name: str) -> Path:
    """The file or folder ``name`` (one of ``NAMES``); ``HostError`` if the installation lacks it."""
    for folder in (PACKAGE / "data", PACKAGE.parent):
        if (folder / name).exists():
            return folder / name
    raise HostError(f"the installation lacks {name}", where=str(PACKAGE), hint="Install exseos again from its wheel or a full checkout.")
