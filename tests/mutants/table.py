"""The breakages. Each takes back one thing that the promise rests on; its test is the one that says so."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.twice import NEVER_TWICE

_RETRIES: Final = "workers/retries.py"
_OUTCOMES: Final = "workers/outcomes.py"
_STATE: Final = "tasks/ledger_state.lua"
_LEDGER: Final = "tasks/ledger.lua"
_DESK: Final = "tasks/ledger_desk.lua"
_LIMITER: Final = "workers/limiter.lua"
_BASE: Final = "workers/vendors/base.py"

MUTANTS: Final = (
    *NEVER_TWICE,
    # nothing lost
    Mutant(
        "a lost hint is not published again",
        _LEDGER,
        "  for _, key in ipairs(unclaimed) do",
        "  for _, key in ipairs({}) do",
        "tests/integration/test_ledger_time.py::test_a_lost_hint_is_published_again",
    ),
    Mutant(
        "nobody waits for replicas",
        "tasks/script_calls.py",
        "        if not replicas:\n",
        "        if True:\n",
        "tests/integration/test_replicas.py::test_what_no_replica_has_is_not_acknowledged_and_asked_again_it_is",
    ),
    Mutant(
        "what was only read is acknowledged without replicas",
        "tasks/script_calls.py",
        '        pipeline.set(REPLICAS_KEY, "")\n',
        "        pipeline.get(REPLICAS_KEY)\n",
        "tests/integration/test_replicas.py::test_what_another_connection_has_written_is_not_acknowledged_as_known_either",
    ),
    Mutant(
        "replicas are not waited for when the server takes no writes",
        "tasks/script_calls.py",
        "    for said in (noted, had):\n",
        "    for said in (had,):\n",
        "tests/integration/test_replicas.py::"
        "test_what_is_known_is_not_acknowledged_by_a_server_that_takes_no_writes_any_more",
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
        "enter_behind(prefix .. 'lane:' .. name, c.key, place) end\n  end\n",
        "redis.call('RPUSH', prefix .. 'lane:' .. name, c.key) end\n  end\n",
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
        "tests/integration/test_outcomes.py::test_a_vendor_that_is_away_costs_no_command_an_attempt",
    ),
    Mutant(
        "a vendor that one process does not reach is paused for all",
        "workers/reach.py",
        "before is not None and others_applied <= before",
        "True",
        "tests/integration/test_outcomes.py::"
        "test_a_vendor_that_nobody_reaches_is_paused_and_one_that_others_reach_is_not",
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
