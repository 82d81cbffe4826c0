"""An assembly that the vendor refuses: because of its parent, of what hangs below it, or of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tasks.errors import Exchange, InDoubtError, RejectedError, RetryableError, VendorBlockedError
from tests.unit.batching_harness import LOST, Bench, Reply, Request, Sender, bench, ids_of, outcomes

__all__ = ["bench"]


@dataclass
class Hierarchy:
    """Assemblies by the document's rules: a parent must be there before, and nothing below at the end."""

    above: dict[str, str] = field(default_factory=dict)
    #: Refused whatever else is right.
    bad: set[str] = field(default_factory=set)
    #: What happens behind the next refusal, before anything else is asked.
    behind_refusal: Any = None
    reads: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        if request.path.endswith("/select"):
            self.reads.append("select")
            return Reply(body=[self._shown(one) for one in request.body["ass_ids"] if one in self.above])
        if request.path.endswith("/list"):
            self.reads.append("list")
            below = [one for one, above in self.above.items() if above in request.body["query"]["parent_ids"]]
            return Reply(body={"result": [self._shown(one) for one in below], "more_data": False})
        reply = self._delete(request) if request.method == "DELETE" else self._upsert(request)
        if reply.body["errors"] and self.behind_refusal is not None:
            self.behind_refusal()
            self.behind_refusal = None
        return reply

    def _shown(self, ass_id: str) -> dict[str, Any]:
        return {"ass_id": ass_id, "parent_id": self.above[ass_id], "name": {"en": "x"}}

    def _upsert(self, request: Request) -> Reply:
        created, errors = [], {}
        for item in request.body:
            if item["ass_id"] in self.bad or (item["parent_id"] and item["parent_id"] not in self.above):
                errors[item["ass_id"]] = "not possible"
            else:
                self.above[item["ass_id"]] = item["parent_id"]
                created.append(item["ass_id"])
        return Reply(body={"created": created, "updated": [], "errors": errors})

    def _delete(self, request: Request) -> Reply:
        deleted, errors = [], {}
        for ass_id in request.body:
            if ass_id in self.bad or ass_id in self.above.values() or ass_id not in self.above:
                errors[ass_id] = "not possible"
            else:
                del self.above[ass_id]
                deleted.append(ass_id)
        return Reply(body={"deleted": deleted, "errors": errors})


@pytest.fixture
def hierarchy(bench: Bench) -> Hierarchy:
    bench.limiter.open = True
    made = Hierarchy()
    bench.session.answer = made
    return made


# writing


async def test_a_whole_tree_is_written_in_one_request(bench: Bench, hierarchy: Hierarchy) -> None:
    found = await outcomes(
        [
            bench.upsert_assembly("leaf", "branch"),
            bench.upsert_assembly("branch", "root"),
            bench.upsert_assembly("root"),
        ]
    )

    assert all(isinstance(one, Exchange) for one in found)
    assert bench.session.writes == [["root", "branch", "leaf"]]
    assert hierarchy.reads == []


async def test_a_child_whose_parent_is_not_there_may_be_sent_again_later(bench: Bench, hierarchy: Hierarchy) -> None:
    (found,) = await outcomes([bench.upsert_assembly("child", "parent")])

    assert type(found) is RetryableError
    assert str(found) == "parent_id: there is no assembly parent yet"
    assert not found.unreachable
    assert found.exchange is not None
    assert found.exchange.answer == {"errors": {"child": "not possible"}}
    assert hierarchy.reads == ["select"]
    assert len(bench.session.writes) == 1


async def test_a_child_that_is_refused_although_its_parent_is_there_is_refused(
    bench: Bench, hierarchy: Hierarchy
) -> None:
    hierarchy.above["parent"] = ""
    hierarchy.bad.add("child")
    sender = Sender()

    (found,) = await outcomes([bench.upsert_assembly("child", "parent", sender)])

    assert type(found) is RejectedError
    assert found.code == "refused"
    assert sender.permits == 1


async def test_a_parent_that_came_behind_the_refusal_does_not_bury_its_child(
    bench: Bench, hierarchy: Hierarchy
) -> None:
    """Parent and child travel in two requests at once: the read behind the refusal already shows the parent."""
    hierarchy.behind_refusal = lambda: hierarchy.above.update(parent="")
    sender = Sender()

    (found,) = await outcomes([bench.upsert_assembly("child", "parent", sender)])

    assert isinstance(found, Exchange)
    assert bench.session.writes == [["child"], ["child"]]
    assert sender.permits == 1


