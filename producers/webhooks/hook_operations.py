"""What the documents say of the webhooks' routes."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

from producers.webhooks.cloudevents import BATCH, STRUCTURED
from producers.webhooks.openapi import PUBLIC, TRACE, Answer, Body, Operation, Parameter

_KEY: Final = "mzxw6ytboi2tsnzqgi3a"
_ACCEPTED: Final = {
    "commands": [{"key": _KEY, "kind": "stock.remove", "state": "ready", "duplicate": False}],
}
_HELD_TEXT: Final = (
    "Everything of the delivery is on disk. `commands`: what it became; `held`: what is genuine and fits no rule as it "
    "is, kept for an operator; `ignored`: how many events no rule is for. `state` is `spooled` while Redis is away."
)
_REPLAY_TEXT: Final = "The same delivery was kept before."
_UNPROVED: Final = "Not proved to come from a source of this server: one answer for every cause."
_FULL: Final = "Nothing was kept: send the same delivery again after `Retry-After` seconds."
_SOURCE: Final = Parameter(name="source", place="path", description="The name of the source in the configuration.")


class HookCommand(BaseModel):
    """A command that a delivery became."""

    key: str
    kind: str
    state: str
    duplicate: bool


class HookAnswer(BaseModel):
    """What became of a delivery."""

    commands: list[HookCommand]
    held: list[str] = Field(default_factory=list)
    ignored: int = 0


_ANSWERS: Final = {
    202: Answer(description=_HELD_TEXT, schema=HookAnswer, example=_ACCEPTED),
    200: Answer(
        description=_REPLAY_TEXT, schema=HookAnswer, headers={"Idempotency-Replayed": "`true`"}, example=_ACCEPTED
    ),
}

HOOK: Final = Operation(
    summary="Deliver a webhook",
    tag="webhooks",
    roles=PUBLIC,
    description="Signed as the sender of this source signs: Standard Webhooks, GitHub, Stripe, Shopify, another HMAC, "
    "or a bearer token. A genuine delivery is never refused for what is in it.",
    parameters=(_SOURCE, TRACE),
    body=Body(schema={}, content_types=("application/json", STRUCTURED, BATCH), description="The sender's event."),
    answers=_ANSWERS,
    problems={401: _UNPROVED, 429: "More requests than this source may send.", 503: _FULL},
)
ASK: Final = Operation(
    summary="Ask whether a sender of CloudEvents is welcome",
    tag="webhooks",
    roles=PUBLIC,
    description="The handshake of HTTP 1.1 Web Hooks for Event Delivery, section 4.",
    parameters=(
        _SOURCE,
        Parameter(name="WebHook-Request-Origin", place="header", description="The sender's own name, a DNS name."),
    ),
    answers={
        204: Answer(
            description="With `WebHook-Allowed-Origin` it is, without it is not.",
            headers={
                "WebHook-Allowed-Origin": "The origin that may send.",
                "WebHook-Allowed-Rate": "Requests per minute.",
            },
        )
    },
)
EVENTS: Final = Operation(
    summary="Deliver CloudEvents",
    tag="webhooks",
    roles=PUBLIC,
    description="CloudEvents 1.0 in structured, binary or batch content. The bearer token is that of a source whose "
    "scheme is `bearer` and whose format is `cloudevents`; its rules apply.",
    parameters=(TRACE,),
    body=Body(schema={}, content_types=(STRUCTURED, BATCH, "application/json"), description="One event, or a batch."),
    answers=_ANSWERS,
    problems={401: _UNPROVED, 429: "More requests than this source may send.", 503: _FULL},
)
