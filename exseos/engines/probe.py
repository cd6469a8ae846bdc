"""The smallest image there is: one program that ends at once. Engines start it to know that they work."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from exseos.digest import canonical_json, sha256_bytes
from exseos.errors import HostError

TAG = "exseos-probe:1"
PROGRAM = "/exit"
_CODE = bytes.fromhex("b83c00000031ff0f05")  # mov eax, 60 (exit); xor edi, edi; syscall
_BASE = 0x400000


def exit_program() -> bytes:
    """A static x86-64 ELF executable that calls ``exit(0)``: file header, one program header, nine bytes of code."""
    size = 64 + 56 + len(_CODE)
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + _CODE


class ProbeImage:
    """An ``ImageSource`` that holds ``PROGRAM`` alone. ``folder`` receives the unpacked image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layer = _tar({PROGRAM[1:]: exit_program()})
        self._config = canonical_json(
            {
                "architecture": "amd64",
                "config": {"Labels": {"exseos": "probe"}},
                "history": [],
                "os": "linux",
                "rootfs": {"diff_ids": ["sha256:" + sha256_bytes(self._layer)], "type": "layers"},
            }
        )

    @property
    def id(self) -> str:
        return "sha256:" + sha256_bytes(self._config)

    @property
    def environment(self) -> Mapping[str, str]:
        return {}

    def archive(self) -> Iterator[bytes]:
        yield oci_archive(self._config, self._layer, TAG)

    def rootfs(self) -> Path:
        root = self._folder / "rootfs"
        root.mkdir(exist_ok=True)
        program = root / PROGRAM[1:]
        program.write_bytes(exit_program())
        program.chmod(0o755)
        return root


@contextlib.contextmanager
def executable_folder() -> Iterator[Path]:
    """A temporary folder from which programs may be started: the usual place is mounted ``noexec`` on some servers.

    Raises ``HostError`` if there is none.
    """
    parents = (tempfile.gettempdir(), str(Path.home()), "/var/tmp", "/dev/shm")
    parent = next((parent for parent in parents if _starts_programs(parent)), None)
    if parent is None:
        raise HostError("no temporary folder lets programs start", hint="Set TMPDIR to a folder that is not mounted noexec.")
    with tempfile.TemporaryDirectory(prefix=".exseos-", dir=parent) as folder:
        yield Path(folder)


def _starts_programs(parent: str) -> bool:
    try:
        with tempfile.TemporaryDirectory(prefix=".exseos-", dir=parent) as folder:
            return subprocess.run([ProbeImage(Path(folder)).rootfs() / PROGRAM[1:]], timeout=10).returncode == 0
    except OSError:
        return False


def oci_archive(config: bytes, layer: bytes, tag: str) -> bytes:
    """An image of one uncompressed layer as one tar, both an OCI layout (image-spec 1.0) and a docker archive."""

    def described(kind: str, content: bytes) -> dict[str, str | int]:
        return {"digest": f"sha256:{sha256_bytes(content)}", "mediaType": f"application/vnd.oci.image.{kind}", "size": len(content)}

    manifest = canonical_json(
        {"config": described("config.v1+json", config), "layers": [described("layer.v1.tar", layer)], "schemaVersion": 2}
    )
    names = {"io.containerd.image.name": f"docker.io/library/{tag}"}
    index = {"manifests": [{**described("manifest.v1+json", manifest), "annotations": names}], "schemaVersion": 2}
    blobs = {f"blobs/sha256/{sha256_bytes(content)}": content for content in (config, manifest, layer)}
    docker = [{"Config": next(iter(blobs)), "Layers": list(blobs)[2:], "RepoTags": [tag]}]
    layout = {"oci-layout": canonical_json({"imageLayoutVersion": "1.0.0"}), "index.json": canonical_json(index)}
    return _tar({**layout, "manifest.json": canonical_json(docker), **blobs})


def _tar(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar of executable ``files`` owned by root, in the given order, with time 0."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()
