"""The browser's way of saying who it is: a signed cookie, and the proof that a request comes from our own page.

A session is `client:end:signature`, signed (HMAC-SHA256, RFC 2104) with the client's own token. So it needs no secret
and no memory of its own, every process takes it, it ends with the token, and whoever reads it has not got the token.
"""

from __future__ import annotations

import hmac
import time
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from producers.webhooks.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

COOKIE: Final = "stockrelay_station"
#: A station that is used is renewed each time its page opens; one that was away for a season asks for its token again.
SESSION_SECONDS: Final = 90 * 86_400
#: What the signature is for, so that it can be mistaken for no other.
_PURPOSE: Final = "stockrelay browser session"
#: Methods that change nothing (RFC 9110 section 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def issue(client: str, token: bytes, now: float | None = None) -> str:
    """Make the session of a client that has shown its token."""
    ends = int(time.time() if now is None else now) + SESSION_SECONDS
    return f"{client}:{ends}:{_signature(client, ends, token)}"


def client_in(session: str, tokens: Iterable[tuple[str, bytes]], now: float | None = None) -> tuple[str, bytes] | None:
    """Give the client of a session and the token it is signed with; None when it is ended, changed or nobody's."""
    client, _, rest = session.partition(":")
    end, _, signature = rest.partition(":")
    if not (end.isascii() and end.isdecimal() and len(end) < len("1" + "0" * 12)):
        return None
    found = None
    # All are compared, so that the time tells nothing about which one came close.
    for known, token in tokens:
        expected = _signature(client, int(end), token).encode()
        if hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected) and known == client:
            found = (known, token)
    return found if int(end) > (time.time() if now is None else now) else None


def keep(request: web.Request, response: web.StreamResponse, session: str) -> None:
    """Let the browser keep a session; it gives it to no script and to no other site.

    `Secure` always, but for a browser on the same machine, which may speak plain HTTP with us.
    """
    response.set_cookie(
        COOKIE,
        session,
        max_age=SESSION_SECONDS,
        path="/",
        secure=not is_loopback(request),
        httponly=True,
        samesite="Strict",
    )


def forget(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser forget its session."""
    response.del_cookie(COOKIE, path="/", secure=not is_loopback(request), httponly=True, samesite="Strict")


def require_own_page(request: web.Request) -> None:
    """Refuse what another site's page has made a browser send (CSRF); raises a 403 ProblemError.

    Browsers say where a request comes from in Sec-Fetch-Site (W3C Fetch Metadata), which no page can change; older ones
    say it in Origin, of everything that may change something.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site == "same-origin"
    elif request.method in _SAFE:
        is_own = True
    else:
        is_own = _split(request.headers.get("Origin", "")).netloc == request.host
    if not is_own:
        detail = "a session counts only for requests of this server's own page; other programs send a bearer token"
        raise ProblemError(HTTPStatus.FORBIDDEN, "foreign-page", detail, close=True)


def is_loopback(request: web.Request) -> bool:
    """Tell whether the browser reached us under this machine's own name."""
    host = _split(f"//{request.host}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(url: str) -> SplitResult:
    """Take apart what a client claims to be an address; what is none has no host."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _signature(client: str, ends: int, token: bytes) -> str:
    signed = f"{_PURPOSE}:{client}:{ends}".encode("utf-8", "surrogateescape")
    return hmac.digest(token, signed, "sha256").hex()
