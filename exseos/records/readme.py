"""``README.md`` of a capsule: a pure rendering of its index, so that ``verify`` can render it again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from exseos.lock import STAND_IN
from exseos.records.index import Index
from exseos.records.names import IMAGE, MANIFEST, SEAL
from exseos.records.parts import ClaimRecord, StageRecord
from exseos.text import without_hidden

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#&])")

_TEMPLATE = """\
# {title}

This file is a *capsule* of ExSeOS-HLS: a machine-learning-on-FPGA experiment with everything it takes to check it and to run it
again: what its authors wrote, the exact versions of all software and data, the results, and how they follow from each other.

| | |
|---|---|
| name | `{name}` |
| experiment id | `{id}` |
| image id | `{image_id}` |
| made with | ExSeOS-HLS {version} |
| licence | {licence} |
{parent}{warning}
## Claims

{claims}

## Metrics of {chosen}

{metrics}

## Check it with nothing but `unzip` and `sha256sum`

```
unzip FILE -d capsule && cd capsule
sha256sum --check --quiet {manifest}
sha256sum --check --quiet {seal}
sha256sum {manifest} {seal}
```

The last command prints the two ids. That of `{manifest}` is the experiment id above: it stands for what was written, pinned and
computed, and is the same wherever the experiment is built. That of `{seal}` is the *seal*: it stands for this very capsule, with the
record of its run.

## Check it and run it again with ExSeOS-HLS

```
pip install exseos
exseos capsule verify FILE     # every byte of the file
exseos capsule replay FILE     # every stage, metric and claim, in a container, without network
exseos capsule unpack FILE DIR # an experiment to read, change and build
```

## What is inside

| entries | content |
|---|---|
| `capsule.json` | the index: ids, stages, metrics, claims |
| `spec/` | the experiment as its authors wrote it |
| `lock/` | exact versions and digests of all software and data |
| `results/` | outputs of the stages that give the same bytes anywhere |
| `run/` | the record of this run: timings, logs, the machine |
| `{image}` | the container image, in a form that `docker load` and `podman load` take; it may be left out |
| `data/` | data files and prepared arrays; they may be left out |

{stages}
"""


def render(index: Index) -> str:
    """The README as Markdown."""
    metrics = [
        (_escaped(m.name), _number(m.value), _escaped(m.unit), m.level, _escaped(f"{m.tool} {m.version}"), _escaped(m.stage))
        for m in index.design_metrics(index.chosen)
    ]
    claims = [
        (
            _escaped(c.text),
            _escaped(c.metric),
            c.level,
            _number(c.value),
            _tolerance(c),
            _number(c.recorded),
            "yes" if c.holds else "**no**",
        )
        for c in index.claims
    ]
    stages = [(_escaped(s.trial), _escaped(s.stage), _kind(s), f"`{s.outputs_digest[:16]}…`") for s in index.stages]
    return _TEMPLATE.format(
        title=_escaped(index.title),
        name=index.name,
        id=index.id,
        image_id=index.image_id,
        version=_escaped(index.made_with),
        licence=_escaped(index.licence),
        parent=f"| made from | the experiment `{index.parent}` |\n" if index.parent else "",
        claims=_table(("claim", "metric", "level", "claimed", "tolerance", "recorded", "holds"), claims) or "None.",
        warning=_warning(index),
        chosen=_escaped(index.chosen),
        metrics=_table(("metric", "value", "unit", "level", "tool", "stage"), metrics) or "None.",
        stages=_table(("trial", "stage", "kind", "digest of its outputs"), stages),
        manifest=MANIFEST,
        seal=SEAL,
        image=IMAGE,
    )


def _kind(stage: StageRecord) -> str:
    return "exact" if stage.exact else f"recorded, by {_escaped(stage.needs or 'a tool')}"


def _warning(index: Index) -> str:
    """A word on stand-ins, so that nobody takes their numbers for those of hardware."""
    stages = [stage.stage for stage in index.stages if stage.trial == index.chosen and STAND_IN in (stage.needs or "")]
    if not stages:
        return ""
    listed = ", ".join(map(_escaped, stages))
    return f"\n**Not real: {listed} ran with a stand-in for the vendor's tool. Its numbers are about no hardware.**\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escaped(text: str) -> str:
    """``text`` on one line, without meaning to Markdown or HTML and with nothing hidden; the same under every version of Python."""
    return _SPECIAL.sub(r"\\\1", without_hidden(" ".join(text.split())))


def _number(value: float | int | None) -> str:
    """An integral float as its integer, since JSON does not tell one from the other."""
    if value is None:
        return "none"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else f"{value:.10g}"


def _tolerance(claim: ClaimRecord) -> str:
    if claim.relative is not None:
        return f"{_number(claim.relative * 100)} %"
    return "exact" if claim.absolute is None else f"± {_number(claim.absolute)}"
