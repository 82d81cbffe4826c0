"""The breakages by which a write would go out twice on purpose."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_EXECUTOR: Final = "workers/executor.py"
_RETRIES: Final = "workers/retries.py"
_STATE: Final = "tasks/ledger_state.lua"
_LEDGER: Final = "tasks/ledger.lua"
_BASE: Final = "workers/vendors/base.py"

NEVER_TWICE: Final = (
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
        "            await self.leases.ledger.intent(self.key, self.work.owner, self._image())\n",
        "            pass\n",
        "tests/integration/test_executor_guards.py::test_the_intent_is_in_the_ledger_when_the_first_byte_leaves",
    ),
    Mutant(
        "an intent without the permit that it was asked for with",
        _LEDGER,
        "    if grant and string.sub(found, 1, #grant[3]) ~= grant[3] then return {attempts = 0} end\n",
        "",
        "tests/integration/test_intents_ahead.py::test_another_ones_grant_of_the_slot_is_none",
    ),
    Mutant(
        "an attempt of what was not sent stays counted",
        _LEDGER,
        "    else\n      if present(get(key, 'intent_ms')) then add(key, 'attempts', -1) end\n",
        "    else\n",
        "tests/integration/test_intents_ahead.py::test_who_ends_between_the_grant_and_the_write_hands_back_and_the_attempt_with_it",
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
)
