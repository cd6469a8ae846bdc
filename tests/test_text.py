"""What is shown of untrusted text: only characters that are seen, and escapes that cannot be faked."""

from __future__ import annotations

import ast
import io
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import exseos
from exseos.cli.console import cell, say
from exseos.text import LIMIT, MOST_MARKS, is_plain, visible, without_hidden

SEEMS_PRINTABLE = "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0041\U000e0100"
"""Characters that no one sees and whose category does not say so."""
HOSTILE = "\x00\x07\x1b\x7f\x9b\u061c\u200b\u200d\u200e\u202e\u2028\u2029\u2066\u2069\ufeff\xa0\u3000\ue000\ud800\u0378" + SEEMS_PRINTABLE
ANY = st.text(st.one_of(st.characters(), st.characters(categories=["Cs", "Cf", "Cc", "Mn", "Zs"]), st.sampled_from(HOSTILE + "\\nxu1\n\t")))
ORDINARY = [
    "Zoë Ångström, naïve",
    "Zoe\u0308 e\u0323\u0302",  # accents apart from their letters
    "Việt Nam",
    "ничего",
    "数据集の精度",
    "데이터",
    "שָׁלוֹם",
    "العَرَبِيَّة",
    "हिन्दी",
    "ภาษาไทยที่",
    "α ± 5 % ≤ 10 µs, ∂x/∂y, §3 [bold] | `x`",
    "🚀",
    "",
]


def unseen(text: str) -> list[str]:
    """Characters of ``text`` that are not seen, by another way than the code under test."""
    hidden = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
    return [letter for letter in text if letter != " " and (unicodedata.category(letter) in hidden or letter in SEEMS_PRINTABLE)]


def decoded(text: str) -> str:
    """What the escapes of ``text`` stand for."""
    return text.encode("ascii", "backslashreplace").decode("unicode_escape")


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) == without_hidden(text) == text
    assert is_plain(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("a\u200bb\u3000c\u2800", "a\\u200bb\\u3000c\\u2800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\\x1b", "\\\\x1b"),
        ("ends in \\", "ends in \\\\"),
        ("\u0301a", "\\u0301a"),
        (" \u0301", " \\u0301"),
        ("│\u0335", "│\u0335"),
        ("\n\u0301", "\\n\\u0301"),
    ],
)
def test_what_is_not_seen_is_an_escape(text: str, expected: str) -> None:
    assert visible(text) == expected
    assert is_plain(text) == (text.replace("\\", "") == expected.replace("\\", ""))


@pytest.mark.parametrize("letter", HOSTILE)
def test_each_is_hidden_everywhere(letter: str) -> None:
    for shown in (visible(f"a{letter}b"), visible(f"a{letter}b", lines=True), visible(f"a{letter}b", escaped=True)):
        assert shown == f"a{shown[1:-1]}b"
        assert decoded(shown) == f"a{letter}b"
        assert not is_plain(f"a{letter}b")
    if letter != "\u0378":  # which may be given a meaning one day
        assert without_hidden(letter) == visible(letter)


def test_marks_that_pile_up() -> None:
    shown = visible("e" + "\u0301" * 100)
    assert shown == "e" + "\u0301" * MOST_MARKS + "\\u0301" * (100 - MOST_MARKS)


@given(ANY)
def test_only_what_is_seen_is_left(text: str) -> None:
    for shown in (visible(text), visible(text, escaped=True)):
        assert unseen(shown) == []
        assert shown.isprintable()
        assert len(shown.splitlines()) <= 1
        assert is_plain(shown)
    assert unseen(visible(text, lines=True).replace("\n", "").replace("\t", "")) == []


@given(ANY)
def test_no_two_texts_are_shown_alike(text: str) -> None:
    assert decoded(visible(text)) == text


@given(ANY)
def test_lines_and_messages_may_be_shown_again(text: str) -> None:
    for again in ({"lines": True}, {"escaped": True}):
        once = visible(text, **again)  # type: ignore[arg-type]
        assert visible(once, **again) == once  # type: ignore[arg-type]
    assert visible(visible(text), escaped=True) == visible(text)


@given(ANY)
def test_plain_is_what_is_shown_as_it_is(text: str) -> None:
    assert is_plain(text) == (visible(text, escaped=True) == text)


@given(ANY)
def test_the_fixed_list_is_part_of_what_is_hidden(text: str) -> None:
    for letter in text:
        assert without_hidden(letter) in (letter, visible(letter, escaped=True))
    assert not [letter for letter in without_hidden(text) if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")]


FRAMES = {number: f"\\u{number:04x}" for number in range(0x2500, 0x2580)}


@given(ANY | st.text(st.sampled_from("[]/\\abold:=@#\x1b")), st.booleans())
def test_no_text_is_markup(text: str, escaped: bool) -> None:
    console = Console(file=io.StringIO(), color_system=None)
    say(console, ("a", "bold"), cell(text, escaped=escaped, style="red"), "|")
    assert console.file.getvalue() == f"a{visible(text, escaped=escaped).translate(FRAMES)}|\n"  # type: ignore[attr-defined]


def test_lines_keep_newlines_and_tabs_and_code() -> None:
    text = 'File "a.py"\n\tprint("\\n\\x1b")\n\x1b[2J\u202e\r'
    assert visible(text, lines=True) == 'File "a.py"\n\tprint("\\n\\x1b")\n\\x1b[2J\\u202e\\r'


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("a" * LIMIT) == "a" * LIMIT
    assert visible("a" * (LIMIT + 1)) == "a" * LIMIT + "… (1 characters left out)"
    assert visible("\x1b" * 5000, limit=3) == "\\x1b" * 3 + "… (4,997 characters left out)"
    assert visible("a\n" * 5000, lines=True, limit=4) == "a\na\n… (9,996 characters left out)"


@pytest.mark.parametrize("letter", ["a", "\x1b", "\u0301", "\ud800", "\\", "数"])
def test_huge_text_takes_no_time(letter: str) -> None:
    text = letter * 20_000_000
    begun = time.monotonic()
    assert len(visible(text)) < 30_000
    assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("value", [None, 1, 1.5, b"\x1b", Path("a\x1b"), ["\x1b"]])
def test_any_object(value: object) -> None:
    assert unseen(visible(value)) == []


def test_there_is_no_other_way() -> None:
    """Nowhere else in the package is text made printable, or judged to be."""
    package = Path(exseos.__file__).parent
    found = []
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            method = isinstance(node, ast.Attribute) and node.attr == "isprintable"
            codec = isinstance(node, ast.Constant) and node.value in ("unicode_escape", "unicode-escape")
            if method or codec:
                found.append(path.relative_to(package).as_posix())
    assert set(found) == {"text.py"}
