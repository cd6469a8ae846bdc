"""Installations of vendors' toolchains: found, asked for their version, fingerprinted."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from exseos.errors import UsageError
from exseos.toolchains.vendor import modules
from exseos.toolchains.vendor.installation import installation, vendor, vendor_toolchains
from exseos.toolchains.vendor.modules import ModuleFile, mentioned_paths, module_files
from exseos.toolchains.vendor.search import candidates, folders_of_modules, named_places

BANNER = "Vivado v2023.2 (64-bit)"


def stand_in(root: Path, program: str = "bin/vivado", says: str = f"print({BANNER!r})", extra: str = "") -> Path:
    """A tiny installation whose program is a stand-in."""
    path = root / program
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env python3\n# EXSEOS-STAND-IN{extra}\nimport os, sys, time\n{says}\n")
    path.chmod(0o755)
    return root


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def real(root: Path) -> Path:
    """An installation with a machine program, as the real ones have behind their wrappers."""
    script(root / "bin/vivado", f"#!/bin/sh\necho '{BANNER}'\n")
    program = root / "bin/unwrapped/lnx64.o/vivado"
    program.parent.mkdir(parents=True)
    shutil.copyfile("/bin/true", program)
    program.chmod(0o755)
    return root


def test_a_stand_in_says_so(tmp_path: Path) -> None:
    found = installation("vivado", stand_in(tmp_path))
    assert (found.version, found.doubt, found.stand_in) == ("2023.2", "", True)
    assert found.fingerprint.startswith("stand-in:")
    assert "STAND-IN" in str(found)


def test_a_machine_program_is_a_real_one(tmp_path: Path) -> None:
    found = installation("vivado", real(tmp_path))
    assert (found.version, found.stand_in) == ("2023.2", False)
    assert found.fingerprint.startswith("sha256:")


@pytest.mark.parametrize("make", [stand_in, real])
def test_the_fingerprint_is_of_the_content_and_not_of_the_place(tmp_path: Path, make: type) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "else where/two")
    first = installation("vivado", one).fingerprint
    assert installation("vivado", two).fingerprint == first
    with (two / "bin/vivado").open("a") as stream:
        stream.write("#")
    assert installation("vivado", two).fingerprint != first


def test_a_link_is_mounted_beside_what_it_leads_to(tmp_path: Path) -> None:
    """Scripts of an installation may know it by either path; products beside it are found from both."""
    there = stand_in(tmp_path / "nfs/Vitis/2023.2", "bin/vitis-run", "print('****** vitis-run v2023.2 (64-bit)')")
    beside = stand_in(tmp_path / "nfs/Vivado/2023.2")
    (tmp_path / "tools").symlink_to("nfs")
    given = tmp_path / "tools/Vitis/2023.2"
    found = installation("vitis", given)
    assert found.root == there
    assert set(found.mounts) == {given, there, beside, tmp_path / "tools/Vivado/2023.2"}
    assert found.fingerprint == installation("vitis", there).fingerprint


def test_what_makes_numbers_beside_it_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    """Vitis HLS calls the Vivado of its release: another one is another tool, and a stand-in there makes a stand-in of all."""
    root = tmp_path / "one/Vitis/2023.2"
    script(root / "bin/vitis-run", "#!/bin/sh\necho '****** vitis-run v2023.2 (64-bit)'\n")
    program = root / "bin/unwrapped/lnx64.o/vitis_hls"
    program.parent.mkdir(parents=True)
    shutil.copyfile("/bin/true", program)
    alone = installation("vitis", root)
    real(tmp_path / "one/Vivado/2023.2")
    beside = installation("vitis", root)
    assert (alone.stand_in, beside.stand_in) == (False, False)
    assert alone.fingerprint != beside.fingerprint
    elsewhere = shutil.copytree(tmp_path / "one", tmp_path / "two") / "Vitis/2023.2"
    assert installation("vitis", elsewhere).fingerprint == beside.fingerprint
    with (tmp_path / "two/Vivado/2023.2/bin/unwrapped/lnx64.o/vivado").open("ab") as stream:
        stream.write(b"x")
    assert installation("vitis", elsewhere).fingerprint != beside.fingerprint
    stand_in(tmp_path / "two/Vivado/2023.2")
    assert installation("vitis", elsewhere).stand_in


@pytest.mark.parametrize(("path", "words"), [("a:b/2023.2", "a path with ':'"), ("~nobody-of-that-name/x", "there is no such user")])
def test_a_path_that_cannot_be_used(tmp_path: Path, path: str, words: str) -> None:
    given = Path(path) if path.startswith("~") else stand_in(tmp_path / path)
    with pytest.raises(UsageError, match=words):
        installation("vivado", given)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder for Vivado") as caught:
        installation("vivado", tmp_path / "none")
    assert "--toolchain vivado=DIR" in str(caught.value)


def test_no_program_names_the_folder_nearby(tmp_path: Path) -> None:
    stand_in(tmp_path / "Vivado/2023.2")
    with pytest.raises(UsageError, match="no installation of Vivado: it has none of bin/vivado") as caught:
        installation("vivado", tmp_path)
    assert f"Did you mean --toolchain vivado={tmp_path}/Vivado/2023.2?" in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="Name the folder that holds bin/vivado"):
        installation("vivado", tmp_path / "empty/")


def test_wrappers_alone_are_refused(tmp_path: Path) -> None:
    script(tmp_path / "bin/vivado", '#!/bin/sh\nexec /tools/Xilinx/Vivado/2023.2/bin/vivado "$@"\n')
    with pytest.raises(UsageError, match="these are wrappers of an installation elsewhere") as caught:
        installation("vivado", tmp_path)
    assert "looked at: bin/vivado" in str(caught.value)


def test_what_is_not_mounted_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'open' is inside the image"):
        installation("open", tmp_path)


@pytest.mark.parametrize(
    ("says", "doubt"),
    [("sys.exit(3)", "its program failed with exit code 3"), ("print('hello')", "the program said none"), ("os.abort()", "crashed")],
)
def test_the_version_of_the_path_where_the_program_says_none(tmp_path: Path, says: str, doubt: str) -> None:
    root = stand_in(tmp_path / "Vivado/2022.1", says=says)
    found = installation("vivado", root)
    assert found.version == "2022.1"
    assert doubt in found.doubt
    with pytest.raises(UsageError, match="Vivado does not say its version"):
        installation("vivado", stand_in(tmp_path / "tool", says=says))


def test_a_program_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    says = f"pid = os.fork()\nopen({str(tmp_path / 'pid')!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)"
    root = stand_in(tmp_path / "Vivado/2021.2", says=says)
    begin = time.monotonic()
    found = installation("vivado", root, seconds=2)
    assert time.monotonic() - begin < 20
    assert (found.version, found.doubt) == ("2021.2", "no answer within 2 s")
    end = time.monotonic() + 10
    while any(map(alive, (tmp_path / "pid").read_text().split())) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, (tmp_path / "pid").read_text().split()))


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    root = stand_in(tmp_path / "Vivado/2020.2")
    (root / "bin/vivado").write_text("#!/nowhere/interpreter\n# EXSEOS-STAND-IN\n")
    assert "is not here" in installation("vivado", root).doubt


def test_the_other_way_to_ask_for_the_version(tmp_path: Path) -> None:
    says = "print('****** vitis-run v2024.1 (64-bit)') if sys.argv[1:] == ['--version'] else sys.exit('Unknown option')"
    found = installation("vitis", stand_in(tmp_path, "bin/vitis-run", says))
    assert (found.version, found.doubt) == ("2024.1", "")


def test_what_a_tool_writes_at_home_or_here_goes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    says = f"open(os.path.expanduser('~/journal'), 'w')\nopen('vivado.jou', 'w')\nprint({BANNER!r})"
    assert installation("vivado", stand_in(tmp_path / "tool", says=says)).version == "2023.2"
    assert [*home.iterdir(), *here.iterdir()] == []


def roots(name: str, environment: dict[str, str]) -> list[tuple[Path, str]]:
    tool = vendor(name)
    return [(one.root, one.origin) for one in candidates(tool, environment, folders_of_modules([tool], environment))]


def test_found_by_variable_path_usual_place_and_wrapper(tmp_path: Path) -> None:
    one, two = stand_in(tmp_path / "one"), stand_in(tmp_path / "home/Xilinx/Vivado/2023.1")
    three, four = stand_in(tmp_path / "three"), stand_in(tmp_path / "four")
    script(tmp_path / "wrappers/bin/vivado", f'#!/bin/sh\nexec "{four}/bin/vivado" "$@"\n')
    (tmp_path / "links").mkdir()
    (tmp_path / "links/vivado").symlink_to(three / "bin/vivado")
    environment = {
        "XILINX_VIVADO": f"{one}/bin",  # a folder inside
        "HOME": str(tmp_path / "home"),
        "PATH": f"{tmp_path}/wrappers/bin:{tmp_path}/links::{tmp_path}/none",
    }
    assert roots("vivado", environment) == [
        (one, "XILINX_VIVADO"),
        (two, "a usual place"),
        (tmp_path / "wrappers", "PATH"),
        (four, f"the wrapper {tmp_path}/wrappers/bin/vivado"),
        (three, "PATH"),
    ]


def test_a_compiler_on_the_path_is_no_toolchain(tmp_path: Path) -> None:
    for program in ("g++", "clang++", "python3"):
        script(tmp_path / "bin" / program, "#!/bin/sh\n")
    assert [tool.name for tool in vendor_toolchains() if roots(tool.name, {"PATH": f"{tmp_path}/bin"})] == []


def test_a_program_deep_inside_on_the_path(tmp_path: Path) -> None:
    root = real(tmp_path)
    assert roots("vivado", {"PATH": f"{root}/bin/unwrapped/lnx64.o"}) == [(root, "PATH")]


def test_each_once_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    root = stand_in(tmp_path / "one")
    (tmp_path / "latest").symlink_to(root)
    assert roots("vivado", {"XILINX_VIVADO": f"{tmp_path}/latest", "PATH": f"{root}/bin"}) == [(tmp_path / "latest", "XILINX_VIVADO")]
    assert roots("vivado", {"XILINX_VIVADO": f"{tmp_path}/none", "PATH": ""}) == []
    assert [place.origin for place in named_places(vendor("vivado"), {"XILINX_VIVADO": "/none"})][:1] == ["XILINX_VIVADO"]


TCL = """#%Module1.0
# /not/this/one
set     base    "BASE/Vivado"
set version [file tail [module-info name]]
set root $base/${version}
if { ![ file isdirectory $root ] } { break }
prepend-path PATH $root/bin:/usr/local/bin
system "touch BASE/executed"
exec touch BASE/executed
"""
LUA = """-- /not/this/one
local base = "BASE"
local root = pathJoin(base, "Vivado", myModuleVersion())
prepend_path{"PATH", root .. "/bin", delim=":"}
os.execute("touch BASE/executed")
"""


@pytest.mark.parametrize(("suffix", "text"), [("", TCL), (".lua", LUA)])
def test_a_module_file_is_read_and_not_run(tmp_path: Path, suffix: str, text: str) -> None:
    root = stand_in(tmp_path / "Vivado/2023.2")
    file = tmp_path / f"modules/eda/vivado/2023.2{suffix}"
    file.parent.mkdir(parents=True)
    file.write_text(text.replace("BASE", str(tmp_path)))
    assert roots("vivado", {"MODULEPATH": f"/none:{tmp_path}/modules"}) == [(root, "the module eda/vivado/2023.2")]
    assert not (tmp_path / "executed").exists()
    assert Path("/not/this/one") not in mentioned_paths(ModuleFile("eda/vivado/2023.2", file))


def test_a_folder_far_above_what_a_module_speaks_of_is_not_meant(tmp_path: Path) -> None:
    stand_in(tmp_path)
    script(tmp_path / "modules/other", f"prepend-path PATH {tmp_path}/deep/down/Other/1.0/bin\n")
    assert roots("vivado", {"MODULEPATH": f"{tmp_path}/modules"}) == []


def test_the_loaded_modules_come_first_then_those_that_speak_of_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aaa/1", "vivado/2023.2", "zzz/9", "zzz/8.lua", ".hidden/1", "zzz/.version"):
        script(tmp_path / name, "")
    environment = {"MODULEPATH": str(tmp_path), "LOADEDMODULES": "zzz/8:none/1", "_LMFILES_": f"{tmp_path}/zzz/9"}
    names = [one.name for one in module_files(environment, ["vivado"])]
    assert names == ["zzz/9", "zzz/8", "vivado/2023.2", "aaa/1"]
    monkeypatch.setattr(modules, "MOST_FILES", 2)
    assert len(module_files(environment)) == 2


def test_a_module_file_that_is_odd(tmp_path: Path) -> None:
    file = tmp_path / "odd"
    file.write_bytes(b"\xff\xfe set x /tools/a\n" + b"set y {\n$x $undefined/bin /tools/b\n" + b"/deep" * 50_000)
    assert Path("/tools/b") in mentioned_paths(ModuleFile("odd", file))
    assert mentioned_paths(ModuleFile("gone", tmp_path / "gone")) == []
    os.mkfifo(tmp_path / "pipe")
    assert module_files({"MODULEPATH": str(tmp_path)}) == [ModuleFile("odd", file)]
