"""An ``ImageSource`` made of a folder: one deterministic layer, as docker's archive and as the folder itself."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from exseos.digest import canonical_json, sha256_bytes
from exseos.engines.probe import oci_archive


class FolderImage:
    """The image whose root is ``folder``: every file root's, with time 0."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = dict(environment or {})
        self._layer = self._pack_layer()
        config = {"Env": [f"{name}={value}" for name, value in sorted(self._environment.items())], "Cmd": ["/never"]}
        layers = {"diff_ids": ["sha256:" + sha256_bytes(self._layer)], "type": "layers"}
        self._config = canonical_json({"architecture": "amd64", "config": config, "history": [], "os": "linux", "rootfs": layers})

    @property
    def id(self) -> str:
        return "sha256:" + sha256_bytes(self._config)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment

    def archive(self) -> Iterator[bytes]:
        data = oci_archive(self._config, self._layer, f"exseos-test:{self.id[7:23]}")
        for start in range(0, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]

    def rootfs(self) -> Path:
        return self._folder

    def _pack_layer(self) -> bytes:
        def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            return member

        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for path in sorted(self._folder.iterdir()):
                archive.add(path, path.name, filter=owned_by_root)
        return stream.getvalue()
