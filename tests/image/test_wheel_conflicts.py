"""What a wheel may not do to the worker and to what the worker needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from exseos.image.wheel_conflicts import conflicts, hidden
from exseos.image.wheel_contents import WheelContents, read_contents
from tests.image import sample

NUMBERS: Mapping[str, bytes] = {
    "numbers_/__init__.py": b"",
    "numbers_/core.cpython-311-x86_64-linux-gnu.so": b"",
    "numbers_.libs/libx.so.1": b"",
}
NAMESPACE: Mapping[str, bytes] = {"space/buffers/__init__.py": b"", "space/wire.py": b""}
SINGLE: Mapping[str, bytes] = {"six_.py": b"", "LICENSE": b"six", "tests/__init__.py": b""}
DATA = "evil-1.data/data/lib/python3.11/site-packages"


@pytest.fixture
def own(tmp_path: Path) -> list[WheelContents]:
    parts = {"numbers": NUMBERS, "namespace": NAMESPACE, "single": SINGLE}
    return [made(tmp_path, name, files) for name, files in parts.items()]


def made(folder: Path, name: str, files: Mapping[str, bytes], entry_points: str = "") -> WheelContents:
    path = folder / f"{name}.whl"
    path.write_bytes(sample.wheel(name, "1", files, entry_points))
    return read_contents(path)


def found(own: list[WheelContents], other: WheelContents) -> list[str]:
    return conflicts([*own, other], [one.name for one in own], None)


@pytest.mark.parametrize(
    "files",
    [
        {"mine/__init__.py": b"", "mine.libs/libx.so.1": b"", "mine-stubs/x.pyi": b""},
        {"space/mine/__init__.py": b"", "space/other.py": b""},
        {"LICENSE": b"another", "tests/__init__.py": b"another"},
        {"mine.pth": b"import mine\n"},
        {"numbers_/__init__.py": b""},
        {"evil-1.data/headers/x.h": b"", "evil-1.data/data/share/x": b"", "evil-1.data/scripts/mine": b"#!python\n"},
    ],
)
def test_honest_wheels_pass(tmp_path: Path, own: list[WheelContents], files: Mapping[str, bytes]) -> None:
    assert found(own, made(tmp_path, "evil", files)) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sitecustomize.py", "would run in every stage"),
        ("sitecustomize/__init__.py", "would run in every stage"),
        ("usercustomize.cpython-311-x86_64-linux-gnu.so", "would run in every stage"),
        ("apport_python_hook.pyc", "would run in every stage"),
        ("tensorflow-plugins/libx.so", "would run in every stage"),
        (f"{DATA}/sitecustomize.py", "would run in every stage"),
        ("evil-1.data/purelib/sitecustomize.py", "would run in every stage"),
        ("exseos/worker/extra.py", "the worker itself"),
        ("exseos.abi3.so", "the worker itself"),
        (f"{DATA}/exseos-9.dist-info/METADATA", "the worker itself"),
        ("evil-1.data/scripts/exseos", "a program 'exseos'"),
        (f"{DATA}/numbers-2.dist-info/METADATA", "another package is installed"),
        ("numbers.egg-info/entry_points.txt", "another package is installed"),
        ("numbers_/extra.py", "modules of numbers 1"),
        ("numbers_/deep/extra.py", "modules of numbers 1"),
        ("numbers_.libs/libm.so.6", "modules of numbers 1"),
        ("numbers_.abi3.so", "modules of numbers 1"),
        ("six_/__init__.py", "modules of single 1"),
        ("six_.cpython-311-x86_64-linux-gnu.so", "modules of single 1"),
        (f"{DATA}/six_/x.py", "modules of single 1"),
        ("space/__init__.py", "modules of namespace 1"),
        ("space/buffers/extra.py", "modules of namespace 1"),
        ("space/wire/__init__.py", "modules of namespace 1"),
        ("space/buffers.so", "modules of namespace 1"),
        ("six_.py", "different files as 'opt/exseos/lib/python3.11/site-packages/six_.py'"),
    ],
)
def test_a_wheel_that_reaches_the_worker_is_refused(tmp_path: Path, own: list[WheelContents], path: str, message: str) -> None:
    problems = found(own, made(tmp_path, "evil", {path: b"evil\n"}))
    assert len(problems) == 1
    assert message in problems[0]
    assert problems[0].startswith("evil 1 ") or " and evil 1 " in problems[0]


def test_plugins_are_refused_but_of_what_exseos_needs(tmp_path: Path, own: list[WheelContents]) -> None:
    for group in ("pydantic", "hls4ml.backends", "[pydantic]"):
        assert "registers itself" in found(own, made(tmp_path, "evil", {}, f"[{group}]\nx = evil\n"))[0]
    assert found(own, made(tmp_path, "evil", {}, "[pytest11]\nx = evil\n")) == []
    info = {f"{DATA}/evil-1.dist-info/entry_points.txt": b"[pydantic]\nx = evil\n"}
    assert "registers itself" in found(own, made(tmp_path, "evil", info))[0]
    needed = made(tmp_path, "needed", {}, "[pydantic]\nx = needed\n")
    assert conflicts([needed], ["needed"], None) == []


def test_two_that_exseos_needs_may_not_differ(tmp_path: Path) -> None:
    script = "[console_scripts]\nboard = board:main\n"
    one, two = made(tmp_path, "one", {"board.py": b"1"}, script), made(tmp_path, "two", {"board.py": b"1"}, script)
    assert conflicts([one, two], ["one", "two"], None) == []
    three = made(tmp_path, "three", {"board.py": b"3"}, script)
    assert "one 1 and three 1 bring different files" in conflicts([one, three], ["one", "three"], None)[0]
    assert conflicts([one, three], [], None) == []


def test_wheel_of_exseos_has_nothing_else(tmp_path: Path) -> None:
    good = made(tmp_path, "exseos", {"exseos/__init__.py": b""}, "[console_scripts]\nexseos = exseos.cli:main\n")
    assert conflicts([], [], good) == []
    for path in ("json.py", "exseos_more/x.py", "exseos-1.data/scripts/g++", "exseos-1.data/data/share/x"):
        assert "not below exseos/" in conflicts([], [], made(tmp_path, "exseos", {path: b""}))[0]


def test_nothing_of_the_base_layer_is_hidden(tmp_path: Path) -> None:
    base = tmp_path / "base"
    for path in (
        "usr/bin/g++",
        "usr/sbin/ldconfig",
        "usr/lib/python3.11/json/__init__.py",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.11/test/x",
    ):
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).touch()
    good = made(tmp_path, "good", {"good.py": b"", "json.txt": b"", "test/x.py": b"", "good-1.data/scripts/good": b""})
    assert hidden([good], base) == []
    for path in ("json.py", "json/x.py", "os/__init__.py", "os.abi3.so", "evil-1.data/scripts/g++", "evil-1.data/data/bin/ldconfig"):
        (problem,) = hidden([made(tmp_path, "evil", {path: b""})], base)
        assert "hides that of" in problem
    script = made(tmp_path, "evil", {}, "[gui_scripts]\ng++ = evil:main\n")
    assert "a program 'g++'" in hidden([script], base)[0]
