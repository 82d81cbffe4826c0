"""Whether a request is from who it says: signatures over the raw bytes, each secret tried, compared in constant time.

HMAC as in RFC 2104; schemes as documented by Standard Webhooks (github.com/standard-webhooks), GitHub ("Validating
webhook deliveries"), Stripe ("Verify webhook signatures") and Shopify ("Verify webhooks"). Nothing that a sender can
put into a header makes a verifier raise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from producers.webhooks.sources import Signing, Source

#: What `standardwebhooks` takes with one byte could be guessed.
MIN_SECRET_BYTES: Final = 24
#: A sender that rotates sends two; each costs a comparison.
MAX_SIGNATURES: Final = 16
_NO_MATCH: Final = "no signature matches any secret"
#: Unix time as it is written, to the year 33658: with no sign, blank, fraction or leading zero, since `int()` takes
#: several spellings of one number.
_TIMESTAMP: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
#: What an id of a delivery looks like.
VISIBLE: Final = re.compile(r"[!-~]{1,255}")

#: The headers of a request by lower-case name, each with every value it came with.
Headers = Mapping[str, Sequence[str]]


class Verifier:
    """Tells whether a body with these headers was signed with one of the secrets, now or lately.

    `verify` gives an empty text for a good request, else the reason, which is for our log and never for the sender.
    """

    def __init__(self, source: Source, secrets: Sequence[str]) -> None:
        self._keys = tuple(_key(source.scheme, secret) for secret in secrets)
        self._tolerance_seconds = source.tolerance_seconds
        self._prefix = source.header_prefix
        self._signing = source.signature
        schemes: dict[str, Callable[[Headers, bytes, float], str]] = {
            "standard-webhooks": self._standard,
            "github": self._github,
            "stripe": self._stripe,
            "shopify": self._shopify,
            "hmac": self._hmac,
            "bearer": self._bearer,
        }
        self._scheme = schemes[source.scheme]

    def verify(self, headers: Headers, body: bytes, now_seconds: float) -> str:
        """Check one request; gives the reason for refusing it, empty when it is good."""
        return self._scheme(headers, body, now_seconds)

    @property
    def secrets(self) -> int:
        """How many secrets are tried."""
        return len(self._keys)

    def digests_of(self, reason: str) -> int:
        """Tell how many digests of the body it took to refuse a request for a reason of `verify`."""
        return self.secrets if reason == _NO_MATCH else 0

    def _standard(self, headers: Headers, body: bytes, now: float) -> str:
        message_id, timestamp, given = (
            _single(headers, f"{self._prefix}-{part}") for part in ("id", "timestamp", "signature")
        )
        if not VISIBLE.fullmatch(message_id):
            return "no usable id header"
        if late := self._outside_tolerance(timestamp, now):
            return late
        # v1a is asymmetric and not configured here; what else there is belongs to a later version
        tokens = given.split(" ")[:MAX_SIGNATURES]
        signatures = [_base64(token[3:]) for token in tokens if token.startswith("v1,")]
        return self._match(f"{message_id}.{timestamp}.".encode() + body, signatures)

    def _github(self, headers: Headers, body: bytes, _: float) -> str:
        given = _single(headers, "x-hub-signature-256")
        if not given.startswith("sha256="):
            return "no usable signature header"
        return self._match(body, [_hex(given.removeprefix("sha256="))])

    def _stripe(self, headers: Headers, body: bytes, now: float) -> str:
        pairs = [item.partition("=") for item in _single(headers, "stripe-signature").split(",")]
        timestamps = [value for name, _, value in pairs if name == "t"]
        if len(timestamps) != 1:
            return "not one timestamp in the signature header"
        if late := self._outside_tolerance(timestamps[0], now):
            return late
        signatures = [_hex(value) for name, _, value in pairs if name == "v1"][:MAX_SIGNATURES]
        return self._match(f"{timestamps[0]}.".encode() + body, signatures)

    def _shopify(self, headers: Headers, body: bytes, _: float) -> str:
        return self._match(body, [_base64(_single(headers, "x-shopify-hmac-sha256"))])

    def _hmac(self, headers: Headers, body: bytes, now: float) -> str:
        signing = self._signing
        if signing is None:
            raise TypeError("a source of the scheme hmac has its signature settings")
        timestamp = _single(headers, signing.timestamp_header) if signing.timestamp_header else ""
        if signing.timestamp_header and (late := self._outside_tolerance(timestamp, now)):
            return late
        message_id = _single(headers, signing.id_header) if signing.id_header else ""
        if signing.id_header and not VISIBLE.fullmatch(message_id):
            return "no usable id header"
        given = _single(headers, signing.header)
        if not given.startswith(signing.prefix):
            return "no usable signature header"
        decode = _hex if signing.encoding == "hex" else _base64
        values = {"body": body, "timestamp": timestamp.encode(), "id": message_id.encode()}
        signed = _signed(signing, values)
        return self._match(signed, [decode(given.removeprefix(signing.prefix))], signing.algorithm)

    def _bearer(self, headers: Headers, _: bytes, __: float) -> str:
        scheme, _blank, credentials = _single(headers, "authorization").partition(" ")
        given = credentials.strip().encode("utf-8", "surrogateescape")
        is_known = False
        for key in self._keys:
            is_known |= hmac.compare_digest(given, key)
        return "" if is_known and scheme.lower() == "bearer" else "no known bearer token"

    def _outside_tolerance(self, timestamp: str, now: float) -> str:
        if _TIMESTAMP.fullmatch(timestamp) is None:
            return "no usable timestamp"
        late_seconds = now - int(timestamp)
        if abs(late_seconds) > self._tolerance_seconds:
            return f"signed {late_seconds:.0f} seconds ago, allowed are {self._tolerance_seconds} either way"
        return ""

    def _match(self, signed: bytes, signatures: Sequence[bytes], algorithm: str = "sha256") -> str:
        """Compare every signature with that of every secret: the time tells nothing about which came close."""
        is_good = False
        for key in self._keys:
            expected = hmac.digest(key, signed, algorithm)
            for signature in signatures:
                is_good |= hmac.compare_digest(expected, signature)
        return "" if is_good else _NO_MATCH


def _key(scheme: str, secret: str) -> bytes:
    """Make the key of a secret's text; ValueError, which quotes none of it, for one that could be guessed."""
    if scheme == "standard-webhooks":
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not whsec_ and base64, as Standard Webhooks writes its secrets") from None
    else:
        key = secret.encode()
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"is shorter than {MIN_SECRET_BYTES} bytes; have the sender make a longer one")
    return key


def _signed(signing: Signing, values: Mapping[str, bytes]) -> bytes:
    parts = signing.parts()
    return b"".join(values[part] if place % 2 else part.encode() for place, part in enumerate(parts))


def _single(headers: Headers, name: str) -> str:
    """Give the one value of a header; nothing for one that is missing, or repeated, so that nobody has to choose."""
    values = headers.get(name, ())
    return values[0] if len(values) == 1 else ""


def _hex(text: str) -> bytes:
    """Decode lower-case hex; nothing, which matches nothing, for anything else."""
    return bytes.fromhex(text) if re.fullmatch(r"(?:[0-9a-f]{2}){1,64}", text, re.ASCII) else b""


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are both
        return b""


def digest_of(*parts: bytes | str) -> str:
    """Give a short name for what is too long or too foreign to be one: 12 hexadecimal characters of SHA-256."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()[:12]
