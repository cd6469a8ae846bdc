"""Text from anywhere, made fit to be shown: nothing of it commands a terminal, hides, or moves what stands beside it.

What a terminal obeys or a reader does not see is shown as an escape of Python: ``\\x1b``, ``\\u202e``, ``\\n``. These are control
characters, direction marks, zero-width, format, private, unassigned and lone surrogate code points, spaces other than the ASCII one,
variation selectors, tags, fillers, and combining marks that have no letter or pile up. Letters of all scripts stay, accented or not.

Where the text itself has a backslash, it is doubled, so that an escape that is shown always stands for the one character: the text
``\\x1b``, of four letters, is shown as ``\\\\x1b``. Only in messages and in many lines, which hold code and quotes that are escaped
already, it stays as it is.
"""

from __future__ import annotations

import re
import unicodedata

LIMIT = 2000
"""Characters of one text that are shown."""
MOST_MARKS = 6
"""Combining marks on one letter that are shown: no script piles up more in ordinary text."""
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
# By code points and not by category, so that it is the same under every Python, whatever version of Unicode that knows.
_HIDDEN = re.compile(
    "["
    "\x00-\x1f\x7f-\xa0\xad"  # controls, no-break space, soft hyphen
    "\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"  # fillers, the space of Ogham, vowels without a shape, Mongolian selectors
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"  # spaces, zero width, directions, the empty braille pattern
    "\ud800-\uf8ff"  # surrogates, private use
    "\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"  # tags, selectors, private use
    "]"
)


def visible(text: object, *, lines: bool = False, escaped: bool = False, limit: int = LIMIT) -> str:
    """``text`` on one line, in characters that are seen; behind ``limit`` it is cut, and says how much was left out.

    ``lines``: newlines and tabs stay, as do backslashes; for logs and tracebacks. ``escaped``: a message on one line that quotes what
    is escaped already; its backslashes stay. Both may be applied again and change nothing.
    """
    whole = str(text)
    kept = whole[: max(0, limit)]
    if not is_plain(kept) or "\\" in kept:
        kept = _shown(kept, keep="\n\t" if lines else "", doubled=not (lines or escaped))
    left_out = len(whole) - max(0, limit)
    return f"{kept}… ({left_out:,} characters left out)" if left_out > 0 else kept


def is_plain(text: str) -> bool:
    """Whether every character of ``text`` is seen as it is."""
    if text.isascii():
        return text.isprintable()
    return text.isprintable() and _HIDDEN.search(text) is None and (not _has_marks(text) or _shown(text, "", doubled=False) == text)


def without_hidden(text: str) -> str:
    """``text`` with escapes for what is hidden by a list that does not change: for a file that must be the same everywhere."""
    return _HIDDEN.sub(lambda match: _escape(match[0]), text)


def _shown(text: str, keep: str, *, doubled: bool) -> str:
    parts = []
    marks = MOST_MARKS  # on the last letter; as many as can be where there is none
    for letter in text:
        seen = letter.isprintable() and _HIDDEN.match(letter) is None
        category = unicodedata.category(letter)[0]
        if seen and category == "M":
            seen = marks < MOST_MARKS
            marks += 1
        else:
            marks = 0 if seen and category in "LNS" else MOST_MARKS
        if letter == "\\" and doubled:
            letter = "\\\\"
        parts.append(letter if seen or letter in keep else _escape(letter))
    return "".join(parts)


def _has_marks(text: str) -> bool:
    return any(unicodedata.category(letter)[0] == "M" for letter in set(text))


def _escape(letter: str) -> str:
    number = ord(letter)
    wide = f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return _SHORT.get(letter, wide)
