"""The ports of a design: how rows of numbers become bits, and bits numbers.

A port packs its fields from bit 0 upward. A field of ``bits`` bits, ``fraction_bits`` of them behind the binary
point, holds ``value * 2**fraction_bits`` as a two's complement (if ``signed``) or a plain integer. Inputs enter it
rounded down and modulo ``2**bits``: this is the first half of the model's own input quantiser, done before the port,
so what lies beyond the range wraps around there exactly as in Keras. A field of 0 bits is an input that the model
does not use, or an output that is always 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from exseos.errors import StageError

if TYPE_CHECKING:
    import numpy as np

WIDEST = 52
"""Bits of a field that a float64 holds exactly."""


class Field(BaseModel):
    """One number of a port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signed: bool
    bits: int
    fraction_bits: int


class Port(BaseModel):
    """A port of the design's top module: its fields, lowest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        """Width of the port."""
        return sum(field.bits for field in self.fields)

    @property
    def words(self) -> int:
        """32-bit words that hold the port."""
        return -(-self.bits // 32)

    def pack(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Numbers [rows, fields] as uint32 [rows, words]; numbers that are not finite are a ``StageError``."""
        import numpy as np

        flat = rows.reshape(len(rows), -1).astype(np.float64)
        if not np.isfinite(flat).all():
            raise StageError("the rows hold numbers that are not finite", where=self.name, hint="Drop or fill such rows in a prepare step.")
        bits = np.zeros((len(flat), self.words * 32), np.uint8)
        low = 0
        for column, field in zip(flat.T, self.fields, strict=True):
            scaled = np.floor(np.ldexp(column, field.fraction_bits))
            integer = np.mod(scaled, 2.0**field.bits).astype(np.int64)
            bits[:, low : low + field.bits] = (integer[:, None] >> np.arange(field.bits)) & 1
            low += field.bits
        return np.packbits(bits, axis=1, bitorder="little").view("<u4")

    def unpack(self, words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """uint32 [rows, words] as float64 [rows, fields]."""
        import numpy as np

        bits = np.unpackbits(np.ascontiguousarray(words.astype("<u4")).view(np.uint8), axis=1, bitorder="little").astype(np.int64)
        columns = []
        low = 0
        for field in self.fields:
            value = (bits[:, low : low + field.bits] << np.arange(field.bits)).sum(axis=1)
            if field.signed and field.bits:
                value -= (value >> (field.bits - 1)) << field.bits
            columns.append(np.ldexp(value.astype(np.float64), -field.fraction_bits))
            low += field.bits
        return np.stack(columns, axis=1)


class Interface(BaseModel):
    """What a user of the design must know; ``interface.json`` holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top: str
    clock: str
    latency_cycles: int
    """Clock edges from the one that takes a row to the one after which its outputs stand, both counted."""
    interval_cycles: int
    input: Port
    output: Port
    output_shape: tuple[int, ...]
    """Shape of one row of the model's outputs."""
    input_rounding: str = "floor(value * 2**fraction_bits) modulo 2**bits"
