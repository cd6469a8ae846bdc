"""Where Debian packages come from: the mirrors of this machine, and the signed index of the suite that images are made of."""

from __future__ import annotations

import lzma
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

from exseos.errors import HostError
from exseos.fetch import Download, fetch, fetch_bytes
from exseos.image.packages import DebPackage, Index, parse_index
from exseos.network import EVERYTHING, Network
from exseos.process import run
from exseos.progress import Progress

SUITE = "bookworm"
COMPONENT = "main"
ARCHITECTURE = "amd64"
SNAPSHOT = "https://snapshot.debian.org/archive/debian"
KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
_PACKAGES = f"{COMPONENT}/binary-{ARCHITECTURE}/Packages.xz"


def mirrors(environment: Mapping[str, str] = os.environ, apt: Path = Path("/etc/apt")) -> list[str]:
    """Addresses of Debian archives, best first: ``EXSEOS_DEBIAN_MIRROR`` alone, else those that apt uses on this machine."""
    if own := environment.get("EXSEOS_DEBIAN_MIRROR", "").strip():
        return [own.rstrip("/")]
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: list[str] = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # a source that only root may read is as good as none
        if path.suffix == ".sources":
            found += _deb822_sources(text)
        elif path.suffix == ".list":
            found += _one_line_sources(text)
    return list(dict.fromkeys(uri.rstrip("/") for uri in found if re.match(r"(https?|file)://", uri)))


def _one_line_sources(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = re.sub(r"\[[^\]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 4 and words[0] == "deb" and words[2].rstrip("/") == SUITE and COMPONENT in words[3:]:
            yield words[1]


def _deb822_sources(text: str) -> Iterator[str]:
    from debian.deb822 import Deb822

    for paragraph in Deb822.iter_paragraphs(text, use_apt_pkg=False):
        fields = {key.lower(): value.split() for key, value in paragraph.items()}
        enabled = fields.get("enabled", ["yes"])[0].lower() not in ("no", "false", "0", "off", "disable", "without")
        suites = [suite.rstrip("/") for suite in fields.get("suites", [])]
        if enabled and "deb" in fields.get("types", []) and SUITE in suites and COMPONENT in fields.get("components", []):
            yield from fields.get("uris", [])


def snapshot(date: str) -> str:
    """Address of the whole archive as it was at ``date`` (``20250520T000000Z``)."""
    return f"{SNAPSHOT}/{date}"


def package_downloads(packages: Sequence[DebPackage], date: str, known: Collection[str] = ()) -> list[Download]:
    """How to fetch ``packages``: from this machine's mirrors, then from the snapshot of ``date``, which never forgets a version.

    Those whose SHA-256 is ``known`` to be Debian's may be in the cache from anywhere, others count only if a mirror had them.
    """
    bases = [*mirrors(), snapshot(date)]
    return [
        Download(
            urls=tuple(f"{base}/{one.path}" for base in bases),
            sha256=one.sha256,
            size=one.size,
            name=one.path.rpartition("/")[2],
            origin="" if one.sha256 in known else f"package {one.path}",
        )
        for one in packages
    ]


def load_index(cache: Path, progress: Progress, date: str | None = None, network: Network = EVERYTHING) -> Index:
    """The index of the suite, checked against its ``InRelease``; from the snapshot of ``date`` if no mirror is known or has it.

    ``HostError`` if there is no network or the signature is wrong. Where ``gpgv`` or Debian's keyring is missing the signature is
    not checked, and ``progress`` says so.
    """
    bases = mirrors() + ([snapshot(date)] if date else [])
    if not bases:
        raise HostError("no Debian mirror is known", hint="Set EXSEOS_DEBIAN_MIRROR to the address of one.")
    progress.step(f"Debian {SUITE}: reading the index of packages")
    release = _signed_text(fetch_bytes([f"{base}/dists/{SUITE}/InRelease" for base in bases], network=network), cache, progress)
    match = re.search(rf"^ ([0-9a-f]{{64}})\s+(\d+) {re.escape(_PACKAGES)}$", release.partition("SHA256:")[2], re.MULTILINE)
    published = re.search(r"^Date: (.+)$", release, re.MULTILINE)
    if match is None or published is None or f"Codename: {SUITE}\n" not in release or "Origin: Debian\n" not in release:
        raise HostError(f"InRelease is not that of Debian {SUITE}", where=bases[0], hint="Set EXSEOS_DEBIAN_MIRROR to a Debian mirror.")
    urls = tuple(f"{base}/dists/{SUITE}/{_PACKAGES}" for base in bases)
    (path,) = fetch([Download(urls, match[1], int(match[2]), "Packages.xz")], cache, progress, network)
    text = lzma.decompress(path.read_bytes()).decode("utf-8")
    return parse_index(text, parsedate_to_datetime(published[1]).strftime("%Y%m%dT%H%M%SZ"))


def _signed_text(data: bytes, cache: Path, progress: Progress) -> str:
    """What is signed of a clear-signed ``InRelease``."""
    text = data.decode("utf-8")
    gpgv, keyring = shutil.which("gpgv"), next((path for path in KEYRINGS if Path(path).exists()), None)
    if gpgv is None or keyring is None:
        missing = "gpgv" if gpgv is None else "Debian's keyring"
        progress.step(f"{missing} is not installed: the index is checked by its digests, but its signature is not")
        body = text.partition("-----BEGIN PGP SIGNED MESSAGE-----")[2].partition("\n\n")[2]
        return body.partition("-----BEGIN PGP SIGNATURE-----")[0]
    done = run([gpgv, "--keyring", keyring, "--output", "-", "-"], seconds=60, folder=cache, text=text)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise HostError(f"the signature of InRelease is wrong: {lines[-1] if lines else 'gpgv failed'}", hint="Use another Debian mirror.")
    return done.stdout
