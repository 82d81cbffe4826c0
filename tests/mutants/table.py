"""The breakages. Each takes back one thing that the promise rests on; its test is the one that says so."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_EXECUTOR: Final = "workers/executor.py"
_RETRIES: Final = "workers/retries.py"
_OUTCOMES: Final = "workers/outcomes.py"
_STATE: Final = "tasks/ledger_state.lua"
_LEDGER: Final = "tasks/ledger.lua"
_DESK: Final = "tasks/ledger_desk.lua"
_LIMITER: Final = "workers/limiter.lua"
_BASE: Final = "workers/vendors/base.py"

MUTANTS: Final = (
    # never twice on purpose
    Mutant(
        "no look before a resend",
        _EXECUTOR,
        "        if work.in_doubt:\n            return await self._look(work)\n        expansion",
        "        expansion",
        "tests/integration/test_executor_guards.py::test_a_doubtful_command_is_looked_up_and_not_tried_again",
    ),
    Mutant(
        "no wait for the settle time",
        _RETRIES,
        "case _ if elapsed_seconds < settle_seconds:",
        "case _ if elapsed_seconds < 0:",
        "tests/unit/test_retries.py::test_nothing_but_a_find_ends_doubt_before_the_settle_time",
    ),
    Mutant(
        "the marker is not looked for",
        "tasks/lookup.py",
        "if key in markers_in(entry.comments))",
        'if key == "")',
        "tests/unit/test_lookup.py::test_a_whole_marked_effect_has_landed",
    ),
    Mutant(
        "an unmarked entry like ours is taken for nobody's",
        "tasks/lookup.py",
        "return Undecidable(Why.UNMARKED, unmarked) if unmarked else Absent()",
        "return Absent()",
        "tests/unit/test_lookup.py::test_an_entry_like_ours_without_a_marker_is_for_a_person",
    ),
    Mutant(
        "a marker that is there twice counts as once",
        "tasks/lookup.py",
        "        return Undecidable(Why.DOUBLE, marked)\n",
        "        return Landed(marked)\n",
        "tests/unit/test_lookup.py::test_a_marker_that_does_not_prove_the_whole_is_for_a_person",
    ),
    Mutant(
        "half a move counts as a move",
        "tasks/lookup.py",
        "if all(total == leg.quantity for total, leg in zip(sums, legs, strict=True)):",
        "if any(total == leg.quantity for total, leg in zip(sums, legs, strict=True)):",
        "tests/unit/test_lookup.py::test_a_marker_that_does_not_prove_the_whole_is_for_a_person",
    ),
    Mutant(
        "no marker in the comment",
        "tasks/identity.py",
        'return f"{comments} {marker_of(key)}".lstrip()',
        "return comments",
        "tests/unit/test_partsbox_requests.py::test_a_plain_addition_sends_the_required_fields_only",
    ),
    Mutant(
        "an undecidable look-up sends again",
        _RETRIES,
        "        case Absent() | Undecidable(Why.INCOMPLETE) if may_send:",
        "        case Absent() | Undecidable() if may_send:",
        "tests/unit/test_retries.py::test_what_cannot_be_decided_is_held_and_never_sent",
    ),
    Mutant(
        "a confirmed write that does not show is sent again",
        _RETRIES,
        "may_send = refusal is None and not confirmed and attempts",
        "may_send = refusal is None and attempts",
        "tests/integration/test_executor_guards.py::test_a_confirmed_write_that_the_vendor_never_shows_is_held_and_never_sent_again",
    ),
    Mutant(
        "the vendor's yes is forgotten while its reads are behind",
        _LEDGER,
        "if args.confirmed then",
        "if args.never then",
        "tests/integration/test_executor_guards.py::test_a_confirmed_write_that_the_vendor_never_shows_is_held_and_never_sent_again",
    ),
    Mutant(
        "a failed look-up counts as absent",
        _EXECUTOR,
        "        except (VendorError, PausedError) as error:\n"
        "            return await self.outcomes.look_failed(work, error)",
        "        except (VendorError, PausedError):\n            finding = Absent()",
        "tests/integration/test_executor_guards.py::test_a_look_up_without_an_answer_ends_no_doubt",
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
        "tests/unit/test_vendor_errors.py::test_an_unclear_status_leaves_a_write_in_doubt_and_a_ghost",
    ),
    Mutant(
        "a write's timeout passes for never sent",
        "workers/vendors/request.py",
        "return self.status is None and isinstance(self.trouble, _NEVER_SENT)",
        "return self.status is None",
        "tests/unit/test_vendor_errors.py::test_any_other_trouble_may_have_come_after_the_first_byte",
    ),
    Mutant(
        "aiohttp sends a request again by itself",
        _BASE,
        "session._retry_connection = False",
        "session._retry_connection = True",
        "tests/unit/test_vendor_requests.py::test_the_request_is_sent_as_the_vendor_wants_it",
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
        "tests/unit/test_vendor_errors.py::test_an_unclear_status_leaves_a_write_in_doubt_and_a_ghost",
    ),
    Mutant(
        "no intent before the first byte",
        "workers/work.py",
        '        await self.leases.ledger.intent(self.key, self.work.owner, self.work.image.model_dump(mode="json"))\n',
        "",
        "tests/integration/test_executor_guards.py::test_the_intent_is_in_the_ledger_when_the_first_byte_leaves",
    ),
    Mutant(
        "a lost worker's command is ready although it had the intent",
        _LEDGER,
        "local in_doubt = state == 'in_doubt' or present(get(key, 'intent_ms'))",
        "local in_doubt = state == 'in_doubt'",
        "tests/integration/test_ledger_time.py::test_a_worker_lost_after_the_intent_leaves_doubt",
    ),
    Mutant(
        "a lost worker's settle time begins with its lease's end",
        _LEDGER,
        "local closed = math.max(now, lease_ended + number(key, 'open_ms'))",
        "local closed = now",
        "tests/integration/test_outcomes.py::test_the_settle_time_of_a_lost_worker_begins_when_its_request_is_surely_closed",
    ),
    Mutant(
        "no fencing: a step needs no owner",
        _STATE,
        "return states[state] ~= nil and get(key, 'owner') == args.owner",
        "return states[state] ~= nil",
        "tests/integration/test_ledger_steps.py::test_the_old_owner_is_refused_once_another_recovered_the_command",
    ),
    Mutant(
        "an intent after the lease's end",
        _LEDGER,
        "    if number(key, 'lease_ms') <= now then return refused(key) end\n    local attempts",
        "    local attempts",
        "tests/integration/test_ledger_steps.py::test_no_intent_is_written_after_the_lease_ended",
    ),
    Mutant(
        "two workers may claim one command",
        _LEDGER,
        "  if leased > now then return {verdict = 'held_by_other'} end\n",
        "  if leased > now then return {verdict = 'fresh', record = record(key)} end\n",
        "tests/integration/test_ledger.py::test_of_many_claims_at_once_one_wins",
    ),
    Mutant(
        "leases are not renewed",
        "workers/leases.py",
        "            lost = await self.ledger.renew(owners, self.lease_seconds)",
        "            lost = frozenset[str]()",
        "tests/unit/test_background_loops.py::test_a_lease_that_redis_has_given_away_is_not_prolonged",
    ),
    Mutant(
        "a frozen process sends behind its lease",
        "workers/work.py",
        "return self.leases.holds(self.work.owner)",
        "return True",
        "tests/integration/test_executor_guards.py::test_nothing_leaves_a_process_whose_lease_may_have_ended",
    ),
    Mutant(
        "nobody looks whether a write may still leave",
        _BASE,
        "        if sending is not None and not sending.may_leave():\n",
        "        if False:\n",
        "tests/unit/test_vendor_requests.py::test_a_write_that_may_not_leave_any_more_sends_no_byte_and_is_no_doubt",
    ),
    Mutant(
        "a known command is admitted again",
        _LEDGER,
        "    elseif whole(c.key).found then",
        "    elseif false then",
        "tests/integration/test_ledger.py::test_the_same_command_five_times_is_one",
    ),
    Mutant(
        "the moment of the event is no part of the key",
        "tasks/commands.py",
        "stock_timestamp: Annotated[TimestampMs, IDENTITY]",
        "stock_timestamp: TimestampMs",
        "tests/unit/test_commands.py::test_the_identity_of_a_command_is_these_fields",
    ),
    # nothing lost
    Mutant(
        "a lost hint is not published again",
        _LEDGER,
        "  for _, key in ipairs(unclaimed) do",
        "  for _, key in ipairs({}) do",
        "tests/integration/test_ledger_time.py::test_a_lost_hint_is_published_again",
    ),
    Mutant(
        "ended leases are not recovered",
        _LEDGER,
        "        recover(key)\n        answer.recovered",
        "        answer.recovered",
        "tests/integration/test_ledger_time.py::test_a_worker_lost_before_it_sent_makes_the_command_ready_again",
    ),
    Mutant(
        "what is delayed stays delayed",
        _LEDGER,
        "        make_ready(key, '')\n        answer.promoted",
        "        answer.promoted",
        "tests/integration/test_ledger_time.py::test_what_is_due_becomes_ready_and_the_rest_stays",
    ),
    Mutant(
        "an applied command does not let its lane go on",
        _LEDGER,
        "    if args.state == 'applied' then\n      leave_lanes(key)\n",
        "    if args.state == 'applied' then\n",
        "tests/integration/test_ledger.py::test_one_lane_runs_one_at_a_time_in_the_order_accepted",
    ),
    Mutant(
        "a known outcome is not written when Redis was away",
        "workers/work.py",
        "            if loop.time() + gap > deadline:\n                raise",
        "            if loop.time() + gap > 0:\n                raise",
        "tests/integration/test_executor_guards.py::test_a_known_outcome_is_written_when_redis_is_back",
    ),
    Mutant(
        "a weak Redis is good enough",
        "tasks/redis_client.py",
        '"appendfsync": "always"',
        '"appendonly ": "always"',
        "tests/acceptance/test_worker_start.py::test_a_weak_redis_ends_a_worker_in_one_line_that_tells_how_to_allow_it",
    ),
    Mutant(
        "a command that kills its worker is tried for ever",
        _LEDGER,
        "  if crashes >= args.max_crashes then",
        "  if crashes >= 1000000 then",
        "tests/integration/test_ledger_time.py::test_a_command_that_kills_its_workers_is_held_and_keeps_its_lane",
    ),
    # in order
    Mutant(
        "no lanes",
        _LEDGER,
        "      if blocked == 0 then make_ready(c.key, '') end\n",
        "      make_ready(c.key, '')\n",
        "tests/integration/test_ledger.py::test_one_lane_runs_one_at_a_time_in_the_order_accepted",
    ),
    Mutant(
        "a held command lets its lane go on",
        _LEDGER,
        "      if args.state == 'rejected' then leave_lanes(key) end\n",
        "      leave_lanes(key)\n",
        "tests/integration/test_ledger.py::test_a_held_command_blocks_its_own_lane_only",
    ),
    Mutant(
        "children stand at the end of the lane instead of in their parent's place",
        _DESK,
        "      if mine[name] then redis.call('LINSERT', lane, 'BEFORE', key, c.key)\n",
        "      if mine[name] then redis.call('RPUSH', lane, c.key)\n",
        "tests/integration/test_ledger_orders.py::test_children_stand_in_their_parents_place",
    ),
    # never over the limit
    Mutant(
        "a 429 spends an attempt",
        _RETRIES,
        "    return Again(pause_seconds + random.uniform(0, min(pause_seconds, 1.0)), spent=False)",
        "    return Again(pause_seconds + random.uniform(0, min(pause_seconds, 1.0)), spent=True)",
        "tests/unit/test_retries.py::test_a_block_waits_as_long_as_the_vendor_said_and_spends_nothing",
    ),
    Mutant(
        "a 429 pauses nobody",
        _OUTCOMES,
        "        seconds = await self.pause(error)\n        decision = retries.after_block(",
        "        seconds = 0.0\n        decision = retries.after_block(",
        "tests/integration/test_outcomes.py::test_a_vendor_that_is_away_pauses_and_costs_no_command_an_attempt",
    ),
    Mutant(
        "Retry-After is not heard",
        _BASE,
        'text = headers.get("Retry-After", "").strip()',
        'text = ""',
        "tests/unit/test_vendor_errors.py::test_a_503_slows_everything_down_and_its_retry_after_is_passed_on",
    ),
    Mutant(
        "grants are not counted",
        _LIMITER,
        "  for _, rate in ipairs(call.rates) do rate.tat = math.max(rate.tat, at) + rate.spacing end\n",
        "",
        "tests/integration/test_limiter_rates.py::test_two_processes_together_never_exceed_the_rate_in_any_window",
    ),
    Mutant(
        "slots are not counted",
        _LIMITER,
        "  if not held and call.taken >= call.policy.concurrency then",
        "  if false then",
        "tests/integration/test_limiter_slots.py::test_two_processes_together_never_take_more_slots_than_allowed",
    ),
    Mutant(
        "a lost request frees its slot at once",
        _BASE,
        "ghost_seconds = self._endpoint.settle_seconds if working else 0.0",
        "ghost_seconds = 0.0",
        "tests/unit/test_vendor_requests.py::test_a_cancelled_request_leaves_a_ghost",
    ),
    Mutant(
        "a stale permit is used",
        "workers/limits.py",
        "return self.clock() - self.granted_at <= self.valid_seconds",
        "return True",
        "tests/unit/test_limits.py::test_a_permit_is_fresh_until_its_time_is_over",
    ),
    Mutant(
        "many probes after a 429",
        _LIMITER,
        "  if not state.probing or not state.probe or state.probe == id then return false end\n",
        "  if true then return false end\n",
        "tests/integration/test_limiter_pauses.py::test_after_a_429_requests_go_one_at_a_time_until_one_is_accepted",
    ),
    Mutant(
        "a pause lets requests through",
        _LIMITER,
        "  local wait, reason = pause_of(call.state)\n  if wait then return {wait, reason, 0} end\n",
        "",
        "tests/integration/test_limiter_pauses.py::test_a_pause_stops_every_process_and_never_shortens_a_longer_one",
    ),
    Mutant(
        "a request carries a record twice",
        "workers/packing.py",
        "            if sharing:\n                chosen.append(one)\n            continue\n",
        "            if sharing:\n                chosen.append(one)\n                continue\n",
        "tests/unit/test_batching_packing.py::test_a_record_that_is_in_a_request_waits_for_the_next_one_with_its_second_write",
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
        "  if not (NEXT[from] and string.find(NEXT[from], ' ' .. to .. ' ', 1, true)) then return false end\n",
        "",
        "tests/integration/test_ledger_steps.py::test_a_person_cannot_do_what_the_state_forbids",
    ),
    Mutant(
        "someone else's change is overwritten",
        "tasks/absolute.py",
        "return Absent() if record.fields == target.image.fields else Undecidable(Why.CHANGED, (record,))",
        "return Absent()",
        "tests/conformance/test_meanwhile.py::test_a_value_that_someone_else_changed_is_held_or_the_whole_record_written_again",
    ),
    Mutant(
        "events do not tell what became of a command",
        _STATE,
        "  announce(key, to, reason)\n  count(from, -1)",
        "  count(from, -1)",
        "tests/integration/test_ledger.py::test_the_events_tell_the_whole_life_in_order",
    ),
    # what the producers keep
    Mutant(
        "the outbox does not wait for the disk",
        "producers/outbox_file.py",
        'database.execute("PRAGMA synchronous = FULL")',
        'database.execute("PRAGMA synchronous = OFF")',
        "tests/unit/test_outbox_file.py::test_every_commit_is_synced_to_the_disk_however_sqlite_was_built",
    ),
)
