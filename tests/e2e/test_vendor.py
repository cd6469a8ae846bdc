"""Vendors' toolchains from the command line: built, replayed with and without them, and every way in which they fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from exseos.capsule.inspect import inspect
from exseos.capsule.verdict import Verdict
from tests.e2e.conftest import require_engine
from tests.e2e.running import Ended, Exseos
from tests.e2e.test_full_disk import disk, grow
from tests.e2e.vendor import CAPSULE, Tools, build, licence_server, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.network]

RECORDED = ("synthesize-vitis", "implement")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools.lay_out(tmp_path_factory.mktemp("tools") / "opt/Xilinx")


@pytest.fixture(scope="module")
def begun(warm: Exseos, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> tuple[Exseos, Path]:
    """All exact stages in a store, and the spec with its lock: what a build has that failed in the first vendor's stage."""
    folder = tmp_path_factory.mktemp("begun")
    spec = write_spec(warm.sources, folder / "experiment")
    store = folder / "store"
    store.mkdir()
    (store / "cache").symlink_to(warm.store / "cache")
    exseos = warm.but(store=store, folder=folder)
    ended = exseos("lock", spec, *tools.arguments)
    assert ended.code == 0, ended.text
    broken = Tools.lay_out(folder / "broken", "syntax")
    ended = build(exseos, spec, broken, seconds=1800)
    assert ended.code == 1, ended.text
    assert not (folder / CAPSULE).exists()
    return exseos, spec


def with_stages_of(exseos: Exseos, folder: Path) -> Exseos:
    """``exseos`` in ``folder``, with a store of its own there that has the same stages."""
    store = folder / "store"
    store.mkdir()
    (store / "cache").symlink_to(exseos.store / "cache")
    shutil.copytree(exseos.store / "stages", store / "stages", copy_function=os.link)
    return exseos.but(store=store, folder=folder)


@pytest.fixture
def exseos(begun: tuple[Exseos, Path], tmp_path: Path) -> Exseos:
    """``exseos`` with a store that has the exact stages and no other."""
    return with_stages_of(begun[0], tmp_path)


@pytest.fixture
def spec(begun: tuple[Exseos, Path]) -> Path:
    return begun[1]


