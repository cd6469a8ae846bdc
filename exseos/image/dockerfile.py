"""Reads ``Dockerfile.base``: the small part of the language in which a build is a pure function of its inputs.

``FROM scratch``, ``ADD rootfs.tar /``, then ``ENV``, ``LABEL``, ``WORKDIR``, ``USER`` and ``ENTRYPOINT`` (JSON form). There is no
``RUN``, so what these say is all of the image's configuration (OCI image specification 1.1, "Image Configuration").
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from exseos.errors import CapsuleError, UsageError
from exseos.resources import resource

_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=.*", re.DOTALL)


@dataclass(frozen=True)
class ContainerConfig:
    """What a container of the image starts with."""

    environment: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()

    def as_oci(self) -> dict[str, object]:
        """The ``config`` object of an OCI image configuration."""
        return {
            "Env": [f"{key}={value}" for key, value in self.environment.items()],
            "Labels": self.labels,
            "WorkingDir": self.workdir,
            "User": self.user,
            "Entrypoint": list(self.entrypoint),
        }


@cache
def own_config() -> ContainerConfig:
    """What our own ``Dockerfile.base`` says: what every container starts with, whatever its image asks for."""
    file = resource("Dockerfile.base")
    return parse_dockerfile(file.read_text(encoding="utf-8"), str(file))


def check_config(found: object) -> None:
    """Raise ``CapsuleError`` unless ``found``, the ``config`` object of an image that is to be run, is what our own file gives.

    An engine may add to a container what its image asks for: variables, volumes, a health check.
    """
    expected = own_config().as_oci()
    if found == expected:
        return
    given = found if isinstance(found, dict) else {}
    names = {*given, *expected} if given else {"config"}
    differing = sorted(str(name)[:40] for name in names if name not in given or given[name] != expected.get(name))
    hint = "It was made by another version of exseos, or changed: take the version that the capsule names, or do not trust it."
    what = f"the image's configuration is not that of this version of exseos: {', '.join(map(repr, differing[:5]))} differ"
    raise CapsuleError(what, where="image.tar", hint=hint)


def parse_dockerfile(text: str, where: str = "Dockerfile.base") -> ContainerConfig:
    """The configuration in ``text``; ``UsageError`` names the line of anything outside the part of the language above."""
    instructions = list(_instructions(text))
    if [(word, rest) for _, word, rest in instructions[:2]] != [("FROM", "scratch"), ("ADD", "rootfs.tar /")]:
        raise UsageError("must begin with `FROM scratch` and `ADD rootfs.tar /`", where=where)
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    single: dict[str, str] = {"WORKDIR": "/", "USER": "", "ENTRYPOINT": "[]"}
    for line, word, rest in instructions[2:]:
        if word in ("ENV", "LABEL"):
            (environment if word == "ENV" else labels).update(_pairs(rest, f"{where}:{line}"))
        elif word in single:
            single[word] = rest
        else:
            raise UsageError(f"{word} is not allowed here", where=f"{where}:{line}", hint="Only ENV, LABEL, WORKDIR, USER and ENTRYPOINT.")
    try:
        entrypoint = tuple(str(part) for part in json.loads(single["ENTRYPOINT"]))
    except (ValueError, TypeError) as error:
        raise UsageError("ENTRYPOINT must be a JSON list", where=where) from error
    return ContainerConfig(environment, labels, single["WORKDIR"], single["USER"], entrypoint)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, instruction, and the rest with continued lines joined."""
    gathered, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start if gathered else number
        gathered += line.rstrip()
        if gathered.endswith("\\"):
            gathered = gathered[:-1]
            continue
        word, _, rest = gathered.strip().partition(" ")
        yield start, word.upper(), rest.strip()
        gathered = ""


def _pairs(text: str, where: str) -> Iterator[tuple[str, str]]:
    if "$" in text:
        raise UsageError("variables are not expanded here", where=where, hint="Write the value itself.")
    for part in shlex.split(text):
        if not _PAIR.fullmatch(part):
            raise UsageError(f"{part!r} is not of the form name=value", where=where)
        key, _, value = part.partition("=")
        yield key, value
