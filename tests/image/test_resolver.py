"""Debian's relations: alternatives, virtual packages, versions, conflicts."""

import random

import pytest

from exseos.errors import UsageError
from exseos.image.packages import Index, parse_index, parse_relations
from exseos.image.resolver import resolve_packages

PARAGRAPHS = [
    "Package: app\nVersion: 2.0-1\nDepends: lib (>= 1.9), editor | nano, mail-agent, python3:any",
    "Package: lib\nVersion: 1:1.0\nPre-Depends: core",
    "Package: core\nVersion: 5~rc1\nDescription: a\n continued Depends: nothing",
    "Package: nano\nVersion: 1",
    "Package: exim\nVersion: 4\nProvides: mail-agent\nPriority: standard\nDepends: app",
    "Package: armada\nVersion: 4\nProvides: mail-agent\nPriority: optional",
    "Package: python3\nVersion: 3.11.2-1",
    "Package: python3\nVersion: 3.9.0-1",
    "Package: provider\nVersion: 1\nProvides: versioned (= 3), unversioned",
    "Package: wants-versioned\nVersion: 1\nDepends: versioned (>= 3)",
    "Package: wants-too-much\nVersion: 1\nDepends: versioned (>> 3) | unversioned (>= 1)",
    "Package: old\nVersion: 1\nConflicts: nano (<< 2)",
    "Package: lib32\nVersion: 1\nConflicts: nano:i386\nDepends: nano:amd64",
    "Package: foreign\nVersion: 1\nDepends: nano:i386",
    "Package: breaks-itself\nVersion: 1\nProvides: thing\nConflicts: thing",
]


def index(order: int = 0) -> Index:
    paragraphs = list(PARAGRAPHS)
    random.Random(order).shuffle(paragraphs)
    more = [f"\nFilename: pool/{number}.deb\nSize: {number + 1}\nSHA256: {number:064x}" for number in range(len(paragraphs))]
    return parse_index("\n\n".join(one + two for one, two in zip(paragraphs, more, strict=True)) + "\n\n")


def names(*roots: str, order: int = 0) -> list[str]:
    return [one.name for one in resolve_packages(roots, index(order))]


@pytest.mark.parametrize("order", range(5))
def test_closure_whatever_the_order_of_the_index(order: int) -> None:
    assert names("app", order=order) == ["app", "core", "exim", "lib", "nano", "python3"]


def test_alternative_that_is_chosen_already_is_kept() -> None:
    assert names("armada", "app") == names("app", "armada") == ["app", "armada", "core", "lib", "nano", "python3"]


def test_newest_version_counts_and_pins_are_complete() -> None:
    (pin,) = resolve_packages(["python3 (>= 3.10)"], index())
    assert (pin.version, len(pin.sha256), pin.path[:5]) == ("3.11.2-1", 64, "pool/")
    assert pin.size > 0


def test_version_of_what_is_provided() -> None:
    assert names("wants-versioned") == ["provider", "wants-versioned"]
    with pytest.raises(UsageError, match=r"versioned \(>> 3\) \| unversioned \(>= 1\), needed by wants-too-much, is not in this suite"):
        names("wants-too-much")


def test_all_problems_are_listed() -> None:
    with pytest.raises(UsageError) as caught:
        names("missing", "absent", "old", "nano")
    assert all(word in str(caught.value) for word in ("missing", "absent", "old conflicts with nano"))


def test_a_package_of_another_architecture_is_another_package() -> None:
    assert names("lib32") == ["lib32", "nano"]
    with pytest.raises(UsageError, match="nano:i386, needed by foreign, is not in this suite"):
        names("foreign")


def test_package_does_not_conflict_with_itself() -> None:
    assert names("breaks-itself") == ["breaks-itself"]


@pytest.mark.parametrize("version, allowed", [("1.9", False), ("1:0", True), ("2.0~rc1", False), ("2.0", True), ("2.0-1", True)])
def test_order_of_versions(version: str, allowed: bool) -> None:
    ((relation,),) = parse_relations("lib (>= 2.0)")
    assert relation.allows(version) is allowed


@pytest.mark.parametrize("text", ["Upper", "a (2.0)", "a (>= )", "a; rm -rf", "a=1"])
def test_what_is_no_relation(text: str) -> None:
    with pytest.raises(UsageError, match="not a package relation"):
        names(text)
