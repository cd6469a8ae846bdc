"""The trained Keras model as later stages read it: a file that the user's code wrote, so nothing in it is believed.

A ``.keras`` file names the classes that Keras makes objects of, and some of them run code that the file brings (Lambda) or load
other files. So all of its names are looked up before Keras sees it: layers and operations of Keras and HGQ2, and nothing else.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from exseos.errors import StageError

_MOST_BYTES = 4 << 30
_MOST_CONFIGURATION = 64 << 20
_ENTRIES = ["config.json", "metadata.json", "model.weights.h5"]
_VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
"""Keras's names of plain values."""
_CODE = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}
"""Layers of Keras that run code of the file or of another one."""
_PLAIN = re.compile(r"[A-Za-z0-9_ .,:>-]*")
"""What names and words in a configuration are made of: some become words of C++ and of tools' scripts."""
_HINT = "Use layers of Keras and HGQ2 only: no Lambda and no class of your own can be loaded without your code, or become hardware."


def load_model(path: Path) -> Any:
    """The ``keras.Model`` in a ``.keras`` file, HGQ2's layers included. No code of the user runs.

    Raises ``StageError`` for a file that is not one that the stage ``train`` writes, or that needs code of the user.
    """
    import keras

    with suppress(ModuleNotFoundError):  # an image without it has no such layers
        import hgq  # noqa: F401  (registers its layers with Keras)
    whole = _configuration(path)
    for configuration in _named(whole):
        if foreign := _foreign(configuration):
            raise StageError(f"the trained model needs {foreign}", where=path.name, hint=_HINT)
    for text in _texts(whole):
        if not _PLAIN.fullmatch(text):
            what = f"the trained model has a name or word {text[:100]!r}"
            hint = "Name layers and all that belongs to them with letters, digits and _ alone."
            raise StageError(what, where=path.name, hint=hint)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever a library makes of a hostile file
        if isinstance(error, OSError) and error.errno:
            raise
        reason = str(error)[:2000] or type(error).__name__
        raise StageError(f"the trained model cannot be read back: {reason}", where=path.name, hint=_HINT) from error
    if not isinstance(model, keras.Model) or not model.built or not getattr(model, "outputs", None):
        raise StageError(f"the trained model is a {type(model).__name__}, not a model of layers", where=path.name, hint=_HINT)
    return model


def _configuration(path: Path) -> Any:
    """``config.json`` of the file without the settings of its training, which nobody loads."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise StageError(f"the trained model is larger than {_MOST_BYTES >> 30} GiB", where=path.name, hint="Make it smaller.")
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = sorted(entry.filename for entry in entries)
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if names != _ENTRIES or not stored or archive.getinfo("config.json").file_size > _MOST_CONFIGURATION:
                shown = ", ".join(names[:5])
                raise StageError(f"the trained model is not stored as `train` stores it: it holds {shown}", where=path.name, hint=_HINT)
            found = json.loads(archive.read("config.json"))
    except FileNotFoundError as error:
        raise StageError("there is no trained model", where=path.name, hint="Run the stage train again.") from error
    except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError, EOFError) as error:
        raise StageError(f"the trained model is damaged: {str(error)[:200]}", where=path.name, hint="Run the stage train again.") from error
    if not isinstance(found, dict):
        raise StageError("the trained model's configuration is not an object", where=path.name, hint="Run the stage train again.")
    found.pop("compile_config", None)
    return found


def _named(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in ``value`` that names a class."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _texts(value: Any) -> Iterator[str]:
    """Every text in ``value``, keys included."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one


def _foreign(one: dict[str, Any]) -> str:
    """What ``one`` names, if Keras cannot make it without code from elsewhere; else nothing."""
    import keras

    name, module, registered = one["class_name"], one.get("module"), one.get("registered_name")
    if name in _VALUES:
        return ""
    if name == "function":
        function = one.get("config")
        known = isinstance(function, str) and callable(getattr(keras.activations, function, None))
        ours = known and module in ("builtins", "keras.activations")
        return "" if ours else f"the function {str(function)[:100]!r} of {str(module)[:100]!r}"
    found: Any
    shown = f"the class {str(registered or name)[:100]!r} of {str(module)[:100]!r}"
    if not isinstance(name, str) or not isinstance(module, str):
        return shown
    if module.partition(".")[0] == "keras":
        found = getattr(sys.modules.get(module), name, None) if registered in (None, name) else None
        ours = isinstance(found, type) and issubclass(found, _parts())
    else:
        found = keras.saving.get_registered_object(registered) if isinstance(registered, str) else None
        ours = isinstance(found, type) and found.__module__.partition(".")[0] == "hgq"
    runs_code = ours and any(one.__name__ in _CODE for one in found.__mro__)
    return shown if runs_code or not ours else ""


def _parts() -> tuple[type, ...]:
    """What a model is made of."""
    import keras

    return (
        *(keras.Operation, keras.initializers.Initializer, keras.regularizers.Regularizer, keras.constraints.Constraint),
        keras.dtype_policies.DTypePolicy,
    )
