"""What a vendor's toolchain is: an installation that is mounted, never copied, and what its tools leave behind.

Its stages are *recorded*: what they give may differ from run to run, so the reports are evidence and stay outside the experiment id.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from exseos.errors import CapsuleError, StageError
from exseos.manifest import check_path
from exseos.metrics import Metric
from exseos.spec.values import PART
from exseos.toolchains.base import Tool, Toolchain, Work

Role = Literal["synthesize", "implement"]

LOCALE_PACKAGES = ("locales",)
"""Vendors' tools are tested in en_US.UTF-8, which is compiled from this package's sources when a tool starts."""

Version = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z._ -]*$", description="a version such as '2023.2'")]


class VendorSection(BaseModel):
    """A section of a spec that a vendor's toolchain reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Version | None = Field(None, description="the version that must be mounted when the spec is locked; default: any")


class VendorSynthesis(VendorSection):
    """A ``synthesize`` section."""

    toolchain: str
    clock_ns: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="target clock period; default: the project's"
    )


DESIGN_FILE = "design.json"
"""What a synthesized design is, among the outputs of its stage."""


class Design(BaseModel):
    """A design as it is handed to place and route."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top: Annotated[str, Field(pattern=r"^[A-Za-z_][\w$]*$")]
    """The top module."""
    clock: Annotated[str, Field(pattern=r"^([A-Za-z_][\w$]*)?$")] = ""
    """Its clock port."""
    part: Annotated[str, Field(pattern=PART)]
    clock_ns: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Target period."""
    rtl: Annotated[str, AfterValidator(lambda folder: check_path(folder) if folder else "")]
    """Folder of the sources, relative to the stage's outputs; empty where only the toolchain itself can go on."""


def read_design(folder: Path) -> Design:
    """The record of the design among a stage's outputs; raises ``StageError`` if it is missing or damaged.

    It may come from a capsule: its names become parts of paths and scripts.
    """
    try:
        return Design.model_validate_json((folder / DESIGN_FILE).read_bytes())
    except (OSError, ValidationError, CapsuleError) as error:
        raise StageError("the record of the design is missing or damaged", where=DESIGN_FILE) from error


class VendorToolchain(Toolchain):
    """A toolchain of a vendor. Subclasses say where its programs are, how they are called and which reports they leave."""

    exact = False
    title: ClassVar[str]
    """The vendor's own name for it, such as ``Vitis HLS``."""
    programs: ClassVar[tuple[str, ...]]
    """Its main executables: glob patterns relative to the root, that of the program to ask for the version first."""
    version_files: ClassVar[tuple[str, ...]] = ()
    """Files that name the version, as glob patterns relative to the root: part of the fingerprint, where they are there."""
    version_arguments: ClassVar[tuple[str, ...]] = ("-version",)
    version_pattern: ClassVar[str]
    """Regular expression of what the program says to ``version_arguments``; its groups make up the version, a blank between."""
    licence_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that name licence files or servers."""
    variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables by which users say where it is installed."""
    usual_places: ClassVar[tuple[str, ...]] = ()
    """Where it is often installed: glob patterns."""
    reports: ClassVar[Mapping[Role, tuple[str, ...]]]
    """Reports whose numbers are those of the stage, relative to its outputs: glob patterns, the most trusted first.

    ``{top}`` in a pattern is the design's top module.
    """

    companion_programs: ClassVar[tuple[str, ...]] = ()
    """Main executables of companions, relative to each of them: part of the fingerprint, since they make numbers too."""

    def companions(self, root: Path) -> list[Path]:
        """Further folders of the same vendor that its tools reach for, derived from ``root``; absent ones are passed over."""
        return []

    @abstractmethod
    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """Variables of its tools beside ``PATH``'s usual rest, ``HOME`` and the locale: with ``PATH`` as what comes first in it."""

    def metrics(self, role: Role, folder: Path, tool: Tool) -> list[Metric]:
        """The metrics of the reports in ``folder``, a stage's outputs: the same reports give the same list. Raises ``StageError``."""
        from exseos.toolchains.vendor.reports import read_metrics

        return read_metrics(self, role, folder, tool)

    def tool(self, work: Work) -> Tool:
        """This toolchain's installation as the stage sees it."""
        try:
            return work.toolchains[self.name]
        except KeyError:
            raise StageError(
                f"{self.title} is not mounted here", where=self.name, hint=f"Give it with --toolchain {self.name}=DIR."
            ) from None

    def synthesize(self, work: Work) -> None:
        raise StageError(f"the toolchain {self.name} does not synthesize", where="synthesize")

    def implement(self, work: Work) -> None:
        raise StageError(f"the toolchain {self.name} does not implement", where="implement")
