"""A package index and a file server on this machine: wheels made on the spot, spoken to by the real uv."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def wheel(name: str, version: str, requires: tuple[str, ...] = (), files: Mapping[str, bytes] | None = None) -> bytes:
    """A wheel of pure Python files; its tags are in its file name only."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {one}\n" for one in requires)
    content = {
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
        **(files or {}),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in content.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return buffer.getvalue()


@dataclass
class Site:
    """What the server has. ``packages``: name → file name → content; ``files``: path → content or a way to answer."""

    address: str = ""
    packages: dict[str, dict[str, bytes]] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(
        self, filename: str, data: bytes | None = None, requires: tuple[str, ...] = (), files: Mapping[str, bytes] | None = None
    ) -> bytes:
        """A package's file; a wheel is made from its name if there is no ``data``."""
        name, version = filename.split("-")[:2]
        content = data if data is not None else wheel(name, version, requires, files)
        self.packages.setdefault(name.replace("_", "-"), {})[filename] = content
        return content

    def listing(self, name: str) -> dict[str, Any]:
        """The project page of ``name`` (PEP 691)."""
        return {
            "meta": {"api-version": "1.1"},
            "name": name,
            "versions": [],
            "files": [
                {
                    "filename": filename,
                    "url": f"{self.address}/wheels/{name}/{filename.replace('+', '%2B')}",
                    "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                    "size": len(data),
                    "upload-time": "2024-01-01T00:00:00Z",
                }
                for filename, data in self.packages[name].items()
            ],
        }


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.replace("%2B", "+")
        self.site.asked.append(path)
        parts = path.strip("/").split("/")
        if path in self.site.files:
            answer = self.site.files[path]
            return answer(self) if callable(answer) else self.give(answer)
        if parts[0] == "simple" and parts[-1] in self.site.packages:
            return self.give(json.dumps(self.site.listing(parts[-1])).encode(), "application/vnd.pypi.simple.v1+json")
        if parts[0] == "wheels" and parts[-1] in self.site.packages.get(parts[1], {}):
            return self.give(self.site.packages[parts[1]][parts[-1]])
        return self.give(b"not here", status=404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def give(self, data: bytes, kind: str = "application/octet-stream", status: int = 200, promised: int | None = None) -> None:
        """Answer with ``data``; ``promised`` is the length that is claimed."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if promised is None else promised))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
        if promised is not None:
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Tests read ``Site.asked`` instead."""


@contextmanager
def served() -> Iterator[Site]:
    """A site that is up."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        site.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
