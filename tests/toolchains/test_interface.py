"""Numbers to port bits and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exseos.errors import StageError
from exseos.toolchains.open.interface import WIDEST, Field, Port


def test_a_worked_example() -> None:
    port = Port(
        name="p",
        fields=(
            Field(signed=True, bits=4, fraction_bits=1),
            Field(signed=False, bits=0, fraction_bits=0),
            Field(signed=False, bits=3, fraction_bits=-2),
        ),
    )
    # -1.5 * 2 = -3 -> 1101; 12.9 / 4 = 3.2 -> 011: from bit 0 upward 1011 110.
    words = port.pack(np.array([[-1.5, 77.0, 12.9]]))
    assert (port.bits, port.words, words.tolist()) == (7, 1, [[0b0111101]])
    assert port.unpack(words).tolist() == [[-1.5, 0.0, 12.0]]


def test_beyond_the_range_wraps_and_between_steps_rounds_down() -> None:
    port = Port(name="p", fields=(Field(signed=True, bits=4, fraction_bits=2),))
    values = np.array([[1.75], [2.0], [-2.25], [0.26], [-0.01], [130.5]])
    assert port.unpack(port.pack(values)).ravel().tolist() == [1.75, -2.0, 1.75, 0.25, -0.25, -1.5]


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(StageError, match="not finite"):
        Port(name="p", fields=(Field(signed=True, bits=4, fraction_bits=2),)).pack(np.array([[np.nan]]))


_fields = st.lists(
    st.builds(Field, signed=st.booleans(), bits=st.integers(1, WIDEST), fraction_bits=st.integers(-8, 40)), min_size=1, max_size=9
)


@given(_fields, st.randoms(use_true_random=False))
def test_what_fits_comes_back(fields: list[Field], random: object) -> None:
    port = Port(name="p", fields=tuple(fields))
    rows = np.array([[_number(field, random) for field in fields] for _ in range(4)])
    words = port.pack(rows)
    assert words.shape == (4, port.words)
    assert np.array_equal(port.unpack(words), rows)


def _number(field: Field, random: object) -> float:
    low = -(1 << (field.bits - 1)) if field.signed else 0
    return float(np.ldexp(float(random.randrange(low, low + (1 << field.bits))), -field.fraction_bits))  # type: ignore[attr-defined]
