"""The breakages. Each takes back one thing that the promise rests on; its test is the one that says so."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_EXECUTOR: Final = "workers/executor.py"
_RETRIES: Final = "workers/retries.py"
_OUTCOMES: Final = "workers/outcomes.py"
_STATE: Final = "tasks/ledger_state.lua"
_LEDGER: Final = "tasks/ledger.lua"
_LIMITER: Final = "workers/limiter.lua"
_BASE: Final = "workers/vendors/base.py"

MUTANTS: Final = (
    # never twice on purpose
    Mutant(
        "no look before a resend",
        _EXECUTOR,
        "        if work.in_doubt:\n            return await self._look(work)\n        expansion",
        "        expansion",
        "tests/chaos/test_lost_answers.py",
    ),
    Mutant(
        "no wait for the settle time",
        _RETRIES,
        "case _ if elapsed_seconds < settle_seconds:",
        "case _ if elapsed_seconds < 0:",
        "tests/unit/test_retries.py",
    ),
    Mutant(
        "the marker is not looked for",
        "tasks/lookup.py",
        "if key in markers_in(entry.comments))",
        'if key == "")',
        "tests/unit/test_lookup.py",
    ),
    Mutant(
        "an unmarked entry like ours is taken for nobody's",
        "tasks/lookup.py",
        "return Undecidable(Why.UNMARKED, unmarked) if unmarked else Absent()",
        "return Absent()",
        "tests/unit/test_lookup.py",
    ),
    Mutant(
        "a marker that is there twice counts as once",
        "tasks/lookup.py",
        "        return Undecidable(Why.DOUBLE, marked)\n",
        "        return Landed(marked)\n",
        "tests/unit/test_lookup.py",
    ),
    Mutant(
        "half a move counts as a move",
        "tasks/lookup.py",
        "if all(total == leg.quantity for total, leg in zip(sums, legs, strict=True)):",
        "if any(total == leg.quantity for total, leg in zip(sums, legs, strict=True)):",
        "tests/unit/test_lookup.py",
    ),
    Mutant(
        "no marker in the comment",
        "tasks/identity.py",
        'return f"{comments} {marker_of(key)}".lstrip()',
        "return comments",
        "tests/unit/test_partsbox_requests.py",
    ),
    Mutant(
        "an undecidable look-up sends again",
        _RETRIES,
        "        case Undecidable(why):\n            return End(State.HELD,",
        "        case Undecidable(why) if may_send:\n            return SendAgain()\n        case Undecidable(why):\n"
        "            return End(State.HELD,",
        "tests/unit/test_retries.py",
    ),
    Mutant(
        "a failed look-up counts as absent",
        _EXECUTOR,
        "        except (VendorError, PausedError) as error:\n"
        "            return await self.outcomes.look_failed(work, error)",
        "        except (VendorError, PausedError):\n            finding = Absent()",
        "tests/chaos/test_lost_answers.py::test_doubt_outlives_failed_look_ups",
    ),
    Mutant(
        "a refused repeat is taken for the first send's refusal",
        _EXECUTOR,
        "            case RejectedError() if work.record.doubted and work.sent:\n",
        "            case RejectedError() if False:\n",
        "tests/conformance/test_faults.py::test_a_refused_repeat_proves_nothing_about_the_first_send",
    ),
    Mutant(
        "an unclear write is retried as if it had not arrived",
        _BASE,
        "self._error(answer, InDoubtError if write else RetryableError)",
        "self._error(answer, RetryableError)",
        "tests/unit/test_vendor_errors.py",
    ),
    Mutant(
        "a write's timeout passes for never sent",
        "workers/vendors/request.py",
        "return self.held_back is not None or (self.status is None and isinstance(self.trouble, _NEVER_SENT))",
        "return self.held_back is not None or self.status is None",
        "tests/unit/test_vendor_errors.py",
    ),
    Mutant(
        "aiohttp sends a request again by itself",
        _BASE,
        "session._retry_connection = False",
        "session._retry_connection = True",
        "tests/unit/test_vendor_requests.py",
    ),
    Mutant(
        "redirects are followed",
        _BASE,
        "allow_redirects=False,",
        "allow_redirects=True,",
        "tests/unit/test_vendor_requests.py::test_the_request_is_sent_as_the_vendor_wants_it",
    ),
    Mutant(
        "202 counts as done",
        _BASE,
        "_DONE: Final = frozenset(range(200, 300)) - {202}",
        "_DONE: Final = frozenset(range(200, 300))",
        "tests/unit/test_vendor_errors.py",
    ),
    Mutant(
        "no intent before the first byte",
        "workers/work.py",
        '        await self.leases.ledger.intent(self.key, self.work.owner, self.work.image.model_dump(mode="json"))\n',
        "",
        "tests/chaos/test_killed_worker.py",
    ),
    Mutant(
        "a lost worker's command is ready although it had the intent",
        _STATE,
        "local in_doubt = state == 'in_doubt' or present(get(key, 'intent_ms'))",
        "local in_doubt = state == 'in_doubt'",
        "tests/integration/test_ledger_time.py",
    ),
    Mutant(
        "a lost worker's settle time begins with its lease's end",
        _STATE,
        "local closed = math.max(now, lease_ended + number(key, 'open_ms'))",
        "local closed = now",
        "tests/integration/test_ledger_time.py",
    ),
    Mutant(
        "no fencing: a step needs no owner",
        _STATE,
        "return states[state] ~= nil and get(key, 'owner') == args.owner",
        "return states[state] ~= nil",
        "tests/integration/test_ledger_steps.py",
    ),
    Mutant(
        "an intent after the lease's end",
        _LEDGER,
        "  if number(key, 'lease_ms') <= now then return refused(key) end\n  redis.call('HSET', cmd(key), 'intent_ms'",
        "  redis.call('HSET', cmd(key), 'intent_ms'",
        "tests/integration/test_ledger_steps.py",
    ),
    Mutant(
        "two workers may claim one command",
        _LEDGER,
        "  if leased > now then return {verdict = 'held_by_other'} end\n",
        "  if leased > now then return {verdict = 'fresh', record = record(key)} end\n",
        "tests/integration/test_ledger_steps.py",
    ),
    Mutant(
        "leases are not renewed",
        "workers/leases.py",
        "            lost = await self.ledger.renew(owners, self.lease_seconds)",
        "            lost = frozenset[str]()",
        "tests/unit/test_background_loops.py",
    ),
    Mutant(
        "a frozen process sends behind its lease",
        "workers/work.py",
        "return self.leases.holds(self.work.owner)",
        "return True",
        "tests/chaos/test_shutdown.py::test_a_worker_that_froze_beyond_its_lease_does_nothing_when_it_goes_on",
    ),
    Mutant(
        "nobody looks whether a write may still leave",
        _BASE,
        "        if sending is not None and not sending.may_leave():\n",
        "        if False:\n",
        "tests/unit/test_vendor_requests.py",
    ),
    Mutant(
        "a known command is admitted again",
        _LEDGER,
        "  elseif redis.call('EXISTS', cmd(c.key)) == 1 then",
        "  elseif false then",
        "tests/integration/test_ledger.py",
    ),
    Mutant(
        "the moment of the event is no part of the key",
        "tasks/commands.py",
        "stock_timestamp: Annotated[TimestampMs, IDENTITY]",
        "stock_timestamp: TimestampMs",
        "tests/unit/test_commands.py",
    ),
    # nothing lost
    Mutant(
        "a lost hint is not published again",
        _LEDGER,
        "  for _, key in ipairs(unclaimed) do",
        "  for _, key in ipairs({}) do",
        "tests/integration/test_ledger_time.py",
    ),
    Mutant(
        "ended leases are not recovered",
        _LEDGER,
        "      recover(key)\n      answer.recovered",
        "      answer.recovered",
        "tests/integration/test_ledger_time.py",
    ),
    Mutant(
        "what is delayed stays delayed",
        _LEDGER,
        "      make_ready(key, '')\n      answer.promoted",
        "      answer.promoted",
        "tests/integration/test_ledger_time.py",
    ),
    Mutant(
        "an applied command does not let its lane go on",
        _LEDGER,
        "  if args.state == 'applied' then\n    leave_lanes(key)\n",
        "  if args.state == 'applied' then\n",
        "tests/integration/test_ledger_orders.py",
    ),
    Mutant(
        "a known outcome is not written when Redis was away",
        "workers/work.py",
        "            if loop.time() + gap > deadline:\n                raise",
        "            if loop.time() + gap > 0:\n                raise",
        "tests/integration/test_outcomes.py",
    ),
    Mutant(
        "a weak Redis is good enough",
        "tasks/redis_client.py",
        '"appendfsync": "always"',
        '"appendonly ": "always"',
        "tests/integration/test_redis_client.py",
    ),
    Mutant(
        "a command that kills its worker is tried for ever",
        _STATE,
        "  if crashes >= args.max_crashes then",
        "  if crashes >= 1000000 then",
        "tests/integration/test_ledger_time.py",
    ),
    # in order
    Mutant(
        "no lanes",
        _LEDGER,
        "    if take_place(c.key) == 0 then make_ready(c.key, '') end\n    answer = {key",
        "    take_place(c.key)\n    make_ready(c.key, '')\n    answer = {key",
        "tests/integration/test_ledger_orders.py",
    ),
    Mutant(
        "a held command lets its lane go on",
        _LEDGER,
        "    if args.state == 'rejected' then leave_lanes(key) end\n",
        "    leave_lanes(key)\n",
        "tests/integration/test_ledger_orders.py",
    ),
    Mutant(
        "children stand at the end of the lane instead of in their parent's place",
        _LEDGER,
        "      if mine[name] then redis.call('LINSERT', lane, 'BEFORE', key, c.key)\n",
        "      if mine[name] then redis.call('RPUSH', lane, c.key)\n",
        "tests/integration/test_ledger_families.py",
    ),
    # never over the limit
    Mutant(
        "a 429 spends an attempt",
        _RETRIES,
        "    return Again(pause_seconds + random.uniform(0, min(pause_seconds, 1.0)), spent=False)",
        "    return Again(pause_seconds + random.uniform(0, min(pause_seconds, 1.0)), spent=True)",
        "tests/unit/test_retries.py",
    ),
    Mutant(
        "a 429 pauses nobody",
        _OUTCOMES,
        "        seconds = await self.pause(error)\n        decision = retries.after_block(",
        "        seconds = 0.0\n        decision = retries.after_block(",
        "tests/integration/test_outcomes.py",
    ),
    Mutant(
        "Retry-After is not heard",
        _BASE,
        'text = headers.get("Retry-After", "").strip()',
        'text = ""',
        "tests/unit/test_vendor_errors.py",
    ),
    Mutant(
        "grants are not counted",
        _LIMITER,
        "  for _, rate in ipairs(call.rates) do rate.tat = math.max(rate.tat, at) + rate.spacing end\n",
        "",
        "tests/integration/test_limiter_rates.py",
    ),
    Mutant(
        "slots are not counted",
        _LIMITER,
        "  if not held and call.taken >= call.policy.concurrency then",
        "  if false then",
        "tests/integration/test_limiter_slots.py",
    ),
    Mutant(
        "a lost request frees its slot at once",
        _BASE,
        "            if working and self._endpoint.settle_seconds:",
        "            if False:",
        "tests/unit/test_vendor_requests.py",
    ),
    Mutant(
        "a stale permit is used",
        "workers/limits.py",
        "return self.clock() - self.granted_at <= self.valid_seconds",
        "return True",
        "tests/unit/test_limits.py",
    ),
    Mutant(
        "many probes after a 429",
        _LIMITER,
        "  if not state.probing or not state.probe or state.probe == id then return false end\n",
        "  if true then return false end\n",
        "tests/integration/test_limiter_pauses.py",
    ),
    Mutant(
        "a pause lets requests through",
        _LIMITER,
        "  local wait, reason = pause_of(call.state)\n  if wait then return {wait, reason, 0} end\n",
        "",
        "tests/integration/test_limiter_pauses.py",
    ),
    Mutant(
        "a request carries a record twice",
        "workers/packing.py",
        "            if sharing:\n                chosen.append(one)\n            continue\n",
        "            if sharing:\n                chosen.append(one)\n                continue\n",
        "tests/unit/test_batching_packing.py",
    ),
    # never silent, and no secret told
    Mutant(
        "evidence is not scrubbed",
        "workers/vendors/request.py",
        "request = self.scrubber.tree(self.call.shown(self.payload))",
        "request = self.call.shown(self.payload)",
        "tests/unit/test_vendor_secrets.py::test_our_key_typed_into_a_comment_is_in_no_evidence_of_what_was_sent",
    ),
    Mutant(
        "an impossible change of state is made",
        _STATE,
        "  if not (NEXT[from] and NEXT[from][to]) then return false end\n",
        "",
        "tests/integration/test_ledger_people.py",
    ),
    Mutant(
        "someone else's change is overwritten",
        "tasks/absolute.py",
        "return Absent() if record.fields == target.image.fields else Undecidable(Why.CHANGED, (record,))",
        "return Absent()",
        "tests/conformance/test_meanwhile.py",
    ),
    Mutant(
        "events do not tell what became of a command",
        _STATE,
        "  announce(key, get(key, 'kind'), to, reason)\n  return true",
        "  return true",
        "tests/integration/test_ledger_events.py",
    ),
    # what the producers keep
    Mutant(
        "the outbox does not wait for the disk",
        "producers/outbox_file.py",
        'database.execute("PRAGMA synchronous = FULL")',
        'database.execute("PRAGMA synchronous = OFF")',
        "tests/unit/test_outbox_file.py",
    ),
)
