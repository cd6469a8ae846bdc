"""EXSEOS-STAND-IN: what the stand-ins for AMD's tools share: settings, licence, the Tcl interpreter and how a run ends."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
BUILDS = {
    "2018.2": "2258646", "2018.3": "2405991", "2019.1": "2552052", "2019.2": "2708876", "2020.1": "2902540", "2020.2": "3064766",
    "2021.1": "3247384", "2021.2": "3367213", "2022.1": "3526262", "2022.2": "3671981", "2023.1": "3865809", "2023.2": "4029153",
    "2024.1": "5076996", "2024.2": "5239630", "2025.1": "6140274",
}  # fmt: skip
_SERVER = re.compile(r"(\d+)@([^:;,\s]+)")


@dataclass(frozen=True)
class Settings:
    """What is baked into an installation: its place, its version, and how it behaves."""

    root: Path
    version: str
    behaviour: str

    @property
    def build(self) -> str:
        return BUILDS.get(self.version, "9999999")

    @property
    def release(self) -> tuple[int, ...]:
        """``2023.2`` as numbers, to compare by."""
        return tuple(int(number) for number in self.version.split("."))

    @property
    def licensed(self) -> bool:
        return self.behaviour != "no-licence" and (self.behaviour != "server" or bool(licence_servers()))


def settings(program: Path) -> Settings:
    """The settings of the installation that ``program`` is in."""
    for folder in program.resolve().parents:
        if (folder / "stand-in.json").is_file():
            baked = json.loads((folder / "stand-in.json").read_text())
            return Settings(folder, baked["version"], baked["behaviour"])
    raise SystemExit(f"{program}: no stand-in.json above it")


def banner(title: str, found: Settings, *, stars: bool) -> str:
    """The lines that a tool begins with (``stars``), or prints for its version option."""
    year = found.release[0]
    built = f"SW Build {found.build} on Fri Oct 13 20:13:54 MDT {year}"
    rights = [f"Copyright 1986-{min(year, 2022)} Xilinx, Inc. All Rights Reserved."]
    if year >= 2023:
        rights.append(f"Copyright 2022-{year} Advanced Micro Devices, Inc. All Rights Reserved.")
    if not stars:
        return "\n".join([title, built, *rights]) + "\n"
    return "\n".join(["", f"****** {title}", f"  **** {built}", *(f"    ** {line}" for line in rights), ""]) + "\n"


def licence_servers() -> list[tuple[str, int]]:
    """Host and port of every FlexLM server that the environment names."""
    named = ":".join(os.environ.get(name, "") for name in ("XILINXD_LICENSE_FILE", "LM_LICENSE_FILE"))
    return [(host, int(port)) for port, host in _SERVER.findall(named)]


def licence_error(device: str) -> str:
    return (
        f"ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device '{device}'. Please run the Vivado "
        "License Manager for assistance in determining\nwhich features and devices are licensed for your system.\nResolution: Check the "
        'status of your licenses in the Vivado License Manager. For debug help search Xilinx Support for "Licensing FAQ".'
    )


def checked_out() -> bool:
    """Check a licence out of the first server that answers; says why if none grants it."""
    for host, port in licence_servers():
        try:
            with socket.create_connection((host, port), timeout=10) as connection:
                connection.sendall(b"checkout Synthesis\n")
                if connection.makefile("rb").readline() == b"granted\n":
                    return True
        except OSError:
            pass
        say(
            "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'.\n"
            "Cannot connect to license server system.\n"
            " The license server manager (lmgrd) has not been started yet,\n"
            " the wrong port@host or license file is being used, or the\n"
            " port or hostname in the license file has been changed.\n"
            f"Feature:       Synthesis\nServer name:   {host}\nLicense path:  {port}@{host}:\n"
            'FLEXnet Licensing error:-15,570. System Error: 115 "Operation now in progress"'
        )
    return not licence_servers()


def say(text: str) -> None:
    print(text, flush=True)


def stamp() -> str:
    return time.strftime("%a %b %e %H:%M:%S %Y")


def interpreter() -> str:
    found = shutil.which("tclsh") or shutil.which("tclsh", path="/usr/bin:/usr/local/bin")
    if found is None:
        raise SystemExit("this stand-in needs tclsh: install the Debian package tcl")
    return found


def run_tcl(program: Path, dialect: str, script: str, arguments: list[str], *, log: Path | None, prompt: str = "") -> int:
    """Run ``script`` with the commands of ``dialect``; what it prints goes to standard output and to ``log``.

    With a ``prompt``, a script that does not exit is followed by what stands on standard input. Returns the exit code that
    the tool ends with, or dies of SIGKILL as the interpreter did.
    """
    found = settings(program)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    command = [interpreter(), str(HERE / "prelude.tcl"), str(HERE / dialect), str(program), found.version, found.behaviour, prompt, script]
    sys.stdout.flush()
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    with open(log if log else os.devnull, "ab", buffering=0) as kept:  # noqa: PTH123
        while block := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            # A full disk takes the log first.
            with suppress(OSError):
                kept.write(block)
    code = process.wait()
    if code == -signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if code < 0:
        name = program.name
        say(f"segfault in {found.root}/bin/unwrapped/lnx64.o/{name} -exec {name} {script}, exiting...")
        return 128 - code
    return 0 if found.behaviour == "bad-exit" else code


def kill_interpreter(number: signal.Signals) -> NoReturn:
    """End the Tcl process that this action was started by."""
    os.kill(os.getppid(), number)
    raise SystemExit(1)


def fill_disk(folder: Path, limit: int = 2 * 1024**3) -> None:
    """Write into ``folder`` until the disk is full; gives up, and cleans up, after 2 GB."""
    place = folder / "stand_in_overflow.tmp"
    try:
        with place.open("wb", buffering=0) as file:
            for _ in range(limit // 2**20):
                file.write(b"\xa5" * 2**20)
    except OSError as error:
        say(f"ERROR: [Common 17-49] Internal Data Exception: write to '{place}' failed: {error.strerror} (errno {error.errno})")
        return
    place.unlink()
    say("ERROR: [Common 17-49] Internal Data Exception: the stand-in wrote 2 GB and the disk was not full")


def misbehave(found: Settings, device: str, working: str) -> bool:
    """Whatever the behaviour says happens where synthesis starts (and says so: ``working``); true if synthesis must fail."""
    if not found.licensed:
        say(licence_error(device))
        return True
    if found.behaviour == "hang":
        say(working)
        subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(3600)"])
        time.sleep(3600)
    elif found.behaviour == "killed":
        kill_interpreter(signal.SIGKILL)
    elif found.behaviour == "crash":
        place = Path.cwd() / f"hs_err_pid{os.getppid()}.log"
        place.write_text(
            "#\n# An unexpected error has occurred (11)\n#\nStack:\n/lib/x86_64-linux-gnu/libc.so.6(+0x3bf10) [0x7f2a5ba45f10]\n"
        )
        say(f"Abnormal program termination (11)\nPlease check '{place}' for details")
        kill_interpreter(signal.SIGSEGV)
    elif found.behaviour == "disk-full":
        fill_disk(Path.cwd())
        return True
    return False


def write_report(found: Settings, place: Path, text: str) -> None:
    """Write a report, or what the behaviour leaves of it."""
    if found.behaviour == "no-report":
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text[: len(text) // 2] if found.behaviour == "cut-report" else text)
