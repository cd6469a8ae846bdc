"""What is read of a wheel is what ``installer`` then makes of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from exseos.errors import ExseosError
from exseos.image.wheel_contents import read_contents, same_content
from exseos.image.wheel_layer import fill_wheels
from exseos.progress import Quiet
from tests.image import sample

FILES = {
    "odd/__init__.py": b"",
    "odd/__pycache__/odd.pyc": b"left out",
    "odd_name-1.0.data/purelib/deep/module.py": b"1\n",
    "odd_name-1.0.data/platlib/plat.so": b"2\n",
    "odd_name-1.0.data/scripts/run": b"#!python\n",
    "odd_name-1.0.data/headers/odd.h": b"3\n",
    "odd_name-1.0.data/data/lib/python3.11/site-packages/sneaked.py": b"4\n",
    "other-1.0.data/scripts/not-a-script": b"5\n",
}
ENTRY_POINTS = "[console_scripts]\nodd = odd:main\n[gui_scripts]\nshow = odd:show\n[ pydantic]\nx = odd\n"


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_files_are_those_that_are_installed(tmp_path: Path) -> None:
    wheel = written(tmp_path, "w.whl", sample.wheel("odd_name", "1.0", FILES, ENTRY_POINTS, ["numbers>=2", "layers[x]; extra == 'y'"]))
    found = read_contents(wheel)
    tree = tmp_path / "work" / "tree"
    tree.mkdir(parents=True)
    fill_wheels(tree, [wheel], Quiet())
    installed = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert set(found.files) == {path for path in installed if not path.endswith("/INSTALLER")}
    assert (found.name, found.version, found.requires) == ("odd-name", "1.0", ("numbers>=2", "layers[x]; extra == 'y'"))
    assert {"console_scripts", "gui_scripts", " pydantic"} == found.groups


def test_requirements_stand_in_the_head_alone(tmp_path: Path) -> None:
    info = "odd-1.0.dist-info/METADATA"
    text = b"Name: odd\r\nrequires-dist: one\r\nRequires-Dist: two;\r\n  extra == 'x'\r\n\r\nRequires-Dist: three\r\n"
    wheel = tmp_path / "odd.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("odd-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr(info, text)
    assert read_contents(wheel).requires == ("one", "two; extra == 'x'")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"METADATA": b"X: y\n" + b"x" * (9 << 20)}, "larger than"),
        ({"METADATA": b"Requires-Dist: x\n" * 100_000}, "longer than"),
        ({"METADATA": b"", "entry_points.txt": b"[x]\n" * 100_000}, "entry_points.txt"),
        ({}, "METADATA"),
    ],
)
def test_hostile_descriptions_are_refused(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    wheel = tmp_path / "odd.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("odd-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        for name, data in members.items():
            archive.writestr(f"odd-1.0.dist-info/{name}", data)
    with pytest.raises(ExseosError, match=message):
        read_contents(wheel)


def test_same_content(tmp_path: Path) -> None:
    one = read_contents(written(tmp_path, "1", sample.wheel("one", "1", {"a.py": b"1", "b.py": b"2"}, "[console_scripts]\nx = a:b\n")))
    two = read_contents(written(tmp_path, "2", sample.wheel("two", "1", {"a.py": b"1", "b.py": b"3"}, "[console_scripts]\nx = a:c\n")))
    site = "opt/exseos/lib/python3.11/site-packages"
    assert same_content(one, two, f"{site}/a.py")
    assert not same_content(one, two, f"{site}/b.py")
    assert not same_content(one, two, "opt/exseos/bin/x")
    assert same_content(one, one, "opt/exseos/bin/x")
