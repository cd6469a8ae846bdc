"""Which Debian packages some packages need: the closure of ``Depends`` and ``Pre-Depends``.

The rule is simple and gives the same answer for the same index in whatever order the roots come: of alternatives the first that
is chosen already, else the first that the index has; of the providers of a virtual package the one of highest priority, then the
first by name. Essential packages are not added: nothing configures the packages, so nothing needs ``dpkg``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exseos.errors import UsageError
from exseos.image.packages import DEPENDENCIES, Candidate, DebPackage, Index, Relation, parse_relations


def resolve_packages(roots: Iterable[str], index: Index) -> list[DebPackage]:
    """Pins of ``roots`` (names or relations such as ``gcc (>= 4:12)``) and all they need, sorted by name.

    ``UsageError`` lists every root and dependency that ``index`` cannot satisfy and every conflict within the closure.
    """
    try:
        wanted = sorted({group for root in roots for group in parse_relations(root)}, key=str)
    except ValueError as error:
        raise UsageError(str(error), where="packages", hint="Write a Debian package name, perhaps with (>= version).") from error
    chosen: dict[str, Candidate] = {}
    problems: list[str] = []
    waiting: list[tuple[tuple[Relation, ...], str]] = [(group, "") for group in wanted]
    while waiting:
        group, needed_by = waiting.pop(0)
        best = _choose(group, chosen, index)
        if best is None:
            problems.append(" | ".join(map(str, group)) + (f", needed by {needed_by}," if needed_by else "") + " is not in this suite")
        elif best.name not in chosen:
            chosen[best.name] = best
            waiting += [(group, best.name) for group in best.relations(*DEPENDENCIES)]
    problems += _conflicts(chosen, index)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in dict.fromkeys(problems))
        raise UsageError(f"the Debian packages cannot be resolved:\n{lines}", where="packages", hint="Correct the names under `packages`.")
    return [chosen[name].pin() for name in sorted(chosen)]


def _choose(group: Sequence[Relation], chosen: dict[str, Candidate], index: Index) -> Candidate | None:
    possible = [candidate for relation in group for candidate in index.satisfying(relation)]
    return next((candidate for candidate in possible if candidate.name in chosen), possible[0] if possible else None)


def _conflicts(chosen: dict[str, Candidate], index: Index) -> list[str]:
    found = []
    for name in sorted(chosen):
        for group in chosen[name].relations("Conflicts", "Breaks"):
            for relation in group:
                others = {one.name for one in index.satisfying(relation) if one.name in chosen and one.name != name}
                found += [f"{name} conflicts with {other} (it says {relation})" for other in sorted(others)]
    return found
