"""The names of a capsule's entries, and what covers each.

==================== ============================================================ ======================
entries              content                                                      covered by
==================== ============================================================ ======================
spec/ lock/ results/ exact                                                        id and seal
capsule.json …       the index, its rendering, the list of exact entries, run/    seal
data/                what can be left out: data files and prepared arrays         digests in the index
image.tar            what can be left out: a function of ``lock/image.json``      the image id
attestations/        statements about the two ids                                 signatures of their own
==================== ============================================================ ======================

The seal is not in the index, since the index is sealed.
"""

from __future__ import annotations

INDEX = "capsule.json"
README = "README.md"
MANIFEST = "manifest-sha256.txt"
SEAL = "seal-sha256.txt"
IMAGE = "image.tar"
IMAGE_CONFIG = "lock/image.json"
LOCK = "lock/lock.json"
PYLOCK = "lock/pylock.toml"
SPEC = "spec/spec.yaml"
WHEELS = "lock/wheels/"
METRICS_FILE = "metrics.json"


_TOP = frozenset({INDEX, README, MANIFEST, SEAL, IMAGE})
_ROOMS = ("spec/", "lock/", "results/", "run/", "data/", "attestations/")


_REPOSITORIES = frozenset({".bzr", ".git", ".gitmodules", ".hg", ".jj", ".svn", "git~1"})


def is_known(name: str) -> bool:
    """Whether this format has such an entry at all."""
    return (name in _TOP or name.startswith(_ROOMS)) and not in_repository(name)


def in_repository(name: str) -> bool:
    """Whether version control would take the file for its own: its settings name programs that it runs."""
    return any(part.casefold() in _REPOSITORIES for part in name.split("/"))


def is_exact(name: str) -> bool:
    """Whether the entry enters the experiment id."""
    return name.startswith(("spec/", "lock/", "results/"))


def is_optional(name: str) -> bool:
    """Whether the capsule may travel without the entry, with both ids unchanged."""
    return name == IMAGE or name.startswith("data/")


def is_sealed(name: str) -> bool:
    """Whether the entry enters the seal."""
    return not (name == SEAL or name.startswith("attestations/") or is_optional(name))


def listing_of(location: str) -> str | None:
    """The exact list that keeps the digests of outputs under ``data/`` in the id, even when they are left out."""
    return f"results/{location.removeprefix('data/')}-sha256.txt" if location.startswith("data/") else None
