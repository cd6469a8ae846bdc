#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN for Vivado in batch mode."""

import sys
from pathlib import Path

PROGRAM = Path(__file__).absolute()
sys.dont_write_bytecode = True
sys.path.insert(0, str(PROGRAM.resolve().parents[1]))

from stand_in.session import banner, checked_out, run_tcl, say, settings, stamp  # noqa: E402
from stand_in.vivado_actions import run  # noqa: E402

VALUED = {"-mode", "-log", "-journal", "-source", "-tempDir"}
FLAGS = {"-nojournal", "-nolog", "-notrace", "-appjournal", "-applog", "-quiet", "-verbose"}
USAGE = "Usage: vivado [-mode batch] [-nojournal] [-nolog] [-log <file>] [-notrace] [-source <file>] [-tclargs <arg>...] [-version]"


def parsed(words: list[str]) -> tuple[dict[str, list[str]], list[str]] | str:
    """Options with their values and the words after -tclargs, or what is wrong."""
    found: dict[str, list[str]] = {}
    while words:
        word = words.pop(0)
        if word == "-tclargs":
            return found, words
        if word in VALUED:
            if not words:
                return f"ERROR: [Common 17-157] Missing value for option '{word}'"
            found.setdefault(word, []).append(words.pop(0))
        elif word in FLAGS:
            found[word] = []
        else:
            return f"ERROR: [Common 17-170] Unknown option '{word}', please type 'vivado -help' for usage info."
    return found, []


def main(words: list[str]) -> int:
    found = settings(PROGRAM)
    if words[:1] == ["--stand-in"]:
        return run(found, words[1], dict(zip(words[2::2], words[3::2], strict=True)))
    title = f"{'Vivado' if found.release < (2023, 1) else 'vivado'} v{found.version} (64-bit)"
    if words == ["-version"]:
        print(banner(title, found, stars=False), end="")
        return 0
    options = parsed(list(words))
    if not isinstance(options, tuple):
        say(f"{options}\n{USAGE}")
        return 1
    given, arguments = options
    if given.get("-mode") != ["batch"]:
        say(f"ERROR: the stand-in has no graphical and no interactive mode: use -mode batch\n{USAGE}")
        return 1
    say(banner(f"Vivado v{found.version} (64-bit)", found, stars=True))
    if found.behaviour == "server" and not checked_out():
        return 1
    log = None if "-nolog" in given else Path(given.get("-log", ["vivado.log"])[-1])
    if log:
        log.unlink(missing_ok=True)
    if "-nojournal" not in given:
        Path(given.get("-journal", ["vivado.jou"])[-1]).write_text("".join(f"source {script}\n" for script in given.get("-source", [])))
    code = 0
    for script in given.get("-source", []):
        say(f"source {script}" + (" -notrace" if "-notrace" in given else ""))
        if not Path(script).is_file():
            say(f'couldn\'t read file "{script}": no such file or directory')
            code = 1
        else:
            if "-notrace" not in given:
                say("".join(f"# {line}\n" for line in Path(script).read_text().splitlines() if line.strip()))
            code = run_tcl(PROGRAM, "vivado.tcl", script, arguments, log=log)
        if code:
            break
    if code < 128:
        say(f"INFO: [Common 17-206] Exiting Vivado at {stamp()}...")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
