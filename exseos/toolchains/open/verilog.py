"""From an HGQ2 model to Verilog by da4ml."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exseos.errors import StageError
from exseos.toolchains.open.interface import WIDEST, Field, Interface, Port

TOP = "model"
_ALIEN = "Use the quantised layers of HGQ2 (QDense for Dense, QConv2D for Conv2D …) and end the model in its logits, without Softmax."


def write_verilog(model: Any, folder: Path, *, latency_cutoff: float, hard_dc: int) -> Interface:
    """Write ``model`` (a ``keras.Model`` of HGQ2 layers, traced) as pipelined Verilog to ``folder``; its top module is ``model``.

    ``latency_cutoff`` is the number of adder levels between two registers, ``hard_dc`` da4ml's limit on the levels it
    adds to save area. A layer that da4ml cannot take is a ``StageError`` naming it.
    """
    from da4ml.codegen import RTLModel
    from da4ml.trace import comb_trace
    from da4ml.trace.pipeline import to_pipeline

    inputs, outputs = _trace(model, hard_dc)
    combinational = comb_trace(inputs, outputs)
    _check_ports(_port("model_inp", combinational.inp_qint), _port("model_out", combinational.out_qint))
    pipeline = to_pipeline(combinational, latency_cutoff, verbose=False)
    with TemporaryDirectory() as scratch:
        RTLModel(pipeline, TOP, scratch, flavor="verilog").write()
        source = Path(scratch) / "src"
        tables = sorted((source / "memfiles").iterdir())
        modules = [path for path in source.glob(f"{TOP}*.v") if path.stem != f"{TOP}_wrapper"]
        cells = [path for path in (source / "static").glob("*.v") if tables or path.stem != "lookup_table"]
        folder.mkdir()
        for path in [*modules, *cells, *tables]:
            shutil.copyfile(path, folder / path.name)
    return Interface(
        top=TOP,
        clock="clk",
        latency_cycles=len(pipeline.solutions) + 1,
        interval_cycles=1,
        input=_port("model_inp", pipeline.inp_qint),
        output=_port("model_out", pipeline.out_qint),
        output_shape=tuple(int(size) for size in model.outputs[0].shape[1:]),
    )


def _trace(model: Any, hard_dc: int) -> tuple[Any, Any]:
    """da4ml's symbolic inputs and outputs of the model."""
    from da4ml.converter import trace_model
    from da4ml.trace import HWConfig

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise StageError(
            f"the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            where="synthesize",
            hint="The open toolchain takes one of each.",
        )
    _check_layers(model)
    try:
        inputs, outputs = trace_model(model, HWConfig(1, -1, -1), {"hard_dc": hard_dc})
    except (AssertionError, NotImplementedError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        reason = str(error) or "it breaks an assumption of da4ml"
        if "overflow_mode" in traceback.format_exc():
            reason = "its input quantiser does not wrap around (overflow_mode is not WRAP)"
        raise StageError(f"da4ml cannot take the layer {_layer_in(error)}: {reason}", where="synthesize", hint=_ALIEN) from error
    return inputs, outputs


def _check_layers(model: Any) -> None:
    """Refuse all layers that da4ml has no translation of, by name and class."""
    from hgq._dais_tracer.layers import _registry
    from keras import Model
    from keras.layers import InputLayer

    alien = []
    todo = list(model.layers)
    for layer in todo:
        if isinstance(layer, Model):
            todo.extend(layer.layers)
        elif not isinstance(layer, InputLayer) and type(layer) not in _registry:
            alien.append(f"{layer.name} ({type(layer).__name__})")
    if alien:
        raise StageError(f"the open toolchain cannot take the layers {', '.join(alien)}", where="synthesize", hint=_ALIEN)


def _layer_in(error: BaseException) -> str:
    """The layer that the tracer was at when it raised: its own frame knows."""
    found = "it reached last"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        operation = getattr(frame.f_locals.get("op"), "operation", None)
        if frame.f_code.co_name == "_trace_model" and operation is not None:
            found = f"{operation.name} ({type(operation).__name__})"
    return found


def _port(name: str, intervals: Any) -> Port:
    from da4ml.types import minimal_kif

    fields = []
    for interval in intervals:
        signed, integer_bits, fraction_bits = (int(number) for number in minimal_kif(interval))
        bits = signed + integer_bits + fraction_bits
        fields.append(Field(signed=bool(signed), bits=max(0, bits), fraction_bits=fraction_bits if bits > 0 else 0))
    return Port(name=name, fields=tuple(fields))


def _check_ports(inputs: Port, outputs: Port) -> None:
    if inputs.bits == 0 or outputs.bits == 0:
        raise StageError(
            "the quantised model does not depend on its inputs",
            where="synthesize",
            hint="Its weights were pruned to nothing: lower beta0, or train longer.",
        )
    for port in (inputs, outputs):
        widest = max(field.bits for field in port.fields)
        if widest > WIDEST:
            raise StageError(
                f"a number of {port.name} has {widest} bits, more than the {WIDEST} that can be compared exactly",
                where="synthesize",
                hint="Quantise it: enable_iq on the first layer, enable_oq on the last, or fewer bits.",
            )
