"""The JSON Schema of a spec, for editors."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from exseos.spec.models import Experiment
from exseos.spec.search import FIXED, FIXED_OF_DATA, Choice, Range, Search

_SEARCH: TypeAdapter[Range | Choice] = TypeAdapter(Search)
_NEVER_SEARCHED = ("Author", "Environment", "Study", "Claim", "Range", "Choice")


def json_schema() -> str:
    """The JSON Schema (2020-12) of a spec. What may differ between trials may also be a search."""
    schema = Experiment.model_json_schema()
    definitions = schema["$defs"]
    search = _SEARCH.json_schema(ref_template="#/$defs/{model}")
    definitions |= search.pop("$defs")
    definitions["Search"] = search
    for name, definition in definitions.items():
        if name not in (*_NEVER_SEARCHED, "Search"):
            _let_search(definition, FIXED_OF_DATA if name == "Source" else ())
    _let_search(schema, (*FIXED, "data"))
    schema["properties"]["data"]["additionalProperties"] = False
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "ExSeOS-HLS experiment"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _let_search(definition: dict[str, Any], fixed: tuple[str, ...]) -> None:
    """Let each property but the ``fixed`` ones be a search instead of a value."""
    for name, part in definition.get("properties", {}).items():
        if name not in fixed:
            kept = {key: part.pop(key) for key in ("title", "description", "default") if key in part}
            definition["properties"][name] = {"anyOf": [dict(part), {"$ref": "#/$defs/Search"}], **kept}
