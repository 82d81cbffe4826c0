"""Plans: written down and read back, drawn from a seed, and never beyond the stated assumption."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.registry import submittable_kinds
from tests.sandbox import openbom, partbolt, partium, partsbox
from tests.simulation import faults, warehouse
from tests.simulation.examine import LEAST_PLANNED, sort_of
from tests.simulation.expect import expected
from tests.simulation.generate import generate
from tests.simulation.kinds import KINDS
from tests.simulation.plan import TROUBLES, Plan, Submit, Trouble
from tests.simulation.run import DEFAULT_SEEDS
from workers.vendor_settings import VENDOR_SETTINGS

SANDBOXES = {
    warehouse.PARTSBOX: partsbox.PartsBoxSandbox,
    warehouse.PARTIUM: partium.PartiumSandbox,
    warehouse.OPENBOM: openbom.OpenBomSandbox,
    warehouse.PARTBOLT: partbolt.PartBoltSandbox,
}
PLANS = [generate(seed) for seed in range(150)]


def test_a_plan_is_read_back_as_it_was_written() -> None:
    assert [Plan.from_json(plan.to_json()) for plan in PLANS] == PLANS


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        pytest.param(Trouble(0, "earthquake", {}), "no trouble 'earthquake'", id="unknown"),
        pytest.param(Trouble(0, "kill", {"process": 0}), "kill lacks after_steps", id="option missing"),
    ],
)
def test_a_trouble_that_cannot_be_played_is_refused(trouble: Trouble, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan.from_json(Plan(1, 1, (trouble,)).to_json())


def test_equal_seeds_give_equal_plans_and_others_give_others() -> None:
    assert [generate(seed) for seed in range(20)] == PLANS[:20]
    assert len({plan.to_json() for plan in PLANS}) == len(PLANS)


def test_plans_hold_every_kind_that_can_be_submitted_and_every_trouble() -> None:
    assert {submit.kind for plan in PLANS for submit in plan.submits} == set(submittable_kinds())
    assert {trouble.what for plan in PLANS for trouble in plan.troubles} == set(TROUBLES)


def test_the_default_seeds_plan_every_trouble_and_fault_so_often_that_it_must_come_about() -> None:
    wanted = faults.BY_SORT.keys() | (TROUBLES.keys() - {"vendor_fault"})
    planned = Counter(sort_of(trouble) for seed in range(DEFAULT_SEEDS) for trouble in generate(seed).troubles)
    assert {sort: planned[sort] for sort in wanted if planned[sort] < LEAST_PLANNED} == {}


def test_every_fault_of_the_table_can_be_set_at_its_vendor() -> None:
    writes = {vendor: {kind.operation for kind in KINDS.values() if kind.vendor == vendor} for vendor in SANDBOXES}
    for fault in faults.ALL:
        for vendor in fault.vendors:
            hit = {operation for write in writes[vendor] for operation in fault.operations(vendor, write)}
            assert hit, f"{fault.kind} can hit nothing at {vendor}"
            for operation in hit:
                SANDBOXES[vendor]().faults.add(fault.kind, operation, **fault.options)


def test_no_plan_breaks_the_assumption_that_the_promise_rests_on() -> None:
    settle_seconds = min(model.model_fields["settle_seconds"].default for model in VENDOR_SETTINGS.values())
    for plan in PLANS:
        latest: dict[str, Counter[str]] = {}
        for options in (trouble.options for trouble in plan.troubles if trouble.what == "vendor_fault"):
            by_sort = latest.setdefault(options["vendor"], Counter())
            by_sort[options["kind"]] = max(by_sort[options["kind"]], options.get("delay_seconds", 0.0))
        assert all(sum(by_sort.values()) < settle_seconds for by_sort in latest.values()), plan.seed
        assert all(trouble.options["step_ms"] < 0 for trouble in plan.troubles if trouble.what == "store_clock")


def test_two_commands_of_a_plan_can_be_told_apart_at_the_vendor() -> None:
    for plan in PLANS:
        known = Counter((each.vendor, each.subject, each.fingerprint) for each in expected(plan, {}))
        assert {name for name, count in known.items() if count > 1 and name[2]} == set()


def test_an_event_that_is_submitted_again_is_expected_once() -> None:
    fields = {"part_id": warehouse.part_id("bolt"), "storage_id": warehouse.storage_id("line-1"), "quantity": 3}
    first, again = (Submit(at_ms, "partsbox", "stock.add", fields, "ST-01", 5) for at_ms in (5, 900))
    (only,) = expected(Plan(1, 1, (first, again)), {})
    assert (only.kind, only.legs) == ("stock.add", ((fields["storage_id"], 3),))


def test_what_a_command_becomes_is_expected_too() -> None:
    order = Submit(
        5,
        "partsbox",
        "order.receive",
        {"order_id": warehouse.partsbox_id("order", "SO-1"), "storage_id": warehouse.storage_id("line-1")},
        "ST-01",
        5,
    )
    parent, *lines = expected(Plan(1, 1, (order,)), {})
    assert [line.parent for line in lines] == [parent.key, parent.key]
    assert [line.legs[0][1] for line in lines] == [pieces for _, pieces in warehouse.ORDERED]
