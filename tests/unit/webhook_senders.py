"""Senders of webhooks as their documents describe them, and sources that take what they send."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from typing import Any

from standardwebhooks import Webhook

from producers.webhooks.sources import Source

SECRET = "invented-secret-of-thirty-two-by"
OTHER = "another-invented-secret-of-32-by"
NOW = 1_795_278_010
PART, SHELF = "p" * 26, "a" * 26
RULE = {
    "kind": "stock.add",
    "fields": {"part_id": "event.part", "storage_id": {"literal": SHELF}, "quantity": "event.quantity"},
}
#: What a secret of Standard Webhooks looks like.
STANDARD_SECRET = "whsec_" + base64.b64encode(SECRET.encode()).decode()
STANDARD_OTHER = "whsec_" + base64.b64encode(OTHER.encode()).decode()


def source(scheme: str, **more: Any) -> Source:
    given: dict[str, Any] = {"scheme": scheme, "secrets": [{"env": "SECRET"}], "commands": [RULE]}
    if scheme in ("hmac", "bearer"):
        given["id"] = {"content": True}
    if scheme == "hmac":
        given["signature"] = {"header": "X-Signature"}
    return Source.model_validate({**given, **more})


def standard(body: bytes, *, secret: str = STANDARD_SECRET, id_: str = "msg_1", at: int = NOW) -> dict[str, str]:
    """Sign with the reference library."""
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    signature = Webhook(secret).sign(msg_id=id_, timestamp=moment, data=body.decode())
    return {"webhook-id": id_, "webhook-timestamp": str(at), "webhook-signature": signature}


def github(body: bytes, *, secret: str = SECRET, id_: str = "72d3162e-cc78-11e3-81ab-4c9367dc0958") -> dict[str, str]:
    """As "Validating webhook deliveries" says: sha256= and the hex digest of the body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": id_, "X-GitHub-Event": "push"}


def stripe(body: bytes, *, secret: str = SECRET, at: int = NOW, also: str = "") -> dict[str, str]:
    """As "Verify webhook signatures manually" says: t, a dot and the body; `also` is another secret in rotation."""
    signed = f"{at}.".encode() + body
    keys = [secret, also] if also else [secret]
    digests = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in keys]
    return {"Stripe-Signature": ",".join([f"t={at}", *(f"v1={digest}" for digest in digests), "v0=" + "0" * 64])}


def shopify(body: bytes, *, secret: str = SECRET, id_: str = "b54557e4-bdd9") -> dict[str, str]:
    """As "Verify webhooks" says: base64 of the digest of the body."""
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {"X-Shopify-Hmac-Sha256": digest, "X-Shopify-Event-Id": id_, "X-Shopify-Topic": "orders/create"}


def slack(body: bytes, *, secret: str = SECRET, at: int = NOW) -> dict[str, str]:
    """A sender with a recipe of its own: v0:timestamp:body, hex, prefix v0=."""
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Signature": f"v0={digest}", "X-Slack-Request-Timestamp": str(at)}


SLACK = {
    "header": "X-Slack-Signature",
    "prefix": "v0=",
    "signed": "v0:{timestamp}:{body}",
    "timestamp_header": "X-Slack-Request-Timestamp",
}


def several(headers: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Give headers as the verifier gets them."""
    return {name.lower(): (value,) for name, value in headers.items()}
