"""Which operations a training used, and whether each was shown to be exact on every CPU.

TensorFlow hands over every graph that it runs, before and after its own rewriting (which folds constants and makes operations
that nobody wrote), single operations and other threads' included. Their types are compared with ``exact_ops.json``, which
``make exact-ops`` writes and which holds for one build of TensorFlow, its C library and our kernels.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, wraps
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from exseos.worker import numerics

TABLE = Path(__file__).with_name("exact_ops.json")
FLOATS = {1: "float32", 2: "float64", 8: "complex64", 14: "bfloat16", 18: "complex128", 19: "float16"}
"""TensorFlow's numbers of the types that round; others with a name of their own are ``other float``."""
_ROUND_NOT = {0, 3, 4, 5, 6, 7, 9, 10, 17, 20, 21, 22, 23}
"""Integers, booleans, strings, handles of resources, variants."""
_COMPOSITION = "_UnaryOpsComposition"
_XLA = "_XlaMustCompile"

_PROGRAM = "a program or process that the training started"
_STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
"""Python's audit events of them; multiprocessing has others."""

Used = dict[str, set[str]]
"""Operation → the rounding types that it was used with."""


class Audit:
    """Collects what is run from its making on; one at a time in a process."""

    def __init__(self) -> None:
        import tensorflow as tf
        from google.protobuf.message import DecodeError
        from tensorflow.lite.python.interpreter import Interpreter
        from tensorflow.python.client.session import BaseSession
        from tensorflow.python.eager import context

        self._failures = (tf.errors.OpError, DecodeError, SystemError, ValueError)
        self._context = context.context()
        self._context.ensure_initialized()
        self.used: Used = {}
        self._unseen: set[str] = set()
        self._watched: list[tuple[Any, str, Any]] = []
        self._watch(self._context, "remove_function", self._look)  # it may be gone before ``close`` is called
        self._watch(Interpreter, "__init__", self._see("a model of TensorFlow Lite"))
        self._watch(BaseSession, "__init__", self._see("a session of TensorFlow 1"))
        self._watch(BaseProcess, "start", self._see(_PROGRAM))
        _open.append(self)
        _listen()
        self._context.enable_graph_collection()
        self._context.export_run_metadata()  # what ran before is of no interest
        self._context.clear_kernel_cache()  # else what is cached would run unseen

    def collect(self) -> None:
        """Take over what ran since the last call: call it now and then, so that little is kept."""
        try:
            graphs = self._context.export_run_metadata().function_graphs
        except self._failures as error:  # a graph beyond what protocol buffers carry
            self._unseen.add(f"a graph that TensorFlow does not show ({type(error).__name__})")
            graphs = []
        for graph in graphs:
            merge(self.used, operations(graph.pre_optimization_graph))
            merge(self.used, operations(graph.post_optimization_graph))

    def close(self) -> None:
        """Stop collecting."""
        self.collect()
        for name in self._context.list_function_names():
            self._look(name)
        self._context.disable_graph_collection()
        _open.remove(self)
        for owner, name, original in reversed(self._watched):
            setattr(owner, name, original)

    def _watch(self, owner: Any, name: str, tell: Callable[..., None]) -> None:
        """Until ``close``, call ``tell`` with the arguments of ``owner.name`` before it is called."""
        original = getattr(owner, name)

        @wraps(original)
        def watched(*arguments: Any, **more: Any) -> Any:
            tell(*arguments, **more)
            return original(*arguments, **more)

        setattr(owner, name, watched)
        self._watched.append((owner, name, original))

    def _see(self, what: str) -> Callable[..., None]:
        return lambda *arguments, **more: self._unseen.add(what)

    def _look(self, function: Any) -> None:
        """What XLA compiles is in no graph: only its function tells of it."""
        attributes = self._context.get_function_def(function).attr
        if _XLA in attributes and attributes[_XLA].b:
            self._unseen.add("code compiled by XLA (jit_compile)")

    def unknown(self) -> list[str]:
        """What is not known to be exact on every CPU, sorted; empty if all that was collected is."""
        how = numerics.active()
        table = exact_table()
        found = {*self._unseen, *how.missing}
        differing = [name for name, digest in table["libraries"].items() if how.libraries.get(name) != digest]
        if differing:
            found.add(f"{', '.join(differing)}: not the build whose operations were compared")
        strange = compiled().items() - table["packages"].items()
        found |= {f"the compiled code of {name} {version}".rstrip() for name, version in strange}
        return sorted(found | set(not_in(self.used, table["exact"])))


_open: list[Audit] = []


@cache
def _listen() -> None:
    """Tell every open audit of programs that are started; Python never forgets a hook, so there is one."""

    def hear(event: str, arguments: Any) -> None:
        if event in _STARTS:
            for audit in _open:
                audit._unseen.add(_PROGRAM)

    sys.addaudithook(hear)


def compiled() -> dict[str, str]:
    """Packages of which this process has loaded compiled code, and their versions: what they compute is in no graph."""
    packages = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".so") and "lib-dynload" not in file:
            packages.add(name.partition(".")[0])
    owners = importlib.metadata.packages_distributions()
    return {name: importlib.metadata.version(owners[name][0]) if name in owners else "" for name in packages}


@cache
def exact_table() -> dict[str, Any]:
    """``exact_ops.json``: ``libraries`` (name → SHA-256), ``packages`` (name → version), ``exact`` (operation → types)."""
    table: dict[str, Any] = json.loads(TABLE.read_text())
    return table


def not_in(used: Mapping[str, Iterable[str]], exact: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Each operation and type of ``used`` that is not in ``exact``, as text: ``Erfinv (float64)``."""
    for name, types in used.items():
        if name not in exact:
            yield f"{name} ({', '.join(sorted(types))})" if types else name
        elif lacking := sorted(set(types) - set(exact[name])):
            yield f"{name} ({', '.join(lacking)})"


def merge(used: Used, more: Mapping[str, Iterable[str]]) -> None:
    """Add ``more`` to ``used``."""
    for name, types in more.items():
        used.setdefault(name, set()).update(types)


def operations(graph: Any) -> Used:
    """The operations of a TensorFlow ``GraphDef`` and of its functions."""
    found: Used = {}
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            for name in _names(node):
                found.setdefault(name, set()).update(_types(node))
    return found


def _names(node: Any) -> list[str]:
    """The operation of a node; those that TensorFlow made it of decide how it computes."""
    if node.op == _COMPOSITION:
        return [f"{_COMPOSITION}:{name.decode()}" for name in node.attr["op_names"].list.s]
    if fused := node.attr["fused_ops"].list.s if "fused_ops" in node.attr else None:
        return [f"{node.op}:{'+'.join(name.decode() for name in fused)}"]
    return [str(node.op)]


def _types(node: Any) -> set[str]:
    """The rounding types among a node's attributes."""
    numbers = [number for value in node.attr.values() for number in (value.type, *value.list.type)]
    return {FLOATS.get(number % 100, "other float") for number in numbers if number % 100 not in _ROUND_NOT}