@pytest.fixture(scope="module")
def finished(begun: tuple[Exseos, Path], tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Exseos:
    """``exseos`` that has built the capsule by bubblewrap with the stand-ins that work."""
    exseos = with_stages_of(begun[0], tmp_path_factory.mktemp("finished"))
    ended = build(exseos, begun[1], tools)
    assert ended.code == 0, ended.text
    return exseos


@pytest.fixture(scope="module")
def capsule(finished: Exseos) -> Path:
    return finished.folder / CAPSULE


def replayed(exseos: Exseos, capsule: Path, *arguments: str, engine: str = "bubblewrap") -> tuple[Verdict, Ended]:
    ended = exseos("capsule", "replay", capsule, "--json", "--engine", engine, *arguments)
    assert ended.out, ended.text
    return Verdict.model_validate_json(ended.out), ended


def verdicts(verdict: Verdict, kind: str) -> dict[str, str]:
    return {entry.name: entry.verdict for entry in verdict.entries if entry.kind == kind}


def again(exseos: Exseos, spec: Path, folder: Path) -> None:
    """With tools that work, only what failed runs again, and the capsule is made."""
    ended = build(exseos, spec, Tools.lay_out(folder))
    assert ended.code == 0, ended.text
    assert "train: already in the store" in ended.err
    assert "synthesize-vitis: running" in ended.err
    assert (exseos.folder / CAPSULE).exists()


def test_installations_by_relative_paths(exseos: Exseos, spec: Path) -> None:
    tools = Tools.lay_out(exseos.folder / "opt/Xilinx")
    relative = [argument.replace(f"{exseos.folder}/", "") for argument in tools.arguments]
    assert [argument.partition("=")[2] for argument in relative[1::2]] == ["opt/Xilinx/Vitis/2023.2", "opt/Xilinx/Vivado/2023.2"]
    ended = exseos("capsule", "build", os.path.relpath(spec, exseos.folder), "-o", CAPSULE, "--without", "image", *relative)
    assert ended.code == 0, ended.text
    _, replay = replayed(exseos, Path(CAPSULE), *relative)
    assert replay.code == 0, replay.text


def test_recorded_stages_are_evidence_outside_the_id(capsule: Path, tools: Tools) -> None:
    seen = inspect(capsule)
    kinds = {stage.stage: (stage.exact, stage.needs) for stage in seen.stages}
    assert kinds["synthesize-vitis"] == (False, "Vitis HLS 2023.2 (STAND-IN, not the real tool)")
    assert kinds["implement"] == (False, "Vivado 2023.2 (STAND-IN, not the real tool)")
    assert kinds["synthesize-open"] == (True, None)
    assert seen.designs["implement"]["routed"]["wns_ns"] > 0
    assert seen.designs["synthesize-vitis"]["estimated"]["latency_max_cycles"] > 0
    assert seen.designs["synthesize-vitis"]["cosimulated"]["latency_max_cycles"] > 0
    with zipfile.ZipFile(capsule) as archive:
        names = archive.namelist()
        exact = archive.read("manifest-sha256.txt").decode()
        lock = json.loads(archive.read("lock/lock.json"))
        readme = archive.read("README.md").decode()
        texts = [archive.read(name) for name in names if not name.startswith("run/")]
    assert "run/trial-0/synthesize-vitis/myproject_prj/solution1/syn/report/myproject_csynth.xml" in names
    assert "run/trial-0/implement/reports/power_routed.rpt" in names
    assert not any(name.startswith(f"results/trial-0/{stage}/") for stage in RECORDED for name in names)
    assert "run/" not in exact
    assert {pin["name"]: pin["version"] for pin in lock["toolchains"]} == {"vitis": "2023.2", "vivado": "2023.2"}
    assert all(pin["fingerprint"].startswith("stand-in:") for pin in lock["toolchains"])
    assert "Not real: synthesize-vitis, implement ran with a stand-in" in readme
    assert "2023\\_2" not in readme
    assert not any(str(tools.folder).encode() in text for text in texts)


def test_replay_without_the_tools(begun: tuple[Exseos, Path], capsule: Path) -> None:
    verdict, ended = replayed(begun[0], capsule)
    assert ended.code == 4, ended.text
    assert verdict.verdict == "not fully checkable"
    stages = verdicts(verdict, "stage")
    assert {name for name, judged in stages.items() if judged == "not checkable here"} == set(RECORDED)
    assert {judged for name, judged in stages.items() if name not in RECORDED} == {"identical"}
    reasons = {entry.name: entry.detail for entry in verdict.entries if entry.kind == "stage"}
    assert reasons["implement"].startswith("needs Vivado 2023.2 (STAND-IN, not the real tool); its archived reports give the recorded")
    assert verdicts(verdict, "claim") == {
        "The hardware computes what Keras computes": "identical",
        "It has registers": "not checkable here",
    }
    again_read = {entry.name: (entry.expected, entry.found) for entry in verdict.entries if entry.kind == "metric"}
    assert again_read["wns_ns (routed)"][0] == again_read["wns_ns (routed)"][1]
    assert any("STAND-IN" in note for note in verdict.notes)


@pytest.mark.parametrize("engine", ["bubblewrap", "docker"])
def test_replay_with_the_tools(begun: tuple[Exseos, Path], capsule: Path, tools: Tools, engine: str) -> None:
    require_engine(engine)
    verdict, ended = replayed(begun[0], capsule, *tools.arguments, engine=engine)
    assert ended.code == 0, ended.text
    assert set(verdicts(verdict, "stage").values()) == {"identical"}
    assert set(verdicts(verdict, "claim").values()) == {"identical"}
    assert not any(name.startswith("tool_run_time_s") for name in verdicts(verdict, "metric"))


def test_docker_gives_the_same_id(exseos: Exseos, spec: Path, tools: Tools, capsule: Path) -> None:
    require_engine("docker")
    ended = build(exseos, spec, tools, engine="docker")
    assert ended.code == 0, ended.text
    one, other = inspect(capsule), inspect(exseos.folder / CAPSULE)
    assert one.id == other.id
    assert one.seal != other.seal


def test_other_numbers_of_the_same_tool_change_the_seal_only(exseos: Exseos, spec: Path, capsule: Path, tmp_path: Path) -> None:
    """The fingerprint is of the programs: the same tool that says something else is the same experiment with other evidence."""
    slow = Tools.lay_out(tmp_path / "slow", "timing")
    ended = build(exseos, spec, slow)
    assert ended.code == 0, ended.text
    one, other = inspect(capsule), inspect(exseos.folder / CAPSULE)
    assert one.id == other.id
    assert one.seal != other.seal
    assert other.designs["implement"]["routed"]["wns_ns"] < 0 < one.designs["implement"]["routed"]["wns_ns"]
    verdict, ended = replayed(exseos, capsule, *slow.arguments)
    assert ended.code == 3, ended.text
    assert verdicts(verdict, "metric")["wns_ns (routed)"] == "different"
    assert verdicts(verdict, "stage")["synthesize-open"] == "identical"


def test_another_version_mounted(exseos: Exseos, spec: Path, capsule: Path, tmp_path: Path) -> None:
    newer = Tools.lay_out(tmp_path / "newer", version="2024.1")
    ended = build(exseos, spec, newer)
    assert ended.code == 2
    assert "the lock pins Vitis HLS 2023.2, mounted is 2024.1" in ended.error
    assert "exseos lock spec.yaml" in ended.error
    ended = exseos("capsule", "replay", capsule, *newer.arguments)
    assert ended.code == 2
    assert "--accept-toolchain vitis" in ended.error
    accept = ["--accept-toolchain", "vitis", "--accept-toolchain", "vivado"]
    verdict, _ = replayed(exseos, capsule, *newer.arguments, *accept)
    assert "the lock pins Vitis HLS 2023.2, mounted is 2024.1: accepted by --accept-toolchain vitis" in verdict.notes


def test_not_mounted(exseos: Exseos, spec: Path, tools: Tools, tmp_path: Path) -> None:
    ended = build(exseos, spec, None)
    assert ended.code == 2
    assert ended.error.startswith("synthesize-vitis: this stage needs Vitis HLS 2023.2, which is not mounted")
    assert "--toolchain vitis=DIR" in ended.error
    ended = build(exseos, spec, None, "--toolchain", f"vitis={tmp_path / 'nowhere'}")
    assert ended.code == 2
    assert "there is no folder for Vitis HLS" in ended.error
    ended = build(exseos, spec, None, "--toolchain", f"vitis={tools.folder}")
    assert ended.code == 2
    assert "this is no installation of Vitis HLS" in ended.error
    assert f"Did you mean --toolchain vitis={tools.folder}/Vitis" in ended.error
    unlocked = shutil.copytree(spec.parent, tmp_path / "unlocked", ignore=shutil.ignore_patterns("*.lock"))
    ended = build(exseos, unlocked / "spec.yaml", None)
    assert ended.code == 2
    assert "the spec needs Vitis HLS, which is not mounted: the lock must say which version it is" in ended.error


def test_what_is_built_needs_no_tool(finished: Exseos, spec: Path, tmp_path: Path) -> None:
    """All stages are in the store under keys made of the lock's fingerprints."""
    other = finished.but(folder=tmp_path)
    ended = build(other, spec, None)
    assert ended.code == 0, ended.text
    assert inspect(tmp_path / CAPSULE).id == inspect(finished.folder / CAPSULE).id


def test_no_licence(exseos: Exseos, spec: Path, tmp_path: Path) -> None:
    ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools", "no-licence"))
    assert ended.code == 1
    assert "Vitis HLS has no licence: " in ended.error
    assert "Set XILINXD_LICENSE_FILE or LM_LICENSE_FILE where you call exseos" in ended.error
    assert not (exseos.folder / CAPSULE).exists()
    again(exseos, spec, tmp_path / "tools")


@pytest.mark.parametrize("engine", ["bubblewrap", "docker"])
def test_a_licence_server_needs_the_network_and_consent(exseos: Exseos, spec: Path, tmp_path: Path, engine: str) -> None:
    require_engine(engine)
    tools = Tools.lay_out(tmp_path / "tools", "server")
    with licence_server() as address:
        licensed = exseos.but(environment={"XILINXD_LICENSE_FILE": address})
        ended = build(licensed, spec, tools, engine=engine)
        assert ended.code == 1, ended.text
        assert "Vitis HLS has no licence: " in ended.error
        assert "XILINXD_LICENSE_FILE is set, but the tool has no network" in ended.error
        assert "--allow-network-for vitis" in ended.error
        allowed = ("--allow-network-for", "vitis", "--allow-network-for", "vivado")
        ended = build(licensed, spec, tools, *allowed, engine=engine)
        assert ended.code == 0, ended.text
        assert "toolchain: Vitis HLS 2023.2 (STAND-IN, not the real tool), with the host's network" in ended.err
        verdict, ended = replayed(licensed, exseos.folder / CAPSULE, *tools.arguments, *allowed, engine=engine)
        assert ended.code == 0, ended.text
        assert any("this machine's network, as --allow-network-for vitis says" in note for note in verdict.notes)
    with zipfile.ZipFile(exseos.folder / CAPSULE) as archive:
        networks = {facts["stage"]: facts.get("network") for facts in json.loads(archive.read("run/stages.json"))}
        assert {stage: networks[stage] for stage in ("train", *RECORDED)} == {"train": None, **dict.fromkeys(RECORDED, "host")}
        assert not any(address.encode() in archive.read(name) for name in archive.namelist())
    ended = exseos("capsule", "replay", exseos.folder / CAPSULE, *tools.arguments, "--engine", engine, "--allow-network-for", "quartus")
    assert ended.code == 2
    assert "the experiment does not use the toolchain quartus" in ended.error


def test_no_code_of_the_user_runs_where_a_licence_is(exseos: Exseos, spec: Path, tmp_path: Path) -> None:
    """A module of the spec that is called like a library of the readers is not found in a vendor's worker."""
    folder = shutil.copytree(spec.parent, tmp_path / "experiment")
    (folder / "lxml.py").write_text("raise SystemExit('code of the user ran')\n")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("seed: 1\n", "seed: 1\nfiles: [lxml.py]\n"))
    ended = build(exseos, folder / "spec.yaml", Tools.lay_out(tmp_path / "tools"))
    assert ended.code == 0, ended.text


