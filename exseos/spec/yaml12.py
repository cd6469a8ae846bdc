"""YAML 1.2 (core schema) with the line of every key and value, on top of PyYAML's parser.

Differences from PyYAML's own loader, which speaks YAML 1.1: ``1e-4`` is a number, ``yes`` and ``on`` are text, ``010`` is ten,
a key given twice is an error. Tags, anchors and aliases are refused: a spec is plain data.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from exseos.errors import UsageError

Path = tuple[str | int, ...]

_DEEPEST = 64
"""Levels of nesting; PyYAML's time grows with their square, and Python's stack ends at some hundreds."""
_MOST_TOKENS = 20_000
"""A list of 5,000 columns needs 10,000; PyYAML and all that is said of each value take a second for these, and a minute for 250,000."""
_STEPS: dict[type[yaml.Token], int] = {
    **dict.fromkeys(
        (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken, yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken), 1
    ),
    **dict.fromkeys((yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken), -1),
}

_NO_TEXT = re.compile(r"[\ud800-\udfff]")
"""Halves of characters, which ``"\\ud800"`` writes: no encoding has them."""
_INT = re.compile(r"[-+]?[0-9]+")
_LONGEST_INT = 100
"""Digits; Python refuses thousands, and nothing in a spec takes that many."""
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


@dataclass
class Document:
    """Plain data and the line (from 1) where each value and each key of it stands."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of ``path``, or of the nearest thing around it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load(text: str, name: str) -> Document:
    """Parse one document; ``name`` is the file named in errors (``UsageError`` with the line)."""
    try:
        depth = 0
        for number, token in enumerate(yaml.scan(text, Loader=yaml.SafeLoader)):
            if number > _MOST_TOKENS:
                hint = "Put long lists into a file of the experiment."
                raise UsageError(
                    "the spec has more values than any experiment needs", where=f"{name}:{token.start_mark.line + 1}", hint=hint
                )
            depth += _STEPS.get(type(token), 0)
            if depth > _DEEPEST:
                raise UsageError("the values are nested too deeply", where=f"{name}:{token.start_mark.line + 1}")
            if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
                raise UsageError(
                    "anchors, aliases and tags are not allowed in a spec",
                    where=f"{name}:{token.start_mark.line + 1}",
                    hint="Write the value out where it is used, or put text that begins with '&', '*' or '!' in quotes.",
                )
            if isinstance(token, yaml.ScalarToken) and (half := _NO_TEXT.search(token.value)):
                where = f"{name}:{token.start_mark.line + 1}"
                raise UsageError(f"U+{ord(half[0]):04X} is half a character", where=where, hint="Write the character itself.")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = Document(None)
        document.value = _construct(node, (), document, name) if node is not None else None
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, name) from error
    except yaml.reader.ReaderError as error:
        where = f"{name}:{text.count(chr(10), 0, error.position) + 1}"
        raise UsageError(f"not valid YAML: the character U+{error.character:04X} is not allowed", where=where) from error
    except yaml.YAMLError as error:
        raise UsageError(f"not valid YAML: {error}", where=name) from error
    return document


def _not_yaml(error: yaml.MarkedYAMLError, name: str) -> UsageError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not understood"
    hint = "Check the indentation and quotes around this line."
    if "\\t" in problem:
        problem, hint = "a tab where YAML takes spaces only", "Indent with spaces."
    elif problem == "but found another document":
        problem, hint = "a second document begins", "A spec is one document: take out the line '---'."
    elif problem.startswith("mapping values are not allowed"):
        problem, hint = "a second ':' in one line", "Put text that holds ': ' in quotes, or check the indentation."
    return UsageError(f"not valid YAML: {problem}", where=f"{name}:{mark.line + 1}" if mark else name, hint=hint)


def _construct(node: yaml.Node, path: Path, document: Document, name: str) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, index), document, name) for index, item in enumerate(node.value)]
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise UsageError("a key must be plain text", where=f"{name}:{line}")
        key = key_node.value
        if key in mapping:
            raise UsageError(f"key {key!r} is given twice", where=f"{name}:{line}", hint="Keep one of the two.")
        document.lines[(*path, key)] = line
        mapping[key] = _construct(value_node, (*path, key), document, name)
    return mapping


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _LONGEST_INT else float(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if match := _INFINITY.fullmatch(text):
        return -math.inf if match[1] == "-" else math.inf
    return text
