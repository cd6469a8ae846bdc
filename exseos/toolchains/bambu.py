"""``bambu``: Bambu, the open HLS tool of PandA. It needs no licence.

    synthesize: {toolchain: bambu, part: xc7z020-1clg484-VVD, clock_ns: 10}

It takes hls4ml's projects for Vitis and Vivado, but with Bambu's own headers of arbitrary precision: those that such a project brings
are for C simulation alone. The root is the folder that holds ``bin/bambu``, such as ``/opt/panda``, or the
extracted AppImage, which has it in ``usr/bin``. Cycles are those of a simulation of one test row by Verilator; area and clock come
from the logic synthesis that Bambu calls for the device, if that is within reach of the installation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from exseos.errors import StageError
from exseos.toolchains.base import Work
from exseos.toolchains.vendor.base import DESIGN_FILE, LOCALE_PACKAGES, Design, Role, VendorSynthesis, VendorToolchain
from exseos.toolchains.vendor.hls_project import copy_project, write_test_data
from exseos.toolchains.vendor.run import running

_RESULTS = "bambu_results_0.xml"
_XILINX = re.compile(r"(xc[a-z0-9]+?)(?:-([a-z]{3,4}[0-9]+)|([a-z]{3}[0-9]+))-([1-3][A-Za-z]?)(?:-[a-z])?")
"""Device, package (since UltraScale behind a hyphen) and speed grade."""
_HEADER = "#ifdef __BAMBU_SIM__\n#include <mdpi/mdpi_user.h>\n#endif\n"


class Synthesis(VendorSynthesis):
    """The ``synthesize`` section."""

    part: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]+$", description="a device by Bambu's name, such as 'xc7z020-1clg484-VVD'; default: the project's"
    )
    evaluation: bool = Field(False, description="area and clock, by the logic synthesis tool of the device")


class Bambu(VendorToolchain):
    """Takes hls4ml's projects for Vitis and Vivado."""

    name = "bambu"
    title = "Bambu"
    backends = ("Vitis", "Vivado")
    packages = (*LOCALE_PACKAGES, "g++-multilib", "procps", "verilator")
    synthesize_parameters = Synthesis
    programs = ("bin/bambu", "usr/bin/bambu")
    version_arguments = ("--version",)
    version_pattern = r"PandA ([0-9]+\.[0-9]+(?:\.[0-9]+)?)"
    usual_places = ("/opt/panda", "/opt/bambu", "~/bambu", "~/panda")
    reports: ClassVar[Mapping[Role, tuple[str, ...]]] = {"synthesize": (_RESULTS,)}

    def environment(self, root: Path, home: Path) -> dict[str, str]:
        """Its programs, the compilers of an AppImage among them."""
        folders = [path for path in (root / "bin", root / "usr/bin") if path.is_dir()]
        return {"PATH": ":".join(map(str, folders))}

    def synthesize(self, work: Work) -> None:
        """HLS and simulation; keeps the results and the Verilog."""
        section = Synthesis.model_validate(dict(work.parameters["synthesize"]))
        with running(self, work, "synthesize") as run:
            facts = copy_project(work, run.folder)
            top = str(facts["project"])
            device, clock_ns = section.part or _device(facts["part"]), section.clock_ns or facts["clock_ns"]
            # An implementation understands the project's part; of a device by Bambu's name it must be told the part.
            design = Design(top=top, clock="clock", part=section.part or facts["part"], clock_ns=clock_ns, rtl="rtl")
            write_test_data(work, run.folder, 1)
            bench = f"{top}_test.cpp"
            _keep_weights(run.folder / "firmware", top)
            if facts["io_type"] == "io_parallel":
                _declare_sizes(run.folder / bench, top)
            program = next(run.tool.root / name for name in self.programs if (run.tool.root / name).exists())
            try:
                run(
                    "high-level synthesis",
                    [
                        *(str(program), f"firmware/{top}.cpp", f"--top-fname={top}", "--generate-interface=INFER"),
                        *("--compiler=I386_CLANG16", "-O2", "-lm"),
                        *(f"--device-name={device}", f"--clock-period={design.clock_ns}"),
                        *(f"--generate-tb={bench}", "--simulate", "--simulator=VERILATOR"),
                        *(["--evaluation"] if section.evaluation else []),
                    ],
                )
                run.require([_RESULTS, f"{top}.v"])
            finally:
                run.keep(["*.log", "HLS_output/**/*.log"])
            run.keep([_RESULTS, "HLS_output/Synthesis/**/*.rpt"])
            run.keep([f"{top}.v", "*.mem"], under=design.rtl)
            work.write_json(DESIGN_FILE, design.model_dump())


def _device(part: str) -> str:
    """Bambu's name of a Xilinx part: ``xc7z020-1clg484-VVD`` of ``xc7z020clg484-1``; any other name as it is."""
    found = _XILINX.fullmatch(part)
    return f"{found[1]}-{found[4]}{found[2] or found[3]}-VVD" if found else part


def _keep_weights(firmware: Path, top: str) -> None:
    """Have the weights in the arrays' initializers: hls4ml puts them there for Xilinx's compilers alone, and otherwise loads files."""
    for path in (firmware / f"{top}.cpp", *sorted((firmware / "weights").glob("*.h"))):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("#ifndef __SYNTHESIS__", "#if 0"), encoding="utf-8")


def _declare_sizes(bench: Path, top: str) -> None:
    """Tell Bambu's simulation the sizes of the arrays that hls4ml's test bench gives to the top function."""
    text = bench.read_text(encoding="utf-8")
    call = re.compile(rf"^( *){re.escape(top)}\((.*)\);$", re.MULTILINE)
    if not call.search(text):
        raise StageError(f"{bench.name} does not call {top} as expected", where="synthesize", hint="This hls4ml writes another test bench.")

    def declared(found: re.Match[str]) -> str:
        sizes = "".join(f"m_param_alloc({place}, sizeof({name}));\n" for place, name in enumerate(re.split(r", *", found[2])))
        return f"#ifdef __BAMBU_SIM__\n{sizes}#endif\n{found[0]}"

    bench.write_text(_HEADER + call.sub(declared, text), encoding="utf-8")


TOOLCHAIN = Bambu()
