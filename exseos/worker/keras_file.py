"""A ``.keras`` file as a pure function of the model: no dates, no zip times, no object addresses, sorted entries, stored."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

_SAVED = "1980-01-01@00:00:00"


def save(model: Any, path: Path) -> None:
    """Save ``model`` (Keras) to ``path`` in canonical form. The file appears whole or not at all."""
    raw = path.with_name(f".{path.name}.raw.keras")
    try:
        model.save(raw)
        canonicalise(raw, path)
    finally:
        raw.unlink(missing_ok=True)


def canonicalise(source: Path, target: Path) -> None:
    """Rewrite the ``.keras`` file ``source`` as ``target``; the same model gives the same bytes.

    Keras writes the time of saving, and ``shared_object_id``: the address of a Python object, here renumbered in the order
    of appearance.
    """
    partial = target.with_name(f".{target.name}.part")
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as made:
        for name in sorted(given.namelist()):
            content = given.read(name)
            if name == "metadata.json":
                content = _json({**json.loads(content), "date_saved": _SAVED})
            elif name == "config.json":
                content = canonical(json.loads(content))
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            made.writestr(entry, content)
    partial.replace(target)


def canonical(configuration: Any) -> bytes:
    """The JSON of a configuration that Keras wrote, without addresses of objects."""
    return _json(_renumbered(configuration, {}))


def _json(value: Any) -> bytes:
    # Not RFC 8785: Keras tells 1 from 1.0, and its configurations hold values such as Infinity.
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(item, len(numbers) + 1) if key == "shared_object_id" else _renumbered(item, numbers)
            for key, item in sorted(value.items())
        }
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    return value
