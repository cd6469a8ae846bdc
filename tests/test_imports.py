"""Who may import whom, and what stays out of the host: read from the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import exseos

PACKAGE = Path(exseos.__file__).parent
LEVELS = [
    {"cli"},
    {"capsule"},
    {"study"},
    {"resolve"},
    {"image", "engines", "worker", "repositories", "report"},
    {"records"},
    {"toolchains", "formats", "store", "archive", "fetch"},
    {"readers", "transfer"},
    {"outside"},
    {"spec", "lock"},
    {"stages"},
    {"manifest", "metrics", "network", "progress", "process", "resources", "paths", "removal"},
    {"digest", "errors", "text"},
]
"""Rooms from the top to the bottom: imports go strictly downward, and rooms on one line do not import each other."""
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
ENTRY = {"__init__", "__main__"}
"""The package itself: its version, and the start of the command line."""
HEAVY = {"tensorflow", "keras", "torch", "hls4ml", "hgq", "da4ml", "optuna", "numpy", "h5py", "pyosys", "lxml", "scipy", "pandas"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = ("exseos", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def is_typing_only(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, *, everywhere: bool) -> set[str]:
    """Modules that are imported: at the start only, or ``everywhere`` (inside functions and for types too)."""
    found: set[str] = set()
    stack = list(ast.iter_child_nodes(tree))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif not everywhere and (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (isinstance(node, ast.If) and is_typing_only(node))
        ):
            continue
        stack += ast.iter_child_nodes(node)
    return found


def rooms_imported(text: str) -> set[str]:
    names = {name for name in imports(ast.parse(text), everywhere=True) if name.split(".")[0] == "exseos"}
    return {room_of(name) for name in names if name.count(".") > 0 and room_of(name) in LEVEL}


def violations(room: str, text: str) -> list[str]:
    if room in ENTRY:
        return []
    return sorted(other for other in rooms_imported(text) if other != room and LEVEL[other] <= LEVEL[room])


def test_every_module_has_a_place() -> None:
    rooms = {room_of(name_of(path)) for path in MODULES} - ENTRY - {"data"}
    assert rooms <= set(LEVEL), f"say where {sorted(rooms - set(LEVEL))} stand"
    assert len(MODULES) > 100


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_strictly_downward(path: Path) -> None:
    assert violations(room_of(name_of(path)), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("room", "text", "found"),
    [
        ("image", "from exseos.engines.base import Engine", ["engines"]),
        ("image", "def f():\n    import exseos.engines", ["engines"]),
        ("lock", "from exseos import spec", ["spec"]),
        ("errors", "from exseos.digest import sha256_bytes", ["digest"]),
        ("worker", "if TYPE_CHECKING:\n    from exseos.study.plan import plan", ["study"]),
        ("study", "from exseos.engines.base import Engine\nimport exseos.study.plan", []),
        ("capsule", "from exseos import __version__\nfrom exseos.cli import main", ["cli"]),
    ],
)
def test_the_rule_finds_what_breaks_it(room: str, text: str, found: list[str]) -> None:
    assert violations(room, text) == found


def is_host(path: Path) -> bool:
    """Whether the host may import the module: all but what only runs inside the image."""
    name = name_of(path)
    light = ("exseos.worker.protocol", "exseos.worker.determinism", "exseos.worker.steps")
    return not name.startswith("exseos.worker") or name.startswith(light)


@pytest.mark.parametrize("path", [path for path in MODULES if is_host(path)], ids=name_of)
def test_nothing_heavy_is_imported_at_the_start_of_a_module(path: Path) -> None:
    found = imports(ast.parse(path.read_text(encoding="utf-8")), everywhere=False)
    assert sorted(HEAVY & {name.split(".")[0] for name in found}) == []


HOST = [name_of(path) for path in MODULES if is_host(path) and path.name != "__main__.py"]


def loaded(code: str) -> set[str]:
    """The top-level packages that running ``code`` in a fresh Python loads."""
    show = "; import sys; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_the_whole_host_loads_nothing_heavy() -> None:
    assert len(HOST) > 60
    assert loaded("import " + ", ".join(HOST)) & HEAVY == set()


def test_checking_a_spec_loads_nothing_heavy() -> None:
    spec = PACKAGE.parent / "examples/tiny/spec.yaml"
    code = "from pathlib import Path; from exseos.spec import read_spec; from exseos.resolve.check import check_experiment; "
    assert loaded(code + f"p = Path({str(spec)!r}); read_spec(p, check_experiment(p.parent))") & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["capsule", "--help"], ["image", "--help"]], ids=" ".join)
def test_help_loads_next_to_nothing(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "exseos", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    modules = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    packages = {name.split(".")[0] for name in modules}
    assert "click" in packages
    late = {
        "pydantic",
        "pydantic_core",
        "docker",
        "requests",
        "urllib3",
        "rich",
        "yaml",
        "packaging",
        "debian",
        "installer",
        "uv",
        "rfc8785",
    }
    assert packages & (late | HEAVY) == set()


def test_only_the_command_line_prints() -> None:
    printing = [
        name_of(path)
        for path in MODULES
        if room_of(name_of(path)) != "cli"
        and any(
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert printing == []
