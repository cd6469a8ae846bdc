"""One plain Keras network over every vendor's toolchain, in one capsule, each with the Debian packages that it asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from exseos.capsule.inspect import inspect
from exseos.metrics import Level
from exseos.toolchains.vendor.installation import vendor_toolchains
from tests.e2e.running import Exseos
from tests.fake_tools import bambu, catapult, oneapi, quartus, smarthls, vitis, vivado, vivado_hls

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

INSTALLERS = {
    module.__name__.rpartition(".")[2]: module.install for module in (bambu, catapult, oneapi, quartus, smarthls, vitis, vivado, vivado_hls)
}
SECTIONS = """\
model: {call: "experiment.py:build_model", hidden: [4]}
train: {epochs: 2, optimizer: adam, learning_rate: 1e-2}
convert: [{backend: Vitis}, {backend: Vivado}, {backend: Quartus}, {backend: oneAPI}, {backend: Catapult}, {backend: Libero}]
synthesize:
  - {toolchain: vitis}
  - {toolchain: vivado_hls}
  - {toolchain: quartus}
  - {toolchain: oneapi}
  - {toolchain: catapult}
  - {toolchain: smarthls}
  - {toolchain: bambu, convert: vitis}
implement:
  - {toolchain: vivado, design: vitis}
  - {toolchain: vivado, design: catapult}
  - {toolchain: quartus}
  - {toolchain: oneapi}
  - {toolchain: smarthls}
"""
MEASURED: dict[str, tuple[Level, set[str]]] = {
    "synthesize-vitis": ("estimated", {"lut", "ff", "dsp", "bram_18k", "latency_max_cycles", "interval_max", "clock_estimated_ns"}),
    "synthesize-vivado_hls": ("estimated", {"lut", "ff", "dsp", "bram_18k", "latency_max_cycles", "interval_max", "clock_estimated_ns"}),
    "synthesize-quartus": ("estimated", {"lut", "ff", "dsp", "m20k"}),
    "synthesize-oneapi": ("estimated", {"lut", "ff", "dsp", "m20k"}),
    "synthesize-catapult": ("estimated", {"lut", "latency_max_cycles", "interval_max"}),
    "synthesize-smarthls": ("estimated", {"latency_max_cycles"}),
    "synthesize-bambu": ("cosimulated", {"latency_max_cycles"}),
    "implement-vitis": ("routed", {"lut", "ff", "dsp", "bram36", "wns_ns", "fmax_mhz", "power_w"}),
    "implement-catapult": ("routed", {"lut", "ff", "dsp", "bram36", "wns_ns", "fmax_mhz", "power_w"}),
    "implement-quartus": ("routed", {"alm", "ff", "dsp", "m20k", "fmax_mhz", "wns_ns"}),
    "implement-oneapi": ("routed", {"alm", "ff", "dsp", "m20k", "fmax_mhz"}),
    "implement-smarthls": ("routed", {"lut", "ff", "fmax_mhz"}),
}


def test_every_toolchain_in_one_capsule(warm: Exseos, sources: Path, tmp_path: Path) -> None:
    assert set(INSTALLERS) == {tool.name for tool in vendor_toolchains()}
    roots = {name: install(tmp_path / "tools" / name) for name, install in INSTALLERS.items()}
    arguments = [word for name, root in roots.items() for word in ("--toolchain", f"{name}={root}")]
    folder = tmp_path / "experiment"
    folder.mkdir()
    shutil.copyfile(sources / "capsule_templates/csim/experiment.py", folder / "experiment.py")
    text = (sources / "examples/tiny/spec.yaml").read_text()
    text = text[: text.index("model:")].replace("name: tiny", "name: all").replace('python: "3.11"', 'python: "3.11"\n  packages: [tcl]')
    (folder / "spec.yaml").write_text(text + SECTIONS)
    exseos, capsule = warm.but(folder=tmp_path), tmp_path / "all.capsule.zip"

    ended = exseos("capsule", "build", folder / "spec.yaml", "-o", capsule, "--without", "image", *arguments, seconds=1800)
    assert ended.code == 0, ended.text
    seen = inspect(capsule)
    for stage, (level, names) in MEASURED.items():
        assert names <= set(seen.designs[stage][level]), stage
    assert {stage.stage for stage in seen.stages if not stage.exact} == set(MEASURED)
    assert ended.out.count("STAND-IN") >= len(MEASURED)

    ended = exseos("capsule", "replay", capsule, "--json", seconds=1800)
    assert ended.code == 4, ended.text
    entries = json.loads(ended.out)["entries"]
    stages = {entry["name"]: entry["verdict"] for entry in entries if entry["kind"] == "stage"}
    assert {name for name, verdict in stages.items() if verdict == "not checkable here"} == set(MEASURED)
    assert {verdict for name, verdict in stages.items() if name not in MEASURED} == {"identical"}
    assert all(entry["expected"] == entry["found"] for entry in entries if entry["kind"] == "metric")
