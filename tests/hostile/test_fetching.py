"""Addresses in a capsule that lead into the reviewer's own networks, or that want to see the reviewer's credentials."""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exseos import network as policy
from exseos import outside
from exseos.errors import DigestMismatch, HostError
from exseos.fetch import Download, fetch
from exseos.network import Network
from exseos.progress import Quiet
from tests.resolve.loopback import Site, served

ASKED = Network(fetch=True, private=False)
DATA = b"x,kind\n1,a\n"
SHA = hashlib.sha256(DATA).hexdigest()
Get = Callable[[str], bytes]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with served() as one:
        one.files["/events.csv"] = DATA
        yield one


@pytest.fixture
def get(tmp_path: Path) -> Get:
    def call(url: str) -> bytes:
        return fetch([Download((url,), SHA, len(DATA), "events.csv", named=True)], tmp_path, Quiet(), ASKED)[0].read_bytes()

    return call


@pytest.fixture
def world(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that counts as one of the public internet: 127.0.0.1 alone does, as all that this machine can reach."""
    monkeypatch.setattr(outside, "is_public", lambda address: address == "127.0.0.1" or policy.is_public(address))
    return site


def port(site: Site) -> str:
    return site.address.rpartition(":")[2]


def headers_of(site: Site, path: str = "/events.csv") -> list[dict[str, str]]:
    """What each request for ``path`` from now on carries."""
    seen: list[dict[str, str]] = []

    def answer(handler: Any) -> None:
        seen.append({key.lower(): value for key, value in handler.headers.items()})
        handler.give(DATA)

    site.files[path] = answer
    return seen


def redirect(target: str, body: bytes = b"", **more: str) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        for key, value in more.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
        "１２７.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "example.org\\@127.0.0.1",
    ],
)
def test_hosts_of_this_machine_and_its_networks(site: Site, get: Get, host: str) -> None:
    with pytest.raises(HostError, match="cannot be downloaded"):
        get(f"http://{host}:{port(site)}/events.csv")
    assert site.asked == []


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "unix", "jar:file", "http+unix", ""])
def test_only_the_web(tmp_path: Path, get: Get, scheme: str) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    with pytest.raises(
        HostError, match=r"not fetched for a capsule|only http and https|no proper answer|Invalid URL|No connection adapters"
    ):
        get(f"{scheme}://{tmp_path}/secret")


def test_a_public_address_works(world: Site, get: Get) -> None:
    assert get(f"{world.address}/events.csv") == DATA


def test_a_name_that_leads_inside(site: Site, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(HostError, match=r"'evil\.example' is at 127\.0\.0\.1, inside a private network"):
        get(f"http://evil.example:{port(site)}/events.csv")
    assert site.asked == []


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Names resolve to these addresses, the next list each time, then to the last."""
    left = list(answers)

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_that_leads_elsewhere_when_asked_again(site: Site, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that is checked is not the one that is connected to."""
    resolve_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    with pytest.raises(HostError, match=r"'evil\.example' is at 127\.0\.0\.1, inside a private network"):
        get(f"http://evil.example:{port(site)}/events.csv")
    assert site.asked == []


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}/events.csv",
        "http://localhost.:{port}/events.csv",
        "//[::1]:{port}/events.csv",
        "http://169.254.169.254/latest/meta-data/",
        "http://me:secret@127.0.0.1:{port}/events.csv",
        "file:///etc/hostname",
        "ftp://127.0.0.1/x",
        "http://[::1/x",
        "http://\xff\xfe/",
        "http://127.0.0.1:99999999/",
    ],
)
def test_a_redirect_that_leads_inside(world: Site, get: Get, target: str) -> None:
    world.files["/start"] = redirect(target.format(port=port(world)))
    with pytest.raises(HostError, match="cannot be downloaded") as caught:
        get(f"{world.address}/start")
    assert world.asked == ["/start"]
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_redirects_within_the_world_are_followed_but_not_for_ever(world: Site, get: Get) -> None:
    world.files["/start"] = redirect("/events.csv")
    assert get(f"{world.address}/start") == DATA


def test_redirects_without_end(world: Site, get: Get) -> None:
    world.files["/start"] = redirect("/start")
    with pytest.raises(HostError, match="redirects more than 5 times"):
        get(f"{world.address}/start")
    assert len(world.asked) == 6


def test_the_body_of_a_redirect_is_not_read(world: Site, get: Get) -> None:
    sent: list[int] = []

    def endless(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/events.csv")
        handler.end_headers()
        try:
            for _ in range(2000):
                handler.wfile.write(bytes(1 << 20))
                sent.append(1)
        except OSError:
            handler.close_connection = True

    world.files["/start"] = endless
    assert get(f"{world.address}/start") == DATA
    assert len(sent) < 100


def test_no_credentials_of_the_reviewer_are_sent(world: Site, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen = headers_of(world)
    world.files["/start"] = redirect("/events.csv", Set_Cookie="id=7; Path=/")
    assert get(f"{world.address}/start") == DATA
    assert len(seen) == 1
    assert not seen[0].keys() & {"authorization", "proxy-authorization", "cookie", "referer"}


def test_a_build_uses_them_for_what_its_own_spec_names(world: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen = headers_of(world)
    fetch([Download((f"{world.address}/events.csv",), SHA, len(DATA), "x", named=True)], tmp_path, Quiet())
    assert seen[0]["authorization"].startswith("Basic ")


def test_credentials_in_the_address(world: Site, get: Get) -> None:
    with pytest.raises(HostError, match="with a user name or password is not fetched"):
        get(world.address.replace("//", "//me:secret@") + "/events.csv")
    assert world.asked == []


def test_more_than_was_pinned(world: Site, get: Get) -> None:
    world.files["/events.csv"] = DATA * 100_000
    with pytest.raises(DigestMismatch, match="more than the 11 bytes expected"):
        get(f"{world.address}/events.csv")


def test_a_server_that_wants_us_to_wait(world: Site, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(handler: Any) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", "100000000")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    world.files["/events.csv"] = busy
    with pytest.raises(HostError, match="HTTP 503"):
        get(f"{world.address}/events.csv")
    assert sum(slept) < 60


def test_what_a_server_says_moves_no_cursor(world: Site, get: Get) -> None:
    def rude(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 404 \x1b[2Jyou are fine\x9b" + b"x" * 5000 + b"\r\nContent-Length: 0\r\n\r\n")
        handler.close_connection = True

    world.files["/events.csv"] = rude
    with pytest.raises(HostError, match="HTTP 404") as caught:
        get(f"{world.address}/events.csv")
    assert all(line.isprintable() and len(line) < 1000 for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
        b"HTTP/1.1 302 OK\r\nLocation: \xff\xfe\xfd\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_answers_that_are_none(world: Site, get: Get, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def send(handler: Any) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    world.files["/events.csv"] = send
    with pytest.raises((HostError, DigestMismatch)):
        get(f"{world.address}/events.csv")


def test_a_proxy_is_used_and_gets_no_address_that_is_known_to_be_inside(site: Site, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is the site itself, which sees whole addresses."""
    monkeypatch.setenv("HTTP_PROXY", site.address.replace("//", "//user:word@"))
    seen = headers_of(site, "http://data.example/events.csv")
    resolve_to_proxy(monkeypatch, site, {"data.example": "93.184.216.34", "evil.example": "192.168.0.1"})
    assert get("http://data.example/events.csv") == DATA
    assert "authorization" not in seen[0]
    assert seen[0]["proxy-authorization"].startswith("Basic ")
    site.asked.clear()


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "[::1]", "2130706433", "intranet", "printer.local", "0x7f.1", "unknown.0x7f"]
)
def test_a_proxy_is_not_asked_for_what_is_inside(site: Site, get: Get, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", site.address)
    resolve_to_proxy(monkeypatch, site, {"evil.example": "192.168.0.1"})
    with pytest.raises(HostError, match=r"inside a private network|is not a public one"):
        get(f"http://{host}/events.csv")
    assert site.asked == []


def test_a_name_that_only_the_proxy_knows(site: Site, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", site.address)
    resolve_to_proxy(monkeypatch, site, {})
    site.files["http://data.example/events.csv"] = DATA
    assert get("http://data.example/events.csv") == DATA


def resolve_to_proxy(monkeypatch: pytest.MonkeyPatch, site: Site, names: dict[str, str]) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        if host in names:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (names[host], 80))]
        if host.strip("[]:.0123456789abcdefx"):
            raise socket.gaierror(-2, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_the_loopback_server_answers_requests_to_a_proxy(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(port(site)))
    connection.request("GET", "http://nowhere.example/x")
    assert connection.getresponse().status == 404
    connection.close()
    assert site.asked == ["http://nowhere.example/x"]
