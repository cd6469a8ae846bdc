"""Sessions to addresses that somebody else chose: what a capsule names is asked without credentials, and only in public networks.

Behind a proxy (``HTTPS_PROXY`` and its like) the host's name is resolved here and checked like any other; one that this machine
cannot resolve is left to the proxy, which alone knows where it leads. The proxy's own credentials go to the proxy only.
"""

from __future__ import annotations

import os
import socket
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, parse_url

from exseos.network import is_public

_HOPS = 6
_INSIDE = ("arpa", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost")
"""Top-level names that are no public ones."""


class RefusedError(HTTPError):
    """The address may not be asked; to try again would not help."""


class OutsideSession(requests.Session):
    """A session without this machine's credentials and cookies, which speaks to public addresses only."""

    def __init__(self, retry: Retry) -> None:
        super().__init__()
        self.trust_env = False  # no ~/.netrc; proxies and certificates of the environment are taken one by one below
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in list(self.adapters):
            self.mount(scheme, _PublicAdapter(max_retries=retry))

    def get(self, url: str | bytes, **options: Any) -> requests.Response:
        """Ask, and follow redirects."""
        try:
            for _ in range(_HOPS):
                answer = super().get(url, **{**options, "allow_redirects": False})
                target = super().get_redirect_target(answer)
                if target is None:
                    return answer
                answer.close()
                url = urljoin(str(url), target)
        except (ValueError, HTTPException, OSError) as error:
            if isinstance(error, requests.RequestException) and not isinstance(error, ValueError):
                raise
            raise RefusedError(f"no proper answer: {error or type(error).__name__}") from error
        raise RefusedError(f"it redirects more than {_HOPS - 1} times")

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: ``requests`` would read whatever body comes with a redirect, however long, even if told not to follow it."""
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send, if the address may be asked."""
        url = request.url or ""
        proxies = get_environ_proxies(url)
        check_address(url, proxied=select_proxy(url, proxies) is not None)
        return super().send(request, **{**options, "proxies": proxies})


def check_address(url: str, *, proxied: bool) -> None:
    """Raise ``RefusedError`` unless ``url`` is a plain web address of a host whose addresses are all public."""
    parts = parse_url(url)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise RefusedError("only http and https addresses are fetched for a capsule")
    if parts.auth is not None:
        raise RefusedError("an address with a user name or password is not fetched for a capsule")
    host = parts.host.strip("[]")
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        if not proxied:
            raise RefusedError(f"the host {host!a} is not known") from error
        last = host.rstrip(".").rpartition(".")[2]
        if "." not in host.rstrip(".") or last in _INSIDE or last[:1].isdigit():
            raise RefusedError(f"the host {host!a} is not a public one") from error
        return
    for address in sorted(found):
        _check_ip(address, host)


def _check_ip(address: str, host: str) -> None:
    if not is_public(address):
        raise RefusedError(f"the host {host!a} is at {address}, inside a private network: not fetched for a capsule")


class _PublicHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn(), self.host)


class _PublicHTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(super()._new_conn(), self.host)


def _checked(connection: socket.socket, host: str) -> socket.socket:
    """The connection, if it leads to where it may: a name may have been resolved to another address than the one checked before."""
    try:
        _check_ip(str(connection.getpeername()[0]), host)
    except BaseException:
        connection.close()
        raise
    return connection


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


class _PublicAdapter(HTTPAdapter):
    """Checks each direct connection; those to a proxy are made by another manager, and lead where the user says."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}
