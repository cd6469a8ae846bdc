"""``open``: from an HGQ2 model to a placed and routed ECP5 without any licence.

da4ml writes Verilog, Yosys maps it, nextpnr places and routes it, and Yosys' CXXRTL simulates it at register-transfer
and at gate level. All run inside the image, and all are exact.

Sections of a spec:

    synthesize: {toolchain: open, part: LFE5U-85F-6BG756C, clock_ns: 10, latency_cutoff: 2, hard_dc: 2}
    implement: {seed: 1, gate_rows: 64}

A Xilinx part is mapped by Yosys for numbers of resources; only ECP5 parts can be placed and routed.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator

from exseos.errors import UsageError
from exseos.toolchains.base import Toolchain, Work
from exseos.toolchains.open.part import parse_part


class Synthesize(BaseModel):
    """The ``synthesize`` section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    toolchain: Literal["open"] = "open"
    part: str = Field("LFE5U-85F-6BG756C", description="an ECP5 in Lattice's ordering code, or a Xilinx part (no place and route)")
    clock_ns: PositiveFloat = Field(10.0, description="target clock period")
    latency_cutoff: PositiveFloat = Field(2.0, description="adder levels between two registers: fewer are faster and need more registers")
    hard_dc: Annotated[int, Field(ge=-1, le=32)] = Field(
        2, description="adder levels that da4ml may add to save area; -1: as many as it likes"
    )

    @field_validator("part")
    @classmethod
    def _known_part(cls, part: str) -> str:
        try:
            parse_part(part)
        except UsageError as error:
            raise ValueError(f"{error.what}. {error.hint}") from error
        return part


class Implement(BaseModel):
    """The ``implement`` section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(1, description="seed of the placer")
    gate_rows: Annotated[int, Field(ge=0)] = Field(64, description="test rows simulated at gate level; 0: none")


class OpenToolchain(Toolchain):
    """da4ml, Yosys, nextpnr-ecp5."""

    name = "open"
    exact = True
    requirements: ClassVar[tuple[str, ...]] = ()
    packages = ("g++",)
    implements = ("open",)
    synthesize_parameters = Synthesize
    implement_parameters = Implement

    def synthesize(self, work: Work) -> None:
        """See ``exseos.toolchains.open.synthesize``."""
        from exseos.toolchains.open.synthesize import synthesize

        synthesize(work, Synthesize.model_validate(dict(work.parameters["synthesize"])))

    def implement(self, work: Work) -> None:
        """See ``exseos.toolchains.open.implement``."""
        from exseos.toolchains.open.implement import implement

        implement(
            work,
            Synthesize.model_validate(dict(work.parameters["synthesize"])),
            Implement.model_validate(dict(work.parameters.get("implement", {}))),
        )


TOOLCHAIN = OpenToolchain()
