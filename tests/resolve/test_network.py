"""What may be fetched: everything for a build, by name and SHA-256 for a replay, nothing offline; and what is missing is said."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from exseos.errors import DigestMismatch, ExseosError, HostError
from exseos.fetch import Download, fetch, fetch_bytes, vouch, vouched
from exseos.image.assemble import base_layer
from exseos.image.layer import LayerStore
from exseos.image.mirror import load_index, package_downloads
from exseos.lock import DataPin, DebPackage, WheelPin
from exseos.network import CAPSULE, EVERYTHING, Network, is_public
from exseos.progress import Quiet
from exseos.resolve.data import bring_data, pin_data
from exseos.resolve.index import locate, resolve
from exseos.resolve.wheels import bring_wheels
from exseos.spec.models import Source
from tests.resolve.loopback import Site

OFFLINE = Network(offline=True)
DATA = b"x,kind\n1,a\n"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.8",
        "192.88.99.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd12::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "3fff::1",
        "4000::1",
        "0177.0.0.1",
        "2130706433",
        "example.org",
        "",
    ],
)
def test_addresses_that_are_none_or_not_public(address: str) -> None:
    assert not is_public(address)


def test_a_build_may_do_everything_and_a_replay_next_to_nothing() -> None:
    assert Network() == EVERYTHING == Network(offline=False, fetch=True, private=True)
    assert Network(fetch=False, private=False) == CAPSULE


def source(**keys: Any) -> Source:
    return Source.model_validate({"format": "csv", **keys})


def bring(one: Source, pin: DataPin, folder: Path, network: Network) -> Path:
    return bring_data("events", one, pin, folder, python="3.11", cache=folder / "cache", progress=Quiet(), given={}, network=network)


def test_an_address_of_a_capsule_is_not_asked_unless_wanted(site: Site, tmp_path: Path) -> None:
    site.files["/events.csv"] = DATA
    one, pin = source(url=f"{site.address}/events.csv"), DataPin(filename="events.csv", size=len(DATA), sha256=SHA)
    with pytest.raises(HostError, match=r"only if asked: events\.csv") as caught:
        bring(one, pin, tmp_path, CAPSULE)
    assert caught.value.hint == "Allow it with --fetch. Or give the file with --data events=FILE."
    with pytest.raises(HostError, match=r"not in the cache, and nothing is fetched offline: events\.csv") as caught:
        bring(one, pin, tmp_path, OFFLINE)
    assert caught.value.hint == "Run it without --offline. Or give the file with --data events=FILE."
    with pytest.raises(HostError, match=r"'127\.0\.0\.1' is at 127\.0\.0\.1, inside a private network"):
        bring(one, pin, tmp_path, Network(fetch=True, private=False))
    assert site.asked == []
    bring(one, pin, tmp_path, EVERYTHING)
    site.asked.clear()
    for network in (CAPSULE, OFFLINE):
        assert bring(one, pin, tmp_path, network).read_bytes() == DATA, "it is in the cache"
    assert site.asked == []


def test_a_file_of_a_wheel_comes_from_the_index_as_in_a_build(site: Site, tmp_path: Path) -> None:
    site.add("sets-1.0-py3-none-any.whl", files={"sets/events.csv": DATA})
    one = source(pypi="sets==1.0", member="sets/events.csv")
    pin = pin_data("events", one, tmp_path, python="3.11", cache=tmp_path / "cache", progress=Quiet())
    elsewhere = tmp_path / "elsewhere"
    assert bring(one, pin, elsewhere, CAPSULE).read_bytes() == DATA
    with pytest.raises(HostError, match=r"offline: sets-1\.0-py3-none-any\.whl") as caught:
        bring(one, pin, tmp_path / "third", OFFLINE)
    assert "--data events=FILE" in (caught.value.hint or "")


def test_a_file_of_a_wheel_that_is_longer_than_the_lock_says(site: Site, tmp_path: Path) -> None:
    site.add("sets-1.0-py3-none-any.whl", files={"sets/events.csv": bytes(50_000_000)})
    one = source(pypi="sets==1.0", member="sets/events.csv")
    pin = pin_data("events", one, tmp_path, python="3.11", cache=tmp_path / "cache", progress=Quiet())
    short = pin.model_copy(update={"size": 10, "sha256": "0" * 64})
    with pytest.raises(DigestMismatch, match="has 50000000 bytes in the wheel, and the lock pins 10"):
        bring(one, short, tmp_path, CAPSULE)


def wheel_pin(site: Site, filename: str = "one-1.0-py3-none-any.whl") -> WheelPin:
    data = site.packages["one"][filename]
    return WheelPin(name="one", version="1.0", filename=filename, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_wheels_offline(site: Site, tmp_path: Path) -> None:
    site.add("one-1.0-py3-none-any.whl")
    pin = wheel_pin(site)
    more = [pin.model_copy(update={"filename": f"one-1.0-{n}-py3-none-any.whl", "sha256": f"{n:064x}"}) for n in range(1, 8)]
    with pytest.raises(HostError, match=r"offline: one-1\.0-1-py3-none-any\.whl, .* and 2 more") as caught:
        bring_wheels(more, python="3.11", cache=tmp_path, progress=Quiet(), network=OFFLINE)
    assert caught.value.hint == "Run it without --offline."
    files = bring_wheels([pin], python="3.11", cache=tmp_path, progress=Quiet(), network=CAPSULE)
    site.asked.clear()
    assert bring_wheels([pin], python="3.11", cache=tmp_path, progress=Quiet(), network=OFFLINE) == files
    assert site.asked == []


def test_whatever_asks_the_index_or_a_mirror_does_not_offline(site: Site, tmp_path: Path) -> None:
    site.add("one-1.0-py3-none-any.whl")
    calls: list[Any] = [
        lambda: resolve(["one"], python="3.11", exclude_newer=None, network=OFFLINE),
        lambda: locate([wheel_pin(site)], python="3.11", network=OFFLINE),
        lambda: load_index(tmp_path, Quiet(), "20250520T000000Z", OFFLINE),
        lambda: fetch_bytes([f"{site.address}/x"], network=OFFLINE),
        lambda: pin_data("e", source(url=f"{site.address}/x"), tmp_path, python="3.11", cache=tmp_path, progress=Quiet(), network=OFFLINE),
        lambda: base_layer([debian()], LayerStore(tmp_path), Quiet(), OFFLINE),
    ]
    for call in calls:
        with pytest.raises(HostError, match="offline"):
            call()
    assert site.asked == []


def debian(path: str = "pool/main/t/thing/thing_1_all.deb") -> DebPackage:
    return DebPackage(name="thing", version="1", path=path, size=len(DATA), sha256=SHA)


def test_data_in_the_cache_does_not_pass_for_a_package(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capsule's data lies in the cache under its SHA-256; its lock may pin the same bytes as Python."""
    monkeypatch.setenv("EXSEOS_DEBIAN_MIRROR", site.address)
    monkeypatch.setattr("exseos.image.mirror.snapshot", lambda date: f"{site.address}/snapshot")
    site.files["/events.csv"] = DATA
    bring(source(url=f"{site.address}/events.csv"), DataPin(filename="events.csv", size=len(DATA), sha256=SHA), tmp_path, EVERYTHING)
    cache = tmp_path / "cache"
    pinned = package_downloads([debian()], "20250520T000000Z")
    with pytest.raises(HostError, match=r"offline: thing_1_all\.deb"):
        fetch(pinned, cache, Quiet(), OFFLINE)
    with pytest.raises(HostError, match="HTTP 404"):
        fetch(pinned, cache, Quiet())
    site.files["/pool/main/t/thing/thing_1_all.deb"] = DATA
    assert fetch(pinned, cache, Quiet())[0].read_bytes() == DATA
    assert fetch(pinned, cache, Quiet(), OFFLINE)[0].read_bytes() == DATA
    two = [*pinned, *package_downloads([debian("pool/main/o/other/other_1_all.deb")], "20250520T000000Z")]
    for order in (two, two[::-1]):
        with pytest.raises(HostError, match="HTTP 404"):
            fetch(order, cache, Quiet())
    assert fetch(package_downloads([debian("pool/x.deb")], "20250520T000000Z", {SHA}), cache, Quiet(), OFFLINE), "base.lock has it"


