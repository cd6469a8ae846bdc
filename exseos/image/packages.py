"""Debian binary packages and the index that lists them (Debian Policy, chapters 5 and 7)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from exseos.lock import DebPackage

__all__ = ["Candidate", "DebPackage", "Index", "Relation", "parse_index", "parse_relations"]

DEPENDENCIES = ("Pre-Depends", "Depends")
_FIELDS = {"Package", "Version", "Filename", "Size", "SHA256", "Provides", "Conflicts", "Breaks", "Priority", *DEPENDENCIES}
_RELATION = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]*)(?::(?P<architecture>[a-z0-9]+))?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>)\s*(?P<version>[^\s)]+)\s*\))?"
)
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


@dataclass(frozen=True)
class Relation:
    """One package name, perhaps with a bound on its version: ``libc6 (>= 2.36)``. Of another architecture it is ``libc6:i386``."""

    name: str
    operator: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def allows(self, version: str) -> bool:
        """Whether ``version`` lies within the bound, in Debian's order of versions."""
        if self.operator is None or self.version is None:
            return True
        order = compare_versions(version, self.version)
        return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[self.operator]


def compare_versions(one: str, two: str) -> int:
    """Negative, 0 or positive, as ``dpkg --compare-versions`` orders them."""
    from debian.debian_support import NativeVersion

    first, second = NativeVersion(one), NativeVersion(two)
    return int(first > second) - int(first < second)


def parse_relations(text: str) -> tuple[tuple[Relation, ...], ...]:
    """A dependency field: all of the groups, any one of each; ``ValueError`` for what is not a relation."""
    groups = []
    for group in filter(None, (part.strip() for part in text.split(","))):
        alternatives = []
        for alternative in group.split("|"):
            match = _RELATION.fullmatch(alternative.strip())
            if match is None:
                raise ValueError(f"not a package relation: {alternative.strip()!r}")
            own = match["architecture"] in (None, "any", "native", "amd64")
            name = match["name"] if own else f"{match['name']}:{match['architecture']}"
            alternatives.append(Relation(name, match["operator"], match["version"]))
        groups.append(tuple(alternatives))
    return tuple(groups)


@dataclass(frozen=True)
class Candidate:
    """One paragraph of the index."""

    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        """Package name."""
        return self.fields["Package"]

    @property
    def version(self) -> str:
        """Package version."""
        return self.fields["Version"]

    @property
    def rank(self) -> tuple[int, str]:
        """Which provider of a virtual package is taken: by priority, then by name."""
        priority = self.fields.get("Priority", "optional")
        return (_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES), self.name)

    def relations(self, *names: str) -> tuple[tuple[Relation, ...], ...]:
        """The groups of these fields."""
        return tuple(group for name in names for group in parse_relations(self.fields.get(name, "")))

    def pin(self) -> DebPackage:
        """The package as a lock holds it."""
        got = self.fields
        return DebPackage(name=self.name, version=self.version, path=got["Filename"], size=int(got["Size"]), sha256=got["SHA256"])


@dataclass(frozen=True)
class Index:
    """The packages of one suite; of several versions of one name the newest counts. ``date`` is when the suite was published."""

    packages: Mapping[str, Candidate]
    date: str = ""
    _providers: dict[str, list[tuple[Relation, Candidate]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for candidate in self.packages.values():
            if "Provides" in candidate.fields:
                for (provided,) in candidate.relations("Provides"):
                    self._providers.setdefault(provided.name, []).append((provided, candidate))

    def satisfying(self, relation: Relation) -> list[Candidate]:
        """What satisfies ``relation``, best first: the package itself, then its providers.

        A bound on the version is met by a provider only if it states the version that it provides.
        """
        own = self.packages.get(relation.name)
        found = [own] if own is not None and relation.allows(own.version) else []
        providers = [
            candidate
            for provided, candidate in self._providers.get(relation.name, [])
            if relation.operator is None or (provided.version is not None and relation.allows(provided.version))
        ]
        return found + sorted((one for one in providers if one not in found), key=lambda one: one.rank)


def parse_index(text: str, date: str = "") -> Index:
    """A ``Packages`` file."""
    packages: dict[str, Candidate] = {}
    for fields in _paragraphs(text):
        candidate = Candidate(fields)
        known = packages.get(candidate.name)
        if known is None or compare_versions(known.version, candidate.version) < 0:
            packages[candidate.name] = candidate
    return Index(packages, date)


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t"):
                if name in _FIELDS:
                    fields[name] += " " + line.strip()
                continue
            name, _, value = line.partition(":")
            if name in _FIELDS:
                fields[name] = value.strip()
        if "Package" in fields:
            yield fields
