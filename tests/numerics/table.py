"""``python -m tests.numerics.table``: find out which operations are exact, write ``exact_ops.json``.

Every item of ``scan`` runs in the image of ``examples/tiny`` on this CPU and on emulated ones. What
each made is left in ``build/exact-ops``, in a folder for this image and these items, and is not made
again for the same: a scan that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from exseos.digest import sha256_file, sha256_json
from exseos.engines.base import Engine
from exseos.engines.bubblewrap import Bubblewrap
from exseos.image.image import Image
from exseos.store import Store
from exseos.worker.numerics.audit import TABLE
from tests.numerics import GROUPS
from tests.numerics.emulator import CPUS, Emulated, get_emulator
from tests.numerics.inside import REPOSITORY, WORK, example_image, run_inside

_FOLDER = REPOSITORY / "build/exact-ops"
_SECONDS = 4 * 3600.0
_ENOUGH = 32
"""Numbers that an operation must have put out outside a graph, unless it exists in graphs only."""

Outcome = dict[str, Any]
Kinds = set[tuple[str, str]]
"""Operations, each with a type that rounds; the empty type if it has none."""


def main() -> None:
    """Scan, then write the table and print what is not exact."""
    store = Store()
    image = example_image(store)
    items = {path.name: sha256_file(path) for path in Path(__file__).parent.glob("*.py")}
    folder = _FOLDER / sha256_json({"image": image.id, "items": items})[:16]
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "qemu/usr/bin/qemu-x86_64"
    if not program.is_file():
        get_emulator(folder / "qemu", store.cache)
    engines: dict[str, Engine] = {"here": Bubblewrap()}
    engines |= {cpu: Emulated(program, cpu) for cpu in CPUS}
    for engine in engines.values():
        engine.load(image)
    with ThreadPoolExecutor(2) as pool:
        # The plan is made on this CPU, by the first scan.
        _scan("here", engines["here"], image, store, GROUPS[0], folder)
        runs = [(name, group) for group in GROUPS for name in engines]
        list(pool.map(lambda run: _scan(run[0], engines[run[0]], image, store, run[1], folder), runs))
    read = {name: [json.loads(_result(folder, name, group).read_text()) for group in GROUPS] for name in engines}
    table, remarks = judge(read)
    for remark in remarks:
        print(remark)
    TABLE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    print(f"{TABLE.name}: {len(table['exact'])} operations")


def _scan(name: str, engine: Engine, image: Image, store: Store, group: str, folder: Path) -> None:
    result = _result(folder, name, group)
    if result.is_file():
        return
    module = ["tests.numerics.scan", group, f"{WORK}/plan.json", f"{WORK}/{result.name}"]
    code, said = run_inside(engine, image, store, module, folder, seconds=_SECONDS)
    if code != 0:
        raise SystemExit(f"{name}: the scan of {group} ended with {code}\n{said[-3000:]}")
    print(f"{name}: {said.strip()}", flush=True)


def _result(folder: Path, name: str, group: str) -> Path:
    return folder / f"{name}-{group.replace(' ', '-')}.json"


def judge(outcomes: Mapping[str, list[Outcome]]) -> tuple[dict[str, Any], list[str]]:
    """The table, and remarks on what is not in it. ``outcomes``: CPU → what each group made there.

    An operation is exact with a type if items that used it gave equal results everywhere, it never
    made something else of equal input, and no item that differs has it for its only suspect.
    """
    remarks: list[str] = []
    cpus = list(outcomes)
    first = outcomes[cpus[0]]
    differing, compared = _single_operations(outcomes)
    good: Kinds = set()
    bad_items: dict[str, Kinds] = {}
    for number, group in enumerate(first):
        others = [outcomes[cpu][number] for cpu in cpus[1:]]
        for name, used in group["used"].items():
            kinds = _kinds(used)
            found = [one["items"].get(name) for one in (group, *others)]
            if found[0] is None:
                remarks.append(f"{name} failed: {' '.join(group['failed'][name].split())[:100]}")
            elif all(one == found[0] for one in found):
                good |= kinds
            else:
                bad_items[name] = kinds
    doubtful = set(differing)
    for name, kinds in bad_items.items():
        culprits = kinds & differing
        if not culprits:
            known = compared.keys() | {(op, "") for op, _ in compared}
            culprits = kinds - known
            doubtful |= culprits
        told = ", ".join(sorted(f"{op} {kind}".strip() for op, kind in culprits)) or "nothing known"
        remarks.append(f"{name} differs: {told}")
    few = {kind for kind in good if kind in compared and kind[1] and compared[kind] < _ENOUGH}
    remarks += [f"{op} ({kind}): compared on {compared[op, kind]} numbers only" for op, kind in sorted(few)]
    if strange := [name for name in bad_items if name.startswith("numpy ")]:
        remarks.append(f"NumPy differs: {', '.join(strange)}")
    exact: dict[str, set[str]] = {}
    for op, kind in good - doubtful - few:
        exact.setdefault(op, set()).update({kind} - {""})
    libraries, packages = first[0]["libraries"], {}
    for one in (group for groups in outcomes.values() for group in groups):
        assert one["libraries"] == libraries and not one["missing"], "not the same libraries"
        packages |= one["packages"]
    if strange:
        del packages["numpy"]
    table = {
        "exact": {op: sorted(kinds) for op, kinds in exact.items()},
        "libraries": libraries,
        "packages": packages,
    }
    return table, remarks


def _kinds(used: Mapping[str, Iterable[str]]) -> Kinds:
    return {(op, kind) for op, kinds in used.items() for kind in [*kinds, ""]}


def _single_operations(
    outcomes: Mapping[str, list[Outcome]],
) -> tuple[Kinds, dict[tuple[str, str], int]]:
    """What made different numbers of equal input; what was compared, on how many numbers."""
    differing: Kinds = set()
    compared: dict[tuple[str, str], int] = {}
    first, *others = outcomes.values()
    for number, group in enumerate(first):
        for label, calls in group["operations"].items():
            op, _, types = label.partition("|")
            kinds = {(op, kind) for kind in types.split(",")}
            for other in others:
                theirs = other[number]["operations"].get(label, {})
                if any(calls[key] != theirs[key] for key in calls.keys() & theirs.keys()):
                    differing |= kinds
            for kind in kinds:
                compared[kind] = compared.get(kind, 0) + group["values"][label]
    return differing, compared


if __name__ == "__main__":
    main()
