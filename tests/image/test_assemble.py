"""One image id for the same packages and wheels, whatever else varies."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from exseos.errors import DigestMismatch, ExseosError
from exseos.image.assemble import assemble
from exseos.image.image import Image
from exseos.image.layer import LayerStore
from exseos.image.tar import MTIME
from exseos.progress import Quiet
from tests.image import sample

ROOT = Path(__file__).parents[2]
UV = find_uv_bin()


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    return assemble(given.packages, given.wheels, None, tmp_path / "cache", Quiet())


def run_sample(folder: Path, umask: str = "022", shuffle: str = "0", python: str = sys.executable, **environment: str) -> list[str]:
    folder.mkdir(parents=True)
    command = [python, "-P", str(Path(sample.__file__)), str(folder), umask, shuffle]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_same_id_with_everything_varied(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    one = run_sample(tmp_path / "one", TZ="UTC", PYTHONHASHSEED="1")
    two = run_sample(
        tmp_path / "an other" / "päth", "077", "7", TZ="Asia/Tokyo", PYTHONHASHSEED="2", HOME=str(home), LC_ALL="C", SOURCE_DATE_EPOCH="99"
    )
    assert one == two
    assert one[0] == sample.GOLDEN_ID
    assert list(home.iterdir()) == []


def _pythons() -> list[str]:
    """Other Pythons of this machine that start: on the PATH, or beside the running one as pyenv keeps them."""
    versions = Path(sys.base_prefix).parent
    found = []
    for version in ("3.12", "3.13", "3.14"):
        candidates = [shutil.which(f"python{version}"), *map(str, versions.glob(f"{version}.*/bin/python{version}"))]
        for candidate in filter(None, candidates):
            if subprocess.run([candidate, "-c", ""], check=False, capture_output=True, timeout=60).returncode == 0:
                found.append(candidate)
                break
    return found


@pytest.mark.network
def test_same_id_under_other_pythons(tmp_path: Path) -> None:
    expected = run_sample(tmp_path / "own")
    for number, python in enumerate(_pythons()):
        environment = tmp_path / f"venv{number}"
        needed = ["pydantic>=2.11", "rfc8785==0.1.4", "installer==1.1.0", "python-debian>=1", "requests", "packaging"]
        subprocess.run([UV, "venv", "-q", "-p", python, str(environment)], check=True, timeout=120)
        subprocess.run([UV, "pip", "install", "-q", "-p", str(environment), *needed], check=True, timeout=300)
        assert run_sample(tmp_path / f"run{number}", python=str(environment / "bin" / "python")) == expected, python


def test_layers_are_found_again_without_their_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Image) -> None:
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", "file:///nowhere")
    shutil.rmtree(tmp_path / "cache" / "downloads")
    assert assemble(given.packages[::-1], given.wheels[::-1], None, tmp_path / "cache", Quiet()).id == image.id


def test_root_file_system(image: Image) -> None:
    root = image.rootfs()
    site = root / "opt/exseos/lib/python3.11/site-packages"
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "usr/bin/awk").readlink() == Path("mawk")
    assert stat.S_IMODE((root / "usr/bin/alpha").lstat().st_mode) == 0o755
    assert stat.S_IMODE((root / "tmp").lstat().st_mode) == 0o1777
    assert (root / "usr/share/doc/alpha/copyright").read_bytes() == b"free"
    assert not (root / "usr/share/doc/alpha/README").exists()
    assert not (root / "usr/share/man").exists()
    assert (root / "etc/resolv.conf").read_bytes() == b""
    assert (site / "shared.py").read_bytes() == b"two\n"
    assert (root / "opt/exseos/bin/run-one").read_bytes() == b"#!/usr/bin/python3\nimport one\n"
    assert (root / "opt/exseos/bin/two").read_bytes().startswith(b"#!/usr/bin/python3\n")
    assert {path.lstat().st_mtime for path in [root, *root.rglob("*")]} == {MTIME}
    assert not list(root.rglob("__pycache__"))
    assert image.rootfs() == root


def test_every_installed_file_is_in_its_record(image: Image) -> None:
    site = image.rootfs() / "opt/exseos/lib/python3.11/site-packages"
    for record in site.glob("*.dist-info/RECORD"):
        for line in record.read_text().splitlines():
            path, digest, size = line.rsplit(",", 2)
            assert (site / path).is_file()
            if path != f"{record.parent.name}/RECORD":
                assert (site / path).stat().st_size == int(size)
                assert digest.startswith("sha256=")


def test_changed_layer_in_the_cache_is_noticed(image: Image) -> None:
    (image.layers[0].tree / "etc" / "hosts").chmod(0o600)
    assert sum(map(len, image.archive())) == image.archive_size()
    (image.layers[0].tree / "etc" / "hosts").write_bytes(b"127.0.0.1 elsewhere\n")
    with pytest.raises(DigestMismatch, match="remove it"):
        list(image.archive())


def test_half_made_layer_is_never_found(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)

    def fail(tree: Path) -> None:
        (tree / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make("key", fail)
    assert store.find("key") is None
    assert list((tmp_path / "layers").iterdir()) == list((tmp_path / "tmp").iterdir()) == []
    (tmp_path / "keys" / "torn.json").write_bytes(b'{"sha256"')
    assert store.find("torn") is None


def test_killed_process_leaves_nothing_for_good(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from exseos.image.layer import LayerStore\n"
        "LayerStore(Path(sys.argv[1])).make('key', lambda tree: ((tree / 'x').write_bytes(b'x'), os.kill(os.getpid(), 9)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    layer = LayerStore(tmp_path).make("key", lambda tree: (tree / "y").touch())
    assert [path.name for path in layer.tree.iterdir()] == ["y"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_two_processes_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    command = [sys.executable, "-P", str(Path(sample.__file__)), str(folder), "022", "0"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    sample.write_sample(folder)
    both = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0].split() for process in both]
    assert outputs[0] == outputs[1] != []


@pytest.mark.parametrize("name", ["../escape", "a/../../escape", "/absolute/../../escape"])
def test_package_cannot_write_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sample.DEBS, "alpha", sample.deb({name: b"evil"}))
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    with pytest.raises(ExseosError, match="unsafe path"):
        assemble(given.packages, (), None, tmp_path / "cache", Quiet())
    assert not list(tmp_path.rglob("escape"))


def test_package_cannot_write_through_its_own_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.DEBS, "alpha", sample.deb({"usr/evil": str(tmp_path), "usr/evil/escape": b"evil"}))
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    with pytest.raises(ExseosError, match="file or link and a folder"):
        assemble(given.packages, (), None, tmp_path / "cache", Quiet())
    assert not (tmp_path / "escape").exists()


def test_wheel_cannot_write_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = sample.write_sample(tmp_path)
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", given.mirror)
    bad = tmp_path / "bad.whl"
    bad.write_bytes(sample.wheel("bad", "1", {"../../../../../escape": b"evil"}))
    with pytest.raises(ExseosError, match="unsafe path"):
        assemble(given.packages, [bad], None, tmp_path / "cache", Quiet())
    assert not list(tmp_path.rglob("escape"))


def test_config_says_what_dockerfile_says(image: Image) -> None:
    assert image.environment["PYTHONPATH"] == "/opt/exseos/lib/python3.11/site-packages"
    assert image.config["config"]["User"] == "65534:65534"
    assert json.loads(image.config_bytes) == image.config
    assert len(image.config["rootfs"]["diff_ids"]) == len(image.config["history"]) == len(image.layers) == 2
