"""The browser's way of saying who it is: a signed cookie, and the proof that a request comes from our own page.

A session is `client:end:signature`, signed (HMAC-SHA256, RFC 2104) with the client's own token. So it needs no secret
and no memory of its own, every process takes it, it ends with the token, and whoever reads it has not got the token.

Each page has sessions of its own: a person who looks at the dead letters in a station's browser is not the station, and
its scans go on being the station's.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from producers.tokens import Role
from producers.webhooks.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from producers.tokens import ClientToken, Roles

#: Methods that change nothing (RFC 9110 section 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of one page: what its cookie is called, how long it lasts, and the roles that its work needs."""

    cookie: str
    seconds: int
    #: What the signature is for, so that it can be mistaken for no other.
    purpose: str
    roles: Roles

    def issue(self, client: str, token: bytes, now: float | None = None) -> str:
        """Make the session of a client that has shown its token."""
        ends = int(time.time() if now is None else now) + self.seconds
        return f"{client}:{ends}:{self._signature(client, ends, token)}"

    def find(self, session: str, tokens: Iterable[ClientToken], now: float | None = None) -> ClientToken | None:
        """Give the token that a session is signed with; None when it is ended, changed or nobody's."""
        client, _, rest = session.partition(":")
        end, _, signature = rest.partition(":")
        if not (end.isascii() and end.isdecimal() and len(end) < len("1" + "0" * 12)):
            return None
        found = None
        # All are compared, so that the time tells nothing about which one came close.
        for known in tokens:
            expected = self._signature(client, int(end), known.token.get_secret_value().encode()).encode()
            if hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected) and known.client == client:
                found = known
        return found if int(end) > (time.time() if now is None else now) else None

    def keep(self, request: web.Request, response: web.StreamResponse, session: str) -> None:
        """Let the browser keep a session; it gives it to no script and to no other site.

        `Secure` always, but for a browser on the same machine, which may speak plain HTTP with us.
        """
        response.set_cookie(
            self.cookie,
            session,
            max_age=self.seconds,
            path="/",
            secure=not is_loopback(request),
            httponly=True,
            samesite="Strict",
        )

    def forget(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the browser forget its session."""
        response.del_cookie(self.cookie, path="/", secure=not is_loopback(request), httponly=True, samesite="Strict")

    def _signature(self, client: str, ends: int, token: bytes) -> str:
        signed = f"{self.purpose}:{client}:{ends}".encode("utf-8", "surrogateescape")
        return hmac.digest(token, signed, "sha256").hex()


#: A station that is used is renewed each time its page opens; one that was away for a season asks for its token again.
STATION: Final = Sessions(
    "stockrelay_station", 90 * 86_400, "stockrelay browser session", frozenset({Role.SUBMIT, Role.READ})
)
#: A shift: whoever decides about dead letters shows the token again the next day.
DESK: Final = Sessions("stockrelay_desk", 12 * 3_600, "stockrelay desk session", frozenset({Role.OPERATE}))


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
