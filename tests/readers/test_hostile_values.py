"""Reports whose cells were changed by someone who means harm: numbers that are finite, or a ``ReportError``."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import pytest

from exseos.cli import main
from exseos.readers.base import ReportError
from exseos.readers.bounds import LARGEST_NUMBER, LONGEST_LINE, LONGEST_SCOPE, MOST_NUMBERS, Nesting
from exseos.readers.figures import share
from exseos.readers.relaxed_json import merged, variables
from tests.readers.reading import read
from tests.readers.test_documented import SAMPLES
from tests.readers.vivado_samples import UTILIZATION

VALUES = [
    "1e999",
    "-1e999",
    "9" * 400,
    "9" * 5000,
    "1" + ",000" * 20,
    "",
    "-1",
    "0",
    "1e-320",
    "NaN",
    "Infinity",
    "null",
    "[]",
    "{}",
    '"x"',
]
VALUES += ["\u0661\u0662", "\u00b2", "(", "|", "1 / 2 / 3", "/", "\x00", "\ud83d\ude00"]
_CELL = re.compile(r"\d+(?:\.\d+)?|\|[^|\n]*(?=\|)|;[^;\n]*(?=;)")


def damaged(text: str, chance: random.Random) -> str:
    """The text with a few cells replaced, deleted or swapped, lines dropped, or its end cut off."""
    for _ in range(chance.randint(1, 5)):
        kind = chance.random()
        cells = list(_CELL.finditer(text))
        lines = text.split("\n")
        if kind < 0.6 and cells:
            cell = chance.choice(cells)
            text = text[: cell.start()] + chance.choice(VALUES) + text[cell.end() :]
        elif kind < 0.9:
            first, second = (chance.randrange(len(lines)) for _ in range(2))
            lines[first], lines[second] = lines[second], lines[first]
            text = "\n".join(lines[: -1 if kind > 0.85 else None])
        else:
            text = text[: chance.randrange(len(text) + 1)] + chance.choice(["", "\n"])
    return text


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_number_is_finite(name: str) -> None:
    chance = random.Random(name)
    for _ in range(120):
        text = damaged(SAMPLES[name], chance)
        try:
            report = read(text, name)
        except (ReportError, LookupError) as error:
            assert not isinstance(error, IndexError | KeyError), text  # LookupError alone: no reader knows it any longer
            continue
        assert all(math.isfinite(number.value) and abs(number.value) < LARGEST_NUMBER * 1000 for number in report.numbers), text


FOUND = {
    "a latency without a header": (
        "== Vitis HLS Report for 'x'\n== Performance Estimates\n+ Latency:\n    * Summary:\n    +-+\n    | 1 |\n    +-+\n"
    ),
    "a power without cells": (
        "| Tool Version : Vivado v.2020.1\n| Command      : report_power\n1. Summary\n----------\n\n+-+\n+-+\n+ x |\n"
    ),
    "a clock of infinity": '{"fmax":{"clk":{"achieved":1e999,"constraint":1e-320}},"utilization":{"DCC":{"used":1}}}',
    "cells of 400 digits": '{"creator":"Yosys 0.5","modules":{"\\\\t":{"num_cells":%s,"num_cells_by_type":{"RAMB18E1":%s}}}}'
    % (("1" * 400,) * 2),
    "cells of 5000 digits": '{"creator":"Yosys 0.5","modules":{"\\\\t":{"num_cells":%s}}}' % ("1" * 5000),
    "a fit of infinity": '{"quartusFitClockSummary":{"nodes":[{"clock fmax":1e999,"kernel clock":"1e999"}]}}',
    "a lone surrogate": '{"creator":"Yosys \\ud800","num_cells":1,"modules":{"\\ud800":{"num_cells":1},"b":{"num_cells":2}}}',
}


@pytest.mark.parametrize("options", [[], ["--json"], ["--compare"]])
@pytest.mark.parametrize("name", FOUND)
def test_the_command_ends_well(tmp_path: Path, name: str, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text(FOUND[name], encoding="utf-8")
    assert main(["metrics", str(tmp_path / "a"), *options]) in (0, 1)
    shown = capsys.readouterr()
    assert "Infinity" not in shown.out
    assert "is damaged (" not in shown.err  # the last resort


def test_too_much_is_refused() -> None:
    with pytest.raises(ReportError, match="a line of more than"):
        read(UTILIZATION + " " * (LONGEST_LINE + 1) + "\n")
    with pytest.raises(ReportError, match="cells"):
        read(UTILIZATION + "|||\n" * 100_000)
    loops = '{"name":"a","ii":1},' * (MOST_NUMBERS + 1)
    with pytest.raises(ReportError, match="numbers"):
        read('{"name":"loop_attributes","nodes":[' + loops + "{}]}")
    with pytest.raises(ReportError, match="name or path"):
        read('{"name":"loop_attributes","nodes":[{"ii":1,"name":"' + "a" * (LONGEST_SCOPE + 1) + '"}]}')


def test_paths_of_nested_parts() -> None:
    nesting = Nesting()
    rows = [(0, "top"), (1, "a"), (2, "b"), (2, "c"), (3, ""), (4, "d"), (1, "e")]
    assert [nesting.path(*row) for row in rows] == ["", "a", "a/b", "a/c", "a/c", "a/c/d", "e"]
    assert len(nesting) == 2


def test_shares() -> None:
    assert share("7,781 / 41,910 ( 19 % )") == (7781, 41910)
    assert share("12/30") == (12, 30)
    assert share("153") == (153, None)
    assert share("7 /") == share("7 / 30 ( 1") == share("/ 30") == (None, None)


def test_the_first_of_a_key_stays_and_escapes_are_undone_in_pairs() -> None:
    assert merged([{"a": 1}, {"a": 2, "b": 3}, 4]) == {"a": 1, "b": 3}
    assert variables(r"""var areaJSON='{"a":"it\'s \\"b\\" \\\\ \n"}';""") == {"area": {"a": 'it\'s "b" \\ \n'}}