async def test_a_root_that_is_refused_is_refused_without_a_read(bench: Bench, hierarchy: Hierarchy) -> None:
    hierarchy.bad.add("root")

    (found,) = await outcomes([bench.upsert_assembly("root")])

    assert type(found) is RejectedError
    assert hierarchy.reads == []


async def test_a_request_that_was_refused_whole_says_nothing_about_the_parent(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(400, {})

    (found,) = await outcomes([bench.upsert_assembly("child", "parent")])

    assert type(found) is RejectedError
    assert found.code == "invalid"
    assert len(bench.session.sent) == 1


async def test_many_children_of_a_missing_parent_ask_for_it_once(bench: Bench, hierarchy: Hierarchy) -> None:
    found = await outcomes([bench.upsert_assembly(f"child{number}", "parent") for number in range(50)])

    assert {type(one) for one in found} == {RetryableError}
    assert hierarchy.reads == ["select"]


async def test_two_that_hang_below_each_other_are_refused_and_nothing_hangs(bench: Bench, hierarchy: Hierarchy) -> None:
    found = await outcomes([bench.upsert_assembly("a", "b"), bench.upsert_assembly("b", "a")])

    assert [type(one) for one in found] == [RetryableError] * 2
    assert hierarchy.above == {}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [(LOST, RetryableError), (Reply(429, {}), VendorBlockedError), (Reply(503, {}), VendorBlockedError)],
)
async def test_a_refusal_that_cannot_be_explained_now_is_no_refusal_yet(
    bench: Bench, hierarchy: Hierarchy, reply: Reply, outcome: type[Exception]
) -> None:
    """The write was refused, so sending it again later is safe whatever the read comes to."""
    bench.session.answer = lambda request: reply if request.path.endswith("/select") else hierarchy(request)

    (found,) = await outcomes([bench.upsert_assembly("child", "parent")])

    assert type(found) is outcome


# deleting


async def test_a_whole_tree_is_deleted_in_one_request(bench: Bench, hierarchy: Hierarchy) -> None:
    hierarchy.above = {"root": "", "branch": "root", "leaf": "branch"}

    found = await outcomes([bench.delete_assembly(*one) for one in list(hierarchy.above.items())])

    assert all(isinstance(one, Exchange) for one in found)
    assert hierarchy.above == {}
    assert hierarchy.reads == []


async def test_an_assembly_with_others_below_may_be_deleted_later(bench: Bench, hierarchy: Hierarchy) -> None:
    hierarchy.above = {"root": "", "branch": "root"}

    (found,) = await outcomes([bench.delete_assembly("root")])

    assert type(found) is RetryableError
    assert str(found) == "ass_id: there are still assemblies below root"
    assert sorted(hierarchy.reads) == ["list", "select"]


async def test_an_assembly_that_is_refused_with_nothing_below_is_refused(bench: Bench, hierarchy: Hierarchy) -> None:
    hierarchy.above = {"root": ""}
    hierarchy.bad.add("root")
    sender = Sender()

    (found,) = await outcomes([bench.delete_assembly("root", "", sender)])

    assert type(found) is RejectedError
    assert sender.permits == 1


async def test_what_went_from_below_behind_the_refusal_is_no_reason_any_more(
    bench: Bench, hierarchy: Hierarchy
) -> None:
    hierarchy.above = {"root": "", "branch": "root"}
    hierarchy.behind_refusal = lambda: hierarchy.above.pop("branch")

    (found,) = await outcomes([bench.delete_assembly("root")])

    assert isinstance(found, Exchange)
    assert hierarchy.above == {}


async def test_an_assembly_that_is_refused_and_gone_is_in_doubt(bench: Bench, hierarchy: Hierarchy) -> None:
    (found,) = await outcomes([bench.delete_assembly("gone")])

    assert type(found) is InDoubtError
    assert ids_of(bench.session.sent[0]) == ["gone"]
    assert hierarchy.reads == ["select"]


async def test_a_delete_that_was_refused_whole_says_nothing_about_what_hangs_below(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(400, {})

    (found,) = await outcomes([bench.delete_assembly("root")])

    assert type(found) is RejectedError
    assert found.code == "invalid"
    assert len(bench.session.sent) == 1
