#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for Vivado HLS (``vivado_hls``) and Vitis HLS (``vitis_hls``, ``vitis-run``), by the name it has."""

import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).absolute()
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROGRAM.resolve().parents[1]))

from stand_in.hls_actions import run  # noqa: E402
from stand_in.session import banner, checked_out, run_tcl, say, settings, stamp  # noqa: E402

NAME = PROGRAM.name
USAGE = f"Usage: {NAME} --mode hls --tcl <script>" if NAME == "vitis-run" else f"Usage: {NAME} [-f <script> [<argument>...]] [-version]"


def refuse(word: str, message: str) -> int:
    code = "ERROR: [vitis-run 60-602]" if NAME == "vitis-run" else "ERROR: [HLS 200-101]"
    say(f"{code} {message} '{word}'\n{USAGE}")
    return 1


def script_of(words: list[str]) -> tuple[str, list[str]] | int:
    """The script and its own arguments, or the exit code of a command line that is refused."""
    options = {"--mode", "--tcl"} if NAME == "vitis-run" else {"-f"}
    found: dict[str, str] = {}
    rest = []
    while words:
        word = words.pop(0)
        if word in options:
            if not words:
                return refuse(word, "Missing value for option")
            found[word] = words.pop(0)
        elif word.startswith("-") or NAME == "vitis-run" or not found:
            return refuse(word, "Unknown option")
        else:
            rest.append(word)
    if NAME == "vitis-run" and found.get("--mode") != "hls":
        return refuse(found.get("--mode", ""), "Missing or invalid value for option --mode:")
    script = found.get("--tcl", found.get("-f", ""))
    if not script:
        return refuse("", "Missing script")
    if not Path(script).is_file():
        return refuse(script, "Cannot read Tcl script")
    return script, rest


def main(words: list[str]) -> int:
    found = settings(PROGRAM)
    if words[:1] == ["--stand-in"]:
        return run(found, words[1], dict(zip(words[2::2], words[3::2], strict=True)))
    names = {
        "vivado_hls": "Vivado(TM) HLS - High-Level Synthesis from C, C++ and SystemC",
        "vitis_hls": "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL",
        "vitis-run": "vitis-run",
    }
    title = f"{names[NAME]} v{found.version} (64-bit)"
    if words == ["--version" if NAME == "vitis-run" else "-version"]:
        print(banner(title, found, stars=NAME == "vitis-run"), end="")
        return 0
    parsed = script_of(list(words))
    if isinstance(parsed, int):
        return parsed
    script, rest = parsed
    start = time.monotonic()
    say(banner(title, found, stars=True))
    tool = "vivado_hls" if NAME == "vivado_hls" else "vitis_hls"
    if NAME == "vitis-run":
        script = str(Path(script).absolute())
        say(f"INFO: [vitis-run 82-31] Launching vitis_hls: vitis_hls -nolog -run tcl -f {script} -work_dir {Path.cwd()}")
        say(banner(f"{names['vitis_hls']} v{found.version} (64-bit)", found, stars=True))
    say(f"INFO: [HLS 200-10] In directory '{Path.cwd()}'\nSourcing Tcl script '{script}'")
    if found.behaviour == "server" and not checked_out():
        return 1
    log = Path(f"{tool}.log")
    log.unlink(missing_ok=True)
    code = run_tcl(PROGRAM, "hls.tcl", script, rest, log=log, prompt="" if NAME == "vitis-run" else f"{tool}> ")
    if code < 128:
        say(f"INFO: [HLS 200-112] Total elapsed time: {time.monotonic() - start:.2f} seconds; peak allocated memory: 282.043 MB.")
        say(f"INFO: [Common 17-206] Exiting {tool} at {stamp()}...")
        if NAME == "vitis-run":
            say("INFO: [vitis-run 60-791] Total elapsed time: 0h 0m 1s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
