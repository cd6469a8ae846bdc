#!/usr/bin/python3 -I
"""EXSEOS-STAND-IN: what the stand-ins of Quartus, oneAPI, Catapult, SmartHLS and Bambu share.

It lies beside each program. Numbers are drawn from a digest of the design: they are about no hardware at all.
"""

import errno
import hashlib
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
from pathlib import Path

FILL_BYTES = 2 * 1024**3
CHUNK = bytes(1024 * 1024)
NO_SERVER = """Cannot connect to license server system.
 The license server manager (lmgrd) has not been started yet,
 the wrong port@host or license file is being used, or the
 port or hostname in the license file has been changed.
Feature:       {feature}
License path:  {path}
FLEXnet Licensing error:-15,570.  System Error: 115 "Operation now in progress\""""


class StandIn:
    """The installation that the running program is part of, and what it was laid out to do."""

    def __init__(self):
        self.program = Path(sys.argv[0]).resolve()
        for folder in self.program.parents:
            if (folder / "stand-in.json").is_file():
                break
        else:
            sys.exit(f"{self.program}: no stand-in.json above this program")
        settings = json.loads((folder / "stand-in.json").read_text())
        self.root = folder
        self.version = settings["version"]
        self.behaviour = settings["behaviour"]

    def say(self, text):
        print(text, flush=True)

    def fail(self, text, code=1):
        print(text, file=sys.stderr, flush=True)
        sys.exit(code)

    def work(self, line, disk_full, code=1):
        """The part of a run in which it can hang, die or fill the disk; ``disk_full`` is what the real tool says then."""
        self.say(line)
        if self.behaviour == "hang":
            with subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(3600)"]) as child:
                child.wait()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for behaviour, number in (("killed", signal.SIGKILL), ("crash", signal.SIGSEGV)):
            if self.behaviour == behaviour:
                time.sleep(0.05)
                os.kill(os.getpid(), number)
        if self.behaviour == "disk-full":
            self.fail(f"{disk_full}" if fill(Path("stand-in.fill")) else f"{disk_full} (after 2 GB)", code)

    def report(self, path, text):
        """Write a report, unless the stand-in was laid out to leave it out or to cut it off."""
        if self.behaviour == "no-report":
            return
        write(path, text[: len(text) // 2] if self.behaviour == "cut-report" else text)

    def licence(self, feature, variables, missing, code=1):
        """Go on only with a licence; ``missing`` is what the real tool says without one."""
        if self.behaviour == "no-licence":
            self.fail(missing, code)
        if self.behaviour == "server":
            path = ":".join(filter(None, (os.environ.get(name, "") for name in variables)))
            if not any(granted(server, feature) for server in servers(path)):
                self.fail(missing + "\n" + NO_SERVER.format(feature=feature, path=path), code)


def servers(path):
    """``port@host`` entries of a licence path, and the SERVER lines of the files in it."""
    for entry in path.split(":"):
        if re.fullmatch(r"[0-9]+@\S+", entry):
            port, _, host = entry.partition("@")
            yield host, int(port)
        elif entry and Path(entry).is_file():
            for line in Path(entry).read_text(errors="replace").splitlines():
                words = line.split()
                if len(words) >= 4 and words[0] == "SERVER" and words[3].isdigit():
                    yield words[1], int(words[3])


def granted(server, feature):
    try:
        with socket.create_connection(server, timeout=10) as connection:
            connection.sendall(f"checkout {feature}\n".encode())
            return connection.makefile("rb").readline() == b"granted\n"
    except OSError:
        return False


def fill(path):
    """Write until the disk is full; False if it is not after 2 GB."""
    try:
        with path.open("wb") as stream:
            for _ in range(FILL_BYTES // len(CHUNK)):
                stream.write(CHUNK)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        return True
    return False


def write(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def design(sources, *more):
    """Digest of a design: its sources, the headers around them, and what else it is compiled for."""
    digest = hashlib.sha256(repr(more).encode())
    seen = set()
    for source in map(Path, sources):
        headers = sorted(source.parent.rglob("*.h")) if source.parent != Path() else []
        for path in [source, *headers]:
            if path not in seen:
                seen.add(path)
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Draw:
    """Numbers of a design: the same ones for the same seed, no two alike, none of them zero."""

    def __init__(self, *seed):
        self.seed = repr(seed)
        self.used = set()

    def _fraction(self, name, attempt):
        digest = hashlib.sha256(f"{self.seed}:{name}:{attempt}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def claim(self, value):
        """Whether a number is not zero and was not given out yet; from now on it was."""
        if float(value) == 0 or float(value) in self.used:
            return False
        self.used.add(float(value))
        return True

    def integer(self, name, low, high):
        for attempt in range(10_000):
            # A range that is used up grows: a design may have any number of parts.
            value = low + int(self._fraction(name, attempt) * (high - low + 1) * (1 + attempt // 500))
            if self.claim(value):
                return value
        raise AssertionError(f"no number is left for {name}")

    def decimal(self, name, low, high, places=3):
        scale = 10**places
        for attempt in range(10_000):
            value = round(low + self._fraction(name, attempt) * (high - low), places)
            # A last digit that is not zero keeps the decimals apart from the integers.
            if round(value * scale) % 10 and self.claim(value):
                return value
        raise AssertionError(f"no number is left for {name}")


def missing_include(source, folders):
    """Line, column and name of the first ``#include "…"`` that is in no folder; those inside ``#if`` are left alone."""
    depth = 0
    for number, line in enumerate(Path(source).read_text(errors="replace").splitlines(), 1):
        if re.match(r"\s*#\s*if", line):
            depth += 1
        elif re.match(r"\s*#\s*endif", line):
            depth -= 1
        match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if match and not depth and not any((Path(folder) / match[1]).is_file() for folder in [Path(source).parent, *folders]):
            return number, match.start(1), match[1]
    return None


def a_line(source):
    """Line, column and text of a statement to find fault with."""
    lines = Path(source).read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if re.match(r"\s+(nnet::|return\b)", line) and line.rstrip().endswith(";"):
            return number, len(line.rstrip()), line.rstrip()[:-1]
    return 1, 1, lines[0] if lines else ""


def syntax_error(source):
    """A compiler's message about ``source``, in the style of clang."""
    line, column, text = a_line(source)
    return f"{source}:{line}:{column}: error: expected ';' after expression\n{text}\n{' ' * (column - 1)}^\n1 error generated."


def include_error(source, folders):
    """A compiler's message about a header of ``source`` that is not there; None if all are."""
    missing = missing_include(source, folders)
    if missing is None:
        return None
    line, column, name = missing
    return f"{source}:{line}:{column}: fatal error: '{name}' file not found\n1 error generated."


def tclsh():
    """The Tcl interpreter that takes the place of the one inside the real tool."""
    return shutil.which("tclsh") or "/usr/bin/tclsh"


def now():
    return time.strftime("%a %b %d %H:%M:%S %Y")


def grouped(value):
    return f"{value:,}"


def share(used, available):
    """``7,781 / 41,910 ( 19 % )``"""
    percent = 100 * used / available
    return f"{used:,} / {available:,} ( {'< 1' if 0 < percent < 1 else round(percent)} % )"
