"""What a build asks the network for, and from where, without asking it. Settings are named, their values are not told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from exseos.capsule.doctor.findings import Check, Finding
from exseos.errors import ExseosError
from exseos.image.mirror import mirrors
from exseos.process import run

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE")


def checks(environment: Mapping[str, str] = os.environ) -> list[Check]:
    """Of proxies, Debian's mirror and Python's index."""
    return [
        Check("network", "proxies", lambda: proxies(environment)),
        Check("network", "Debian", lambda: debian(environment)),
        Check("network", "Python", lambda: python_index(environment), "problem"),
    ]


def proxies(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that downloads heed."""
    names = [name for upper in _PROXIES for name in (upper, upper.lower()) if environment.get(name)]
    certificates = [name for name in _CERTIFICATES if environment.get(name)]
    missing = [name for name in certificates if not Path(environment[name]).exists()]
    text = f"set: {', '.join(names)}" if names else "none set: downloads go straight to the network"
    text += f"; certificates: {', '.join(certificates)}" if certificates else ""
    if missing:
        yield Finding("network", "proxies", "note", f"{text}; {missing[0]} names no file", f"Correct or unset {missing[0]}.")
    else:
        yield Finding("network", "proxies", "ok", text)


def debian(environment: Mapping[str, str], apt: Path = Path("/etc/apt")) -> Iterator[Finding]:
    """The source of Debian packages."""
    found = mirrors(environment, apt)
    if environment.get("EXSEOS_DEBIAN_MIRROR", "").strip():
        if re.match(r"(https?|file)://", found[0]):
            yield Finding("network", "Debian", "ok", "packages come from EXSEOS_DEBIAN_MIRROR, else from snapshot.debian.org")
        else:
            hint = "Set it to an address such as https://…/debian, or unset it."
            yield Finding("network", "Debian", "note", "EXSEOS_DEBIAN_MIRROR is no http, https or file address", hint)
    elif found:
        yield Finding("network", "Debian", "ok", "packages come from apt's mirror, else from snapshot.debian.org")
    else:
        hint = "Set EXSEOS_DEBIAN_MIRROR to a nearby mirror: the snapshot is slow."
        yield Finding("network", "Debian", "ok", "packages come from snapshot.debian.org", hint)


def python_index(environment: Mapping[str, str]) -> Iterator[Finding]:
    """uv, which finds the wheels."""
    from uv import find_uv_bin

    try:
        program = find_uv_bin()
        answer = run([program, "--version"], seconds=20, folder=Path("/"))
    except (FileNotFoundError, ExseosError) as error:
        yield Finding("network", "Python", "problem", f"uv does not run: {error}", "Repair this installation: `pip install uv`.")
        return
    if answer.returncode != 0:
        said = (answer.stderr.strip().splitlines() or ["nothing"])[-1]
        yield Finding("network", "Python", "problem", f"uv does not run: it said {said}", "Repair this installation: `pip install uv`.")
        return
    version = " ".join(answer.stdout.split()[:2])
    settings = [name for name in _INDEX if environment.get(name)]
    own = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/"), ".config"))
    settings += [str(path) for path in (own / "uv/uv.toml", Path("/etc/uv/uv.toml"), Path("/etc/xdg/uv/uv.toml")) if path.is_file()]
    text = f"{version} asks " + (f"the index of {', '.join(settings)}" if settings else "its default index")
    if environment.get("UV_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        hint = "Unset it to make a lock, or to bring wheels that are not in the store."
        yield Finding("network", "Python", "note", f"{text}, but UV_OFFLINE is set", hint)
    else:
        yield Finding("network", "Python", "ok", text)