def test_a_tool_without_licence_in_a_replay_contradicts_nothing(exseos: Exseos, capsule: Path, tmp_path: Path) -> None:
    verdict, ended = replayed(exseos, capsule, *Tools.lay_out(tmp_path / "tools", "no-licence").arguments)
    assert ended.code == 4, ended.text
    reasons = {entry.name: entry.detail for entry in verdict.entries if entry.kind == "stage"}
    assert "Vitis HLS has no licence" in reasons["synthesize-vitis"]
    assert set(verdicts(verdict, "metric").values()) == {"identical", "not checkable here"}


def test_a_tool_that_is_killed_is_the_machines_fault(exseos: Exseos, spec: Path, tmp_path: Path) -> None:
    ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools", "killed"))
    assert ended.code == 1
    assert "was killed (signal 9)" in ended.error
    assert "memory" in ended.error
    again(exseos, spec, tmp_path / "tools")


def test_a_tool_that_hangs(exseos: Exseos, spec: Path, tmp_path: Path) -> None:
    ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools", "hang"), "--hours", "0.004")
    assert ended.code == 1
    limit = re.search(r"did not end within ([0-9.]+) seconds", ended.error)
    assert limit is not None and 5 < float(limit[1]) <= 14.4, ended.text
    assert "--hours" in ended.error
    again(exseos, spec, tmp_path / "tools")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("syntax", "failed with exit code 1"),
        ("cut-report", "a report of Vitis HLS cannot be read"),
        ("bad-exit", "left no myproject_prj/solution1"),
    ],
)
def test_a_tool_that_fails(exseos: Exseos, spec: Path, tmp_path: Path, behaviour: str, words: str) -> None:
    ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools", behaviour))
    assert ended.code == 1, ended.text
    assert words in ended.error
    assert "Traceback" not in ended.error
    log = re.search(r"The whole log: (\S+)", ended.error)
    assert log is not None, ended.text
    assert "==== high-level synthesis" in Path(log[1]).read_text()
    again(exseos, spec, tmp_path / "tools")


def test_vivado_fails_after_hours_of_vitis(exseos: Exseos, spec: Path, tmp_path: Path) -> None:
    tools = Tools.lay_out(tmp_path / "tools", "good", vivado_behaviour="no-licence")
    ended = build(exseos, spec, tools)
    assert ended.code == 1
    assert "Vivado has no licence: " in ended.error
    ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools"))
    assert ended.code == 0, ended.text
    assert "synthesize-vitis: already in the store" in ended.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_the_disk_fills_during_synthesis(begun: tuple[Exseos, Path], spec: Path, tmp_path: Path) -> None:
    with disk(tmp_path / "store", 60) as store:
        (store / "cache").symlink_to(begun[0].store / "cache")
        shutil.copytree(begun[0].store / "stages", store / "stages")
        exseos = begun[0].but(store=store, folder=tmp_path)
        ended = build(exseos, spec, Tools.lay_out(tmp_path / "tools", "disk-full"))
        assert ended.code == 1, ended.text
        assert "No space left on device" in ended.error
        assert re.search(r"[Ff]ree (some|space)", ended.error)
        assert list((store / "scratch").iterdir()) == []
        grow(store, 200)
        again(exseos, spec, tmp_path / "tools")