def test_a_file_in_the_cache_does_not_pass_for_a_wheel(site: Site, tmp_path: Path) -> None:
    site.add("one-1.0-py3-none-any.whl")
    site.add("one-1.0-1-py3-none-any.whl", b"another build")
    forged = wheel_pin(site).model_copy(update={"size": len(DATA), "sha256": SHA})
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / SHA).write_bytes(DATA)
    with pytest.raises(ExseosError, match=r"has another one-1\.0-py3-none-any\.whl"):
        bring_wheels([forged], python="3.11", cache=tmp_path, progress=Quiet())
    other = wheel_pin(site, "one-1.0-1-py3-none-any.whl")
    (path,) = bring_wheels([other], python="3.11", cache=tmp_path, progress=Quiet())
    assert path.read_bytes() == b"another build"
    with pytest.raises(ExseosError, match=r"has another one-1\.0-py3-none-any\.whl"):
        bring_wheels([other.model_copy(update={"filename": "one-1.0-py3-none-any.whl"})], python="3.11", cache=tmp_path, progress=Quiet())


def test_what_was_seen_once_is_kept(tmp_path: Path) -> None:
    assert not vouched(tmp_path, SHA, "wheel a")
    vouch(tmp_path, SHA, "wheel a")
    assert vouched(tmp_path, SHA, "wheel a")
    assert not vouched(tmp_path, SHA, "wheel b")
    assert not vouched(tmp_path, "0" * 64, "wheel a")


@pytest.mark.parametrize(
    ("name", "version", "filename"),
    [
        ("one", "1.0", "other-1.0-py3-none-any.whl"),
        ("one", "1.1", "one-1.0-py3-none-any.whl"),
        ("One", "1.0", "one-1.0-py3-none-any.whl"),
        ("one.whl", "1.0", "one.whl-1.0-py3-none-any.whl"),
        ("one", "1.0:x", "one-1.0-py3-none-any.whl"),
        ("one", "1.0", "x.whl"),
        ("one", "1.0", "one-1.0-" + "-".join([".".join(["a"] * 40)] * 3) + ".whl"),
    ],
)
def test_only_a_name_and_a_version_go_to_uv(site: Site, name: str, version: str, filename: str) -> None:
    with pytest.raises(ExseosError, match="the lock is damaged: "):
        locate([WheelPin(name=name, version=version, filename=filename, size=1, sha256="0" * 64)], python="3.11")
    assert site.asked == []


def test_a_file_larger_than_the_disk_is_not_begun(tmp_path: Path) -> None:
    huge = Download(("https://example.org/x",), "0" * 64, 2**52, "x", named=True)
    with pytest.raises(HostError, match="4503599627370496 bytes are to be fetched"):
        fetch([huge], tmp_path, Quiet())
