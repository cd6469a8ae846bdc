"""Data in a capsule against the source that its spec names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from exseos.lock import DataPin, WheelPin
from exseos.network import CAPSULE, EVERYTHING, Network
from exseos.progress import Quiet
from exseos.resolve.data import pin_data
from exseos.resolve.origin import Origin, compare_origin
from exseos.spec.models import Source
from tests.resolve.loopback import Site

OFFLINE = Network(offline=True)
DATA = b"x,kind\n1,a\n"
SHA = hashlib.sha256(DATA).hexdigest()
WHEEL = "sets-1.0-py3-none-any.whl"


def source(**keys: Any) -> Source:
    return Source.model_validate({"format": "csv", **keys})


OF_WHEEL = source(pypi="sets==1.0", member="sets/events.csv")


def compare(one: Source, pin: DataPin, cache: Path, network: Network = CAPSULE) -> Origin:
    return compare_origin("events", one, pin, network, cache, "3.11", Quiet())


@pytest.fixture
def pin(site: Site, tmp_path: Path) -> DataPin:
    site.add(WHEEL, files={"sets/events.csv": DATA, "sets/other/events.csv": DATA[::-1]})
    return pin_data("events", OF_WHEEL, tmp_path, python="3.11", cache=tmp_path / "author", progress=Quiet())


def changed(pin: DataPin, **changes: Any) -> DataPin:
    assert pin.archive is not None
    return pin.model_copy(update={"archive": pin.archive.model_copy(update=changes)})


def test_a_file_of_a_wheel(pin: DataPin, tmp_path: Path, site: Site) -> None:
    expected = Origin("checked", f"it is sets/events.csv in {WHEEL}, as the package index has it")
    assert compare(OF_WHEEL, pin, tmp_path / "cache") == expected
    site.asked.clear()
    assert compare(OF_WHEEL, pin, tmp_path / "cache", OFFLINE) == expected
    assert site.asked == []


def test_a_file_of_a_wheel_that_cannot_be_had(pin: DataPin, tmp_path: Path, site: Site) -> None:
    found = compare(OF_WHEEL, pin, tmp_path / "cache", OFFLINE)
    assert found == Origin("not checked", f"not in the cache, and nothing is fetched offline: {WHEEL}. Run it without --offline.")
    del site.packages["sets"][WHEEL]
    site.add("sets-1.0-1-py3-none-any.whl")
    found = compare(OF_WHEEL, pin, tmp_path / "cache")
    assert found.state == "not checked"
    assert f"no longer has: {WHEEL}" in found.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "0" * 64}, f"sets/events.csv in {WHEEL} has SHA-256 {SHA}, the lock pins {'0' * 64}"),
        ({"size": 3}, "has 11 bytes in the wheel, and the lock pins 3"),
        ({"archive": None}, "does not say which wheel"),
        ({"filename": "more.csv"}, "is not the file that the lock pins"),
    ],
)
def test_a_file_that_is_not_the_one_in_the_wheel(pin: DataPin, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    found = compare(OF_WHEEL, pin.model_copy(update=changes), tmp_path / "cache")
    assert found.state == "different"
    assert said in found.reason


def test_another_member_of_the_wheel(pin: DataPin, tmp_path: Path) -> None:
    assert compare(source(pypi="sets==1.0", member="sets/other/events.csv"), pin, tmp_path).state == "different"
    found = compare(source(pypi="sets==1.0", member="none/events.csv"), pin, tmp_path)
    assert (found.state, "has no file" in found.reason) == ("different", True)


def test_another_wheel(pin: DataPin, tmp_path: Path, site: Site) -> None:
    evil = site.add("evil-1.0-py3-none-any.whl", files={"sets/events.csv": b"forged"})
    digest = hashlib.sha256(evil).hexdigest()
    forged = changed(pin, sha256=digest, size=len(evil)).model_copy(update={"sha256": hashlib.sha256(b"forged").hexdigest(), "size": 6})
    found = compare(OF_WHEEL, forged, tmp_path / "cache")
    assert (found.state, "has another sets-1.0-py3-none-any.whl" in found.reason) == ("different", True)
    named = changed(forged, name="evil", filename="evil-1.0-py3-none-any.whl")
    found = compare(OF_WHEEL, named, tmp_path / "cache")
    assert found == Origin("different", "pypi: sets==1.0 is not the wheel that the lock pins (evil 1.0)")
    honest = compare(source(pypi="evil==1.0", member="sets/events.csv"), named, tmp_path / "cache")
    assert honest.state == "checked", "the wheel is in the cache now, as evil"
    assert compare(OF_WHEEL, forged, tmp_path / "cache").state == "different"
    assert compare(OF_WHEEL, forged, tmp_path / "cache", OFFLINE).state == "not checked"


def test_a_wheel_that_was_damaged_in_the_cache(pin: DataPin, tmp_path: Path) -> None:
    assert pin.archive is not None
    compare(OF_WHEEL, pin, tmp_path)
    path = tmp_path / "downloads" / pin.archive.sha256
    path.write_bytes(bytes(path.stat().st_size))
    assert compare(OF_WHEEL, pin, tmp_path).state == "not checked"


@pytest.mark.parametrize("data", [b"no zip", b"PK\x05\x06" + b"\xff" * 18])
def test_a_wheel_that_is_none(site: Site, tmp_path: Path, data: bytes) -> None:
    site.add(WHEEL)
    site.packages["sets"][WHEEL] = data
    wheel = WheelPin(name="sets", version="1.0", filename=WHEEL, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    found = compare(OF_WHEEL, DataPin(filename="events.csv", size=1, sha256=SHA, archive=wheel), tmp_path)
    assert found.state in ("different", "not checked")
    assert found.reason


def test_what_the_spec_itself_says(tmp_path: Path) -> None:
    pinned = DataPin(filename="events.csv", size=len(DATA), sha256=SHA)
    for keys in ({"path": "events.csv"}, {"url": "https://example.org/events.csv"}):
        found = compare(source(sha256="0" * 64, **keys), pinned, tmp_path)
        assert found == Origin("different", f"the spec says SHA-256 {'0' * 64}, the lock pins {SHA}")
    assert compare(source(path="events.csv", sha256=SHA), pinned, tmp_path).state == "own"


def test_an_address(site: Site, tmp_path: Path) -> None:
    site.files["/events.csv"] = DATA
    one, pinned = source(url=f"{site.address}/events.csv"), DataPin(filename="events.csv", size=len(DATA), sha256=SHA)
    for network in (CAPSULE, OFFLINE, Network(fetch=True, private=False)):
        assert compare(one, pinned, tmp_path, network).state == "not checked"
    assert site.asked == []
    (tmp_path / "downloads").mkdir(exist_ok=True)
    (tmp_path / "downloads" / SHA).write_bytes(DATA)
    assert compare(one, pinned, tmp_path).state == "not checked", "the cache does not know where its file is from"
    assert compare(one, pinned, tmp_path, EVERYTHING).state == "checked"
    assert site.asked == ["/events.csv"]
    assert compare(one, pinned, tmp_path, OFFLINE).state == "checked"


@pytest.mark.parametrize("answer", [DATA[::-1], DATA + b"2,b\n", DATA[:5]])
def test_an_address_that_gives_another_file(site: Site, tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    site.files["/events.csv"] = answer
    one, pinned = source(url=f"{site.address}/events.csv"), DataPin(filename="events.csv", size=len(DATA), sha256=SHA)
    found = compare(one, pinned, tmp_path, EVERYTHING)
    assert found.state == "different"
    assert found.reason.startswith("its address gives another file: ")
