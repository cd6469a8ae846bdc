"""What is known of each kind of stage, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exseos.metrics import Level


@dataclass(frozen=True)
class Kind:
    """One kind of stage, as the worker knows it."""

    name: str
    section: str
    """The section of the spec that a stage of this kind is made from."""
    inputs: tuple[str, ...] = ()
    """What it may read: the names that the worker uses for outputs of earlier stages."""
    user_code: bool = False
    """Whether it runs the author's own files: only then does its container see them and the data."""
    by_toolchain: bool = False
    """Whether a toolchain does the work, which then says if the outputs are exact or recorded."""
    levels: tuple[Level, ...] = ()
    """The levels of the metrics that it may measure."""
    room: str = "results"
    """Where a capsule keeps its exact outputs: ``results``, or ``data`` for what may be left out."""
    numerics: bool = False
    """Whether it computes in floating point by TensorFlow: on a CPU where the numerics probe gives
    other bytes, outputs of operations that are not known to be exact are judged by tolerance."""

    def location(self, stage: str, trial: str, *, exact: bool) -> str:
        """The folder of a capsule that holds the outputs of ``stage`` of ``trial``."""
        if not exact:
            return f"run/{trial}/{stage}"
        return f"data/prepared/{trial}" if self.room == "data" else f"results/{trial}/{stage}"


KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        Kind("prepare", "prepare", user_code=True, room="data"),
        Kind("train", "train", ("prepare",), user_code=True, numerics=True),
        Kind("evaluate", "train", ("prepare", "train"), levels=("float",), numerics=True),
        Kind("convert", "convert", ("prepare", "train")),
        Kind("simulate", "simulate", ("prepare", "evaluate", "convert"), levels=("csim",)),
        Kind(
            "synthesize",
            "synthesize",
            ("prepare", "train", "evaluate", "convert", "simulate"),
            by_toolchain=True,
            levels=("rtl", "estimated", "cosimulated", "synthesized", "routed"),
        ),
        Kind(
            "implement",
            "implement",
            ("prepare", "synthesize"),
            by_toolchain=True,
            levels=("gate", "routed", "synthesized"),
        ),
        Kind("reread", "", ("recorded",), levels=("estimated", "cosimulated", "synthesized", "routed")),
    )
}
"""In the order in which a trial runs them. ``reread`` is of replays alone: the metrics of a vendor's
stage once more, from the reports that it left."""


def kind(name: str) -> Kind:
    """The kind called ``name``; raises ``KeyError``."""
    return KINDS[name]
