"""The bytes of one address (http, https or file), from any place on; what goes wrong is one error with one reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from exseos.text import visible

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 18
TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two pieces of the body."""


class BrokenError(Exception):
    """One attempt failed; ``final`` if the same address need not be tried again."""

    def __init__(self, reason: str, *, final: bool = False, mismatch: bool = False) -> None:
        super().__init__(reason)
        self.final = final
        self.mismatch = mismatch


def read_address(session: requests.Session, url: str, start: int, size: int | None) -> Iterator[bytes]:
    """The bytes of ``url`` from ``start`` on; ``BrokenError`` for whatever the network does."""
    if size is not None and start == size:
        return
    if urlsplit(url).scheme == "file":
        yield from _read_file(url, start)
        return
    import requests
    import urllib3

    from exseos.outside import RefusedError

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            skip = start
            if answer.status_code == 206:
                found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
                if found is None or int(found[1]) != start:
                    raise BrokenError("the server answered with another range", final=True)
                skip = 0
            elif answer.status_code == 416:
                raise BrokenError("the server has fewer bytes than expected", final=True)
            elif answer.status_code != 200:
                raise BrokenError(f"HTTP {answer.status_code} {_shown(str(answer.reason))}", final=True)
            for chunk in answer.raw.stream(CHUNK, decode_content=False):
                # A server without ranges sends all again: pass over what is here already.
                yield chunk[skip:]
                skip = max(0, skip - len(chunk))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise BrokenError(_shown(_reason(error)), final=isinstance(error, RefusedError)) from error


def _shown(text: str) -> str:
    """What a server says, as it may stand in a message."""
    return visible(text, escaped=True, limit=300)


def _read_file(url: str, start: int) -> Iterator[bytes]:
    try:
        with Path(url2pathname(urlsplit(url).path)).open("rb") as stream:
            stream.seek(start)
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise BrokenError(error.strerror or str(error), final=True) from error


def open_session(outside: bool = False) -> requests.Session:
    """A session with what this machine has set up; ``outside``: for addresses that somebody else chose."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    from exseos.outside import OutsideSession

    retry = Retry(
        total=3,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("GET",),
        raise_on_status=False,
        respect_retry_after_header=not outside,  # somebody else could have us wait for a year
    )
    if outside:
        return OutsideSession(retry)
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _reason(error: Exception) -> str:
    """The innermost cause: the layers around it repeat it less clearly."""
    inner: BaseException = error
    while isinstance(getattr(inner, "reason", None) or (inner.args[0] if inner.args else None), BaseException):
        inner = getattr(inner, "reason", None) or inner.args[0]
    return str(inner) or type(error).__name__
