"""Catalog tasks: when something is read, what counts as equal, and what proves that a command landed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.catalog import UpsertPart
from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Image, Landed, Proof
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.task import Target
from tests.unit.batching_harness import Sender

if TYPE_CHECKING:
    from tasks.commands import Command

NOW_MS = 1_700_000_000_000
PART: dict[str, Any] = {
    "stock_timestamp": NOW_MS,
    "part_id": "a",
    "name": {"en": "Screw", "de": "Schraube"},
    "attributes": [
        {"attribute_id": "w", "values": [{"value": {"en": "5"}}, {"organization": "o", "value": {"en": "6"}}]},
        {"attribute_id": "c", "values": [{"value": {"en": "red", "de": "rot"}}]},
    ],
}
FIELDS: dict[str, Any] = {
    "name": {"de": "Schraube", "en": "Screw"},
    "attributes": [
        {"attribute_id": "c", "values": [{"organization": "", "value": {"de": "rot", "en": "red"}}]},
        {
            "attribute_id": "w",
            "values": [{"organization": "o", "value": {"en": "6"}}, {"organization": "", "value": {"en": "5"}}],
        },
    ],
}
ASSEMBLY: dict[str, Any] = {"stock_timestamp": NOW_MS, "ass_id": "a", "parent_id": "p", "name": {"en": "Engine"}}
COMMANDS = {
    "catalog.upsert_part": PART,
    "catalog.delete_part": {"stock_timestamp": NOW_MS, "part_id": "a"},
    "catalog.upsert_assembly": ASSEMBLY,
    "catalog.delete_assembly": {"stock_timestamp": NOW_MS, "ass_id": "a"},
}
UPSERTS = ["catalog.upsert_part", "catalog.upsert_assembly"]
DELETES = ["catalog.delete_part", "catalog.delete_assembly"]


@dataclass
class Port:
    """A catalog with at most one record; notes what it is asked."""

    record: Record | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def part(self, part_id: str) -> Record | None:
        self.asked.append(("part", part_id))
        return self.record

    async def assembly(self, ass_id: str) -> Record | None:
        self.asked.append(("assembly", ass_id))
        return self.record

    async def upsert_part(self, command: Any, sending: Any) -> Exchange:
        return self._sent("upsert_part", command, sending)

    async def delete_part(self, command: Any, sending: Any) -> Exchange:
        return self._sent("delete_part", command, sending)

    async def upsert_assembly(self, command: Any, sending: Any) -> Exchange:
        return self._sent("upsert_assembly", command, sending)

    async def delete_assembly(self, command: Any, parent_id: str, sending: Any) -> Exchange:
        return self._sent("delete_assembly", command, parent_id, sending)

    def _sent(self, *asked: Any) -> Exchange:
        self.asked.append(asked)
        return Exchange(asked[0])


def given_command(kind: str) -> tuple[Any, Command]:
    return task_of(kind), parse_command(kind, COMMANDS[kind])


def target(port: Port, **changes: Any) -> Target[Any]:
    return Target(port, "k" * 20, **changes)


def part(**changes: Any) -> Record:
    return Record("part", "a", FIELDS | changes)


def assembly(**changes: Any) -> Record:
    return Record("assembly", "a", {"parent_id": "p", "name": {"en": "Engine"}} | changes)


# writing


@pytest.mark.parametrize("kind", UPSERTS)
@pytest.mark.parametrize("doubted", [False, True])
async def test_a_whole_upsert_is_sent_without_a_read(kind: str, doubted: bool) -> None:  # noqa: FBT001  a case
    port, sender = Port(), Sender()
    task, command = given_command(kind)

    before = await task.before(command, target(port, doubted=doubted))
    exchange = await task.send(command, target(port), sender)

    assert (before.image, before.finding) == (Image(), Absent())
    assert port.asked == [(kind.removeprefix("catalog."), command, sender)]
    assert exchange.operation == kind.removeprefix("catalog.")


@pytest.mark.parametrize("kind", [*UPSERTS, *DELETES])
async def test_a_confirmed_write_is_proved_by_its_answer_without_a_read(kind: str) -> None:
    port = Port()
    task, command = given_command(kind)

    finding = await task.proof(command, target(port))

    noun = "part" if kind.endswith("part") else "assembly"
    assert finding == Landed((Record(noun, "a"),), Proof.ANSWER)
    assert finding.entries[0].identity() == {f"{noun}_id": "a"}
    assert port.asked == []


@pytest.mark.parametrize(("kind", "record"), [("catalog.upsert_part", part()), ("catalog.upsert_assembly", assembly())])
async def test_a_lost_upsert_is_found_by_comparing_everything_in_any_order(kind: str, record: Record) -> None:
    task, command = given_command(kind)

    assert await task.look(command, target(Port(record))) == Landed((record,), Proof.STATE, maybe_before=True)


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("catalog.upsert_part", None),
        ("catalog.upsert_part", part(name={"en": "Screw"})),
        ("catalog.upsert_part", part(name={"en": "Screw", "de": "Schraube", "fr": "Vis"})),
        ("catalog.upsert_part", part(attributes=[])),
        ("catalog.upsert_part", part(attributes=FIELDS["attributes"][:1])),
        ("catalog.upsert_part", part(attributes=[*FIELDS["attributes"], FIELDS["attributes"][0]])),
        ("catalog.upsert_part", part(attributes=[FIELDS["attributes"][0], {"attribute_id": "w", "values": []}])),
        ("catalog.upsert_assembly", None),
        ("catalog.upsert_assembly", assembly(parent_id="")),
        ("catalog.upsert_assembly", assembly(name={"en": "Motor"})),
    ],
)
async def test_anything_else_than_what_was_wanted_is_sent_again(kind: str, record: Record | None) -> None:
    task, command = given_command(kind)

    assert await task.look(command, target(Port(record))) == Absent()


_TEXT = st.text(alphabet="ab", min_size=1, max_size=2)
_WORDING = st.dictionaries(st.sampled_from(["en", "de", "fr"]), _TEXT, min_size=1)
_VALUES = st.lists(
    st.fixed_dictionaries({"organization": st.sampled_from(["", "o"]), "value": _WORDING}), min_size=1, max_size=3
)
_ATTRIBUTES = st.lists(
    st.fixed_dictionaries({"attribute_id": _TEXT, "values": _VALUES}), unique_by=lambda one: one["attribute_id"]
)


@given(_ATTRIBUTES, st.randoms())
async def test_no_order_of_attributes_and_values_matters(attributes: list[dict[str, Any]], random: Any) -> None:
    command = parse_command("catalog.upsert_part", PART | {"attributes": attributes})
    shuffled = json.loads(json.dumps(attributes))
    random.shuffle(shuffled)
    for attribute in shuffled:
        random.shuffle(attribute["values"])

    finding = await task_of("catalog.upsert_part").look(command, target(Port(part(attributes=shuffled))))

    assert isinstance(finding, Landed)


@given(_ATTRIBUTES, _ATTRIBUTES)
async def test_equal_is_only_what_has_the_same_values(one: list[Any], other: list[Any]) -> None:
    command = parse_command("catalog.upsert_part", PART | {"attributes": one})

    finding = await task_of("catalog.upsert_part").look(command, target(Port(part(attributes=other))))

    def flat(attributes: list[Any]) -> list[str]:
        return sorted(
            json.dumps([attribute["attribute_id"], value], sort_keys=True)
            for attribute in attributes
            for value in attribute["values"]
        )

    assert isinstance(finding, Landed) == (flat(one) == flat(other))


# deleting


@pytest.mark.parametrize(("kind", "record"), [("catalog.delete_part", part()), ("catalog.delete_assembly", assembly())])
async def test_what_is_deleted_is_read_before_and_kept_as_it_was(kind: str, record: Record) -> None:
    task, command = given_command(kind)

    before = await task.before(command, target(Port(record)))

    assert (before.image.fields, before.finding) == (record.fields, Absent())
    assert Image.model_validate(json.loads(before.image.model_dump_json())).fields == record.fields


@pytest.mark.parametrize("kind", DELETES)
async def test_what_was_never_there_is_refused_unless_an_earlier_send_may_have_deleted_it(kind: str) -> None:
    task, command = given_command(kind)

    with pytest.raises(RejectedError, match="there is no a") as caught:
        await task.before(command, target(Port()))
    assert caught.value.code == "not-found"
    assert (await task.before(command, target(Port(), doubted=True))).finding == Landed((), Proof.STATE)


@pytest.mark.parametrize(("kind", "record"), [("catalog.delete_part", part()), ("catalog.delete_assembly", assembly())])
async def test_a_lost_delete_is_found_by_absence(kind: str, record: Record) -> None:
    task, command = given_command(kind)

    assert await task.look(command, target(Port())) == Landed((), Proof.STATE)
    assert await task.look(command, target(Port(record))) == Absent()


async def test_a_delete_of_an_assembly_says_what_it_hangs_below(image: Image) -> None:
    port, sender = Port(), Sender()
    task, command = given_command("catalog.delete_assembly")

    await task.send(command, replace(target(port), image=image), sender)
    await task.send(command, target(port), sender)

    assert [asked[2] for asked in port.asked] == ["p", ""]


@pytest.fixture
def image() -> Image:
    return Image(fields=assembly().fields)


async def test_a_delete_of_a_part_is_sent_as_asked() -> None:
    port, sender = Port(), Sender()
    task, command = given_command("catalog.delete_part")

    await task.send(command, target(port), sender)

    assert port.asked == [("delete_part", command, sender)]


def test_a_command_keeps_what_it_was_given() -> None:
    command = parse_command("catalog.upsert_part", PART)

    assert isinstance(command, UpsertPart)
    assert command.attributes[0].values[1].organization == "o"
    assert parse_command("catalog.upsert_part", command.model_dump_json().encode()) == command
