"""Loop attributes of Intel HLS and oneAPI: ``loop_attr.json`` and ``loop_attr.ndjson``.

Of each loop or block, with its name as scope: initiation interval, latency, and the clock it was scheduled for. ``n/a`` is no number,
and there is no latency of the whole design.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from exseos.readers.base import Number, Reader, Report, ReportError
from exseos.readers.bounds import few
from exseos.readers.intel_tables import scope_of, value_of
from exseos.readers.relaxed_json import documents, objects

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"loop_attributes"')
_NAMES = {
    "ii": ("initiation_interval", "cycles"),
    "lt": ("latency_cycles", "cycles"),
    "af": ("fmax_mhz", "MHz"),
    "fmax": ("fmax_mhz", "MHz"),
}


class IntelLoops(Reader):
    """What the compiler made of each loop."""

    name = "intel loops"

    def recognises(self, head: str, file_name: str) -> bool:
        return bool(_HEAD.match(head))

    def read(self, text: str, file_name: str) -> Report:
        found = documents(text)
        if not found:
            raise ReportError("no loop attributes", where=file_name, hint="The file may be cut off; compile again.")
        return Report("oneapi", "", "", tuple(few(number for node in _nodes(found) for number in _of(node))))


def _nodes(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    waiting = list(reversed(found))
    while waiting:
        node = waiting.pop()
        waiting += reversed([*objects(node.get("nodes")), *objects(node.get("children"))])
        yield node


def _of(node: dict[str, Any]) -> list[Number]:
    scope = scope_of(node)
    values = ((name, value_of(node.get(key)), unit) for key, (name, unit) in _NAMES.items())
    return [Number(name, value, unit, "estimated", scope) for name, value, unit in values if value is not None and scope]


READER = IntelLoops()
