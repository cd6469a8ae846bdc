"""The wheel of the running exseos: from a checkout, from itself, and under another Python."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import exseos
from exseos.digest import sha256_bytes
from exseos.image.wheel import exseos_wheel, wheel_bytes
from exseos.image.wheel_layer import wheel_identity

ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import sys; from exseos.image.wheel import wheel_bytes; from exseos.digest import sha256_bytes\n"
    "from exseos.resources import PACKAGE; print(sha256_bytes(wheel_bytes()), PACKAGE)"
)


def test_contents(tmp_path: Path) -> None:
    path = exseos_wheel(tmp_path)
    assert wheel_identity(path) == ("exseos", exseos.__version__)
    assert exseos_wheel(tmp_path) == path
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        metadata = archive.read(f"exseos-{exseos.__version__}.dist-info/METADATA").decode()
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    assert names == sorted(names, key=str.encode)
    assert {"exseos/__init__.py", "exseos/image/base.lock", "exseos/data/Dockerfile.base", "exseos/py.typed"} <= set(names)
    assert {"exseos/engines/seccomp_calls.bpf", "exseos/engines/seccomp_arguments.bpf"} <= set(names)
    assert any(name.startswith("exseos/data/capsule_templates/") for name in names)
    assert not any("__pycache__" in name for name in names)
    assert "Provides-Extra: experiment\n" in metadata
    assert 'extra == "experiment"\n' in metadata
    assert str(ROOT) not in metadata


def test_installed_wheel_makes_itself(tmp_path: Path) -> None:
    """Unpacked as an installer does, away from the checkout, with another umask and hash seed."""
    site = tmp_path / "site"
    with zipfile.ZipFile(exseos_wheel(tmp_path)) as archive:
        archive.extractall(site)
    expected = sha256_bytes(wheel_bytes())
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    program = f"import sys; sys.path[:0] = [{str(site)!r}]; sys.path += {dependencies!r}\n{PROGRAM}"
    variables = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == [expected, str(site / "exseos")], done.stderr


@pytest.mark.network
def test_wheel_of_the_build_backend_makes_the_same(tmp_path: Path) -> None:
    """What ``pip install`` of a release gives, whose metadata the build backend wrote."""
    from uv import find_uv_bin

    subprocess.run([find_uv_bin(), "build", "-q", "--wheel", "-o", str(tmp_path), str(ROOT)], check=True, timeout=300)
    (built,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(site)
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    program = f"import sys; sys.path[:0] = [{str(site)!r}]; sys.path += {dependencies!r}\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == [sha256_bytes(wheel_bytes()), str(site / "exseos")], done.stderr
