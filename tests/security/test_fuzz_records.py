"""What stands in the ledger, changed by somebody else: it is named as damage, and nothing else stops."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, cast

from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import LedgerError
from tasks.records import DamagedRecord
from tests.integration.ledger_harness import PREFIX, Desk
from tests.security.depth import fuzz
from tests.security.hostile import as_json, json_values, texts

if TYPE_CHECKING:
    from redis.asyncio import Redis

FIELDS: Final = (
    "kind", "state", "command", "summary", "client", "lanes", "digest", "reason", "accepted_ms", "updated_ms",
    "attempts", "waits", "looks", "failed_looks", "crashes", "doubted", "doubt_ms", "due_ms", "lease_ms", "owner",
    "image", "receipt", "refusal", "parent", "family", "intent_ms", "open_ms", "edits", "revision",
)  # fmt: skip
#: What a script and Python may take differently: numbers, times, lists.
VALUES: Final = (
    st.sampled_from(
        ["1e400", "-1", "0x10", "1.5", "nan", "inf", "9" * 20, "[]", "{}", "[[]]", "[" * 1_000, "[null]", "sending"]
    )
    | st.sampled_from(["held", "in_doubt", "applied", '["part:a"]', '["part:a", "part:a"]', '{"a": 1}', "\u0661"])
    | json_values.map(as_json).map(bytes.decode)
    | texts.map(lambda text: text.encode("utf-8", "replace").decode())
)


@fuzz
@given(changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3), dead=st.booleans())
async def test_no_damaged_record_stops_the_ledger(redis_client: Redis, changes: dict[str, str], *, dead: bool) -> None:
    await redis_client.flushdb()
    desk = Desk.at(redis_client)
    key, behind, other = await desk.admit("part:a"), await desk.admit("part:a"), await desk.admit("part:b")
    if dead:
        await redis_client.zadd(PREFIX + "dead", {key: 1})
    await redis_client.hset(PREFIX + "cmd:" + key, mapping=cast("Any", changes))

    for step in (
        desk.ledger.promote(),
        desk.ledger.claim(key, "owner-x", 60.0),
        desk.ledger.promote(),
        desk.ledger.cancel(key, "me"),
        desk.ledger.replay(key, "me"),
    ):
        with contextlib.suppress(LedgerError):
            await step
    found = await desk.ledger.read(key)
    for letter in (*await desk.ledger.dead_letters(), found):
        assert letter is None or (letter.updated_ms is None or letter.updated_ms > -(2**80))
        assert not isinstance(letter, DamagedRecord) or letter.problem
    assert (await desk.claim(other))[1].record is not None
    with contextlib.suppress(LedgerError):
        await desk.ledger.discard(key, "me", "damaged")
    with contextlib.suppress(LedgerError):
        await desk.claim(behind)
