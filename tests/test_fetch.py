"""Downloads from a server on the loopback interface that misbehaves on purpose."""

import errno
import hashlib
import http.server
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from exseos import fetch as module
from exseos.errors import DigestMismatch, HostError
from exseos.fetch import Download, fetch, fetch_bytes
from exseos.progress import Quiet

DATA = os.urandom(1_000_003)
SHA256 = hashlib.sha256(DATA).hexdigest()


@dataclass
class Server:
    """What it serves, how it fails, and what was asked of it."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=lambda: {"/data": DATA})
    cut_after: list[int] = field(default_factory=list)
    """Bytes of the body after which the next answers break off."""
    status: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    """The Range header of each request."""

    def url(self, path: str = "/data") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            status = state.status.pop(0) if state.status else 200
            data = state.files.get(self.path)
            if data is None or status != 200:
                self.send_error(status if status != 200 else 404)
                return
            match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            start = int(match[1]) if match and state.ranges else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            body = data[start:]
            self.wfile.write(body[: state.cut_after.pop(0)] if state.cut_after else body)

        def log_message(self, format: str, *arguments: Any) -> None: ...

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        state.port = listener.server_port
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield state
        listener.shutdown()
        thread.join()


def item(*urls: str, size: int | None = len(DATA), sha256: str = SHA256) -> Download:
    return Download(urls, sha256, size, "data.bin")


class Meter(Quiet):
    """Remembers the last report."""

    last: tuple[int, int | None] = (0, None)

    def advance(self, task: str, done: int, total: int | None, unit: str = "B") -> None:
        self.last = (done, total)


@pytest.mark.parametrize("size", [len(DATA), None])
def test_fetched_once_then_from_the_cache(server: Server, tmp_path: Path, size: int | None) -> None:
    meter = Meter()
    (path,) = fetch([item(server.url(), size=size)], tmp_path, meter)
    assert path == tmp_path / "downloads" / SHA256
    assert path.read_bytes() == DATA
    assert meter.last == (len(DATA), len(DATA))
    assert fetch([item(server.url(), size=size)] * 2, tmp_path, Quiet()) == [path, path]
    assert len(server.asked) == 1
    assert list((tmp_path / "downloads").iterdir()) == [path]


def test_file_cut_by_the_disk_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (path,) = fetch([item(server.url())], tmp_path, Quiet())
    path.write_bytes(DATA[:10])
    fetch([item(server.url())], tmp_path, Quiet())
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges = ranges
    server.cut_after = [300_000, 700_000]
    meter = Meter()
    (path,) = fetch([item(server.url())], tmp_path, meter)
    assert path.read_bytes() == DATA
    assert meter.last == (len(DATA), len(DATA))
    assert server.asked[0] is None
    assert all(re.fullmatch(r"bytes=[1-9]\d+-", wanted or "") for wanted in server.asked[1:])
    assert len(server.asked) == 3 if ranges else len(server.asked) >= 3


def test_server_that_recovers_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = [503, 500, 200]
    assert fetch([item(server.url())], tmp_path, Quiet())[0].read_bytes() == DATA


def dead_part(folder: Path, content: bytes) -> Path:
    """What a process left that was killed: its number is free now."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    path = folder / "downloads" / f"{SHA256}.{module._me().split('.')[0]}.{pid}.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_part_of_a_killed_process_is_resumed(server: Server, tmp_path: Path) -> None:
    part = dead_part(tmp_path, DATA[:400_000])
    assert fetch([item(server.url())], tmp_path, Quiet())[0].read_bytes() == DATA
    assert server.asked == ["bytes=400000-"]
    assert not part.exists()


@pytest.mark.parametrize("left", [b"x" * 400_000, DATA + b"more", b"x" * len(DATA)])
def test_damaged_part_is_begun_anew(server: Server, tmp_path: Path, left: bytes) -> None:
    dead_part(tmp_path, left)
    assert fetch([item(server.url())], tmp_path, Quiet())[0].read_bytes() == DATA


def test_other_bytes_are_never_kept_and_the_next_mirror_is_tried(server: Server, tmp_path: Path) -> None:
    server.files["/evil"] = DATA[:-1] + b"?"
    server.files["/long"] = DATA + b"?"
    urls = [server.url("/missing"), server.url("/evil"), server.url("/long")]
    with pytest.raises(DigestMismatch, match="more than the 1000003 bytes"):
        fetch([item(*urls)], tmp_path, Quiet())
    assert not (tmp_path / "downloads" / SHA256).exists()
    assert fetch([item(*urls, server.url())], tmp_path, Quiet())[0].read_bytes() == DATA


def test_file_urls(tmp_path: Path) -> None:
    source = tmp_path / "a file"
    source.write_bytes(DATA)
    assert fetch([item("file:///nowhere", source.as_uri())], tmp_path, Quiet())[0].read_bytes() == DATA
    assert fetch_bytes(["file:///nowhere", source.as_uri()], limit=len(DATA)) == DATA


def test_unreachable_says_what_was_tried(server: Server, tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        fetch([item(server.url("/missing"), "file:///nowhere")], tmp_path, Quiet())
    assert all(word in str(caught.value) for word in ("data.bin", "HTTP 404", "file:///nowhere", "Check the network"))
    with pytest.raises(HostError, match="more than 9 bytes"):
        fetch_bytes([server.url()], limit=9)


def test_one_failure_stops_the_others_and_parts_stay(server: Server, tmp_path: Path) -> None:
    missing = [Download((server.url(f"/none{number}"),), f"{number:064x}", 1, f"none{number}") for number in range(20)]
    with pytest.raises(HostError):
        fetch(missing, tmp_path, Quiet())
    assert len(server.asked) < 20


def test_full_disk_is_explained(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(HostError, match="No space left on device\n  Free some space, or set EXSEOS_STORE"):
        fetch([item(server.url())], tmp_path, Quiet())


def test_cache_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "downloads").write_bytes(b"a file in the way")
    with pytest.raises(HostError, match="EXSEOS_STORE"):
        fetch([item("file:///nowhere")], tmp_path, Quiet())
