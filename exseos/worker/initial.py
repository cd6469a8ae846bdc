"""The weights that a model begins with: whether they repeat.

Code that draws numbers without a seed gives another model in every run. So a training builds its model twice, the second time
from the very same state, but at another time, by the clock, in another process, by its number, and with objects at other
addresses; what differs then is told by name, before hours are spent on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any
from unittest import mock

from exseos.errors import StageError
from exseos.worker.keras_file import canonical

_LATER = 100_003
"""Seconds between the times of the two builds, as their code sees it."""
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Weight:
    """One weight, or the state of a generator of random numbers in a layer."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    sha256: str
    """Of its bytes in C order."""


@dataclass(frozen=True)
class Beginning:
    """A model before it is trained."""

    weights: tuple[Weight, ...]
    settings: tuple[tuple[str, bytes], ...]
    """Name and configuration of each layer."""

    def record(self) -> list[dict[str, Any]]:
        """For ``initial.json``."""
        return [asdict(weight) for weight in self.weights]

    def differing(self, other: Beginning) -> list[str]:
        """Paths of weights that differ, then the layers whose settings do."""
        weights = [(one or two).path for one, two in zip_longest(self.weights, other.weights) if one != two]
        layers = [(one or two)[0] for one, two in zip_longest(self.settings, other.settings) if one != two]
        return [*weights, *(f"the settings of {name}" for name in layers)]


def beginning(model: Any) -> Beginning:
    """What ``model`` (Keras) is at this moment."""
    import keras
    import numpy as np

    weights = []
    for variable in model.variables:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        shape = tuple(int(length) for length in variable.shape)
        weights.append(Weight(variable.path, shape, str(variable.dtype), hashlib.sha256(values.tobytes()).hexdigest()))
    settings = tuple((layer.name, canonical(_settings(layer))) for layer in model.layers)
    return Beginning(tuple(weights), settings)


def _settings(layer: Any) -> Any:
    import keras

    try:
        return json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    except (NotImplementedError, TypeError, ValueError) as error:
        raise StageError(
            f"the layer {layer.name} ({type(layer).__name__}) cannot be saved: {str(error)[:500]}",
            where="model.keras",
            hint="Give the layer what Keras can save: no lambda, and a get_config for a class of your own.",
        ) from error


@contextmanager
def another_moment() -> Iterator[None]:
    """Inside, the clock shows another time and the process has another number."""
    now, nanoseconds, number = time.time, time.time_ns, os.getpid() + 1
    with (
        mock.patch.object(time, "time", lambda: now() + _LATER),
        mock.patch.object(time, "time_ns", lambda: nanoseconds() + _LATER * 10**9),
        mock.patch.object(os, "getpid", lambda: number),
    ):
        yield


def refuse(names: list[str], where: str) -> None:
    """Raise ``StageError`` for what differs between two builds of one model; nothing if nothing does."""
    if names:
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        raise StageError(
            f"two builds of the model begin with other numbers: {', '.join(names[:_MOST_SHOWN])}{more}",
            where=where,
            hint="Something draws random numbers without a seed (os.urandom, uuid, the time, numpy.random.default_rng()): take the "
            "parameter `seed` in the function and draw from it, or allow results that do not repeat (`allow_inexact`).",
        )
