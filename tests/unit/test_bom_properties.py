"""Setting a property of a row: which commands there are, and what a read of the document proves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tasks.boms import TASKS, Document, SetBomProperty, SetCatalogProperty, same_value
from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record, Sending
from tasks.registry import InvalidCommandError, parse_command
from tasks.task import Before, Target

NOW_MS = 1_700_000_000_000
DOCUMENT = "49c6f1f3-7006-48fc-86f1-f3700628fcff"
SET = {"part_number": "PN1", "property": "Quantity", "value": "25", "stock_timestamp": NOW_MS}
FIELDS = {"bom.set_property": "bom_id", "catalog.set_property": "catalog_id"}
KINDS = tuple(FIELDS)
COLUMNS = ("Part Number", "Quantity", "Vendor")


def asked(kind: str = "bom.set_property", **changes: Any) -> SetBomProperty | SetCatalogProperty:
    command = parse_command(kind, SET | {FIELDS[kind]: DOCUMENT} | changes)
    assert isinstance(command, SetBomProperty | SetCatalogProperty)
    return command


@dataclass
class Port:
    """Holds one document as BOM and as catalog; notes what is sent."""

    rows: list[tuple[Any, ...]] = field(default_factory=lambda: [("PN1", 3, None), ("PN2", 25, None)])
    columns: tuple[str, ...] = COLUMNS
    missing: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def _read(self, noun: str, document_id: str) -> Document | None:
        self.asked.append((noun, document_id))
        return None if self.missing else Document(document_id, "", self.columns, tuple(self.rows))

    async def bom(self, bom_id: str) -> Document | None:
        return await self._read("bom", bom_id)

    async def catalog(self, catalog_id: str) -> Document | None:
        return await self._read("catalog", catalog_id)

    async def set_bom_property(self, command: SetBomProperty, sending: Sending) -> Exchange:
        return Exchange(f"set bom {command.bom_id} for {sending.key}")

    async def set_catalog_property(self, command: SetCatalogProperty, sending: Sending) -> Exchange:
        return Exchange(f"set catalog {command.catalog_id} for {sending.key}")


def target(port: Port, image: Image | None = None) -> Target[Any]:
    return Target(port, "k" * 20, image=image or Image())


async def before(port: Port, kind: str = "bom.set_property", **changes: Any) -> Before:
    command = asked(kind, **changes)
    return await TASKS[type(command)].before(command, target(port))


async def refused(port: Port, **changes: Any) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        await before(port, **changes)
    return caught.value


def cell(value: Any, part_number: str = "PN1", name: str = "Quantity") -> Record:
    return Record("cell", f"{DOCUMENT}:{part_number}:{name}", {"value": value})


# commands


@pytest.mark.parametrize(
    ("change", "named", "why"),
    [
        ({"bom_id": "../boms"}, "bom_id", "pattern"),
        ({"bom_id": ""}, "bom_id", "pattern"),
        ({"bom_id": "a/b"}, "bom_id", "pattern"),
        ({"bom_id": "a\n"}, "bom_id", "pattern"),
        ({"part_number": ""}, "part_number", "at least 1"),
        ({"part_number": " PN1"}, "part_number", "begins or ends with a space"),
        ({"part_number": 4711}, "part_number", "string"),
        ({"property": "Quantity\u00a0"}, "property", "begins or ends with a space"),
        ({"property": "a\x00"}, "property", "control characters"),
        ({"value": 25}, "value", "string"),
        ({"value": None}, "value", "string"),
        ({"value": "x" * 1001}, "value", "at most 1000"),
        ({"value": "[cmd:" + "a" * 20 + "]"}, "value", "reserved"),
        ({"part_number_property": " "}, "part_number_property", "begins or ends"),
        ({"catalog_id": DOCUMENT}, "catalog_id", "not permitted"),
    ],
)
def test_what_is_no_command_is_refused_with_its_field(change: dict[str, Any], named: str, why: str) -> None:
    with pytest.raises(InvalidCommandError) as caught:
        asked(**change)

    (problem,) = caught.value.problems
    assert problem.field == named
    assert why in problem.message


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_says_what_shall_be_done_is_identity(kind: str) -> None:
    command = asked(kind)
    changes = {"part_number": "PN2", "property": "Vendor", "value": "26", "part_number_property": "SKU"}
    changes |= {FIELDS[kind]: "other"}

    others = {asked(kind, **{name: value}).key() for name, value in changes.items()}

    assert command.key() not in others
    assert len(others) == len(changes)
    assert asked(kind, comments="why").key() == command.key()


def test_a_row_is_a_lane() -> None:
    assert asked().lanes() == (f"bom:{DOCUMENT}:PN1",)
    assert asked("catalog.set_property").lanes() == (f"catalog-row:{DOCUMENT}:PN1",)
    assert asked(property="Vendor", value="x").lanes() == asked().lanes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_gets_another_part_number_is_in_both_lanes(kind: str) -> None:
    renamed = asked(kind, property="Part Number", value=" PN9")

    assert set(renamed.lanes()) == {*asked(kind).lanes(), *asked(kind, part_number="PN9").lanes()}
    assert asked(kind, property="Part Number", value="PN1").lanes() == asked(kind).lanes()
    assert asked(kind, property="Part Number", value="").lanes() == asked(kind).lanes()


def test_the_summary_is_one_short_line() -> None:
    assert asked().summary() == "set Quantity of PN1 to 25"
    assert asked(value="a\nb\t" + "c" * 900).summary() == "set Quantity of PN1 to a b " + "c" * 36


# what is the same value


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("25", "25"),
        (25, "25"),
        (25.0, "25"),
        (25, "25.0"),
        (25, " 25 "),
        (0.5, "0.50"),
        (-3, "-3.0"),
        (0, "-0"),
        (" red ", "red"),
        ("red", " red"),
        (None, ""),
        ("", ""),
        ("  ", ""),
        (True, "true"),
        (1e21, "1000000000000000000000"),
        (0.1, "0.1"),
        ("a\nb", "a\nb"),
    ],
)
def test_the_same_value_in_the_vendors_form(there: Any, wanted: str) -> None:
    assert same_value(there, wanted)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("25", "26"),
        (25, "26"),
        (25, "25.01"),
        ("1.1", "1.10"),  # a revision
        ("402", "0402"),  # a size
        (402, "0402"),
        (1000, "1e3"),
        (25, "+25"),
        (25, "twenty-five"),
        (1, "true"),
        (True, "1"),
        (0, ""),
        (None, "0"),
        (None, "None"),
        (False, ""),
        ("Red", "red"),
        ("a  b", "a b"),
    ],
)
def test_another_value(there: Any, wanted: str) -> None:
    assert not same_value(there, wanted)


# before the write


@pytest.mark.parametrize("kind", KINDS)
async def test_the_row_is_read_and_the_value_that_was_there_is_kept(kind: str) -> None:
    port = Port()

    assert await before(port, kind) == Before(Image(fields={"value": 3}), Absent())
    assert port.asked == [(kind.partition(".")[0], DOCUMENT)]


async def test_a_value_that_is_there_already_has_landed() -> None:
    found = await before(Port(), part_number="PN2")

    assert found.finding == Landed((cell(25, "PN2"),), Proof.STATE)


async def test_a_value_that_was_empty_may_be_set() -> None:
    assert await before(Port(), property="Vendor", value="x") == Before(Image(fields={"value": None}), Absent())


async def test_rows_are_found_by_another_property_and_columns_in_any_order() -> None:
    port = Port([(3, "SKU-9", "PN1")], ("Quantity", " SKU ", "Part Number"))

    found = await before(port, part_number_property="SKU", part_number="SKU-9")

    assert found.image.fields == {"value": 3}


@pytest.mark.parametrize("number", [4711, 4711.0, "4711", " 4711 "])
async def test_a_part_number_may_be_a_number_there(number: Any) -> None:
    assert (await before(Port([(number, 3, None)]), part_number="4711")).image.fields == {"value": 3}


@pytest.mark.parametrize("number", ["pn1", "PN 1", "PN10", None, 1])
async def test_a_part_number_is_taken_letter_by_letter(number: Any) -> None:
    error = await refused(Port([(number, 3, None)]))

    assert (error.code, str(error)) == ("not-found", "part_number: there is no PN1")


async def test_a_part_number_with_zeros_in_front_is_not_the_number() -> None:
    assert (await refused(Port([(7, 3, None)]), part_number="007")).code == "not-found"


async def test_a_part_number_that_several_rows_have_is_ambiguous() -> None:
    error = await refused(Port([("PN1", 1, None), ("PN1 ", 2, None), ("PN2", 3, None), ("PN1", 25, None)]))

    assert (error.code, str(error)) == ("ambiguous", "part_number: 3 rows have PN1")


@pytest.mark.parametrize("named", ["property", "part_number_property"])
async def test_a_column_that_is_missing_is_named_with_those_there_are(named: str) -> None:
    error = await refused(Port(), **{named: "Colour"})

    assert error.code == "not-found"
    assert str(error) == f"{named}: there is no column Colour; there are Part Number, Quantity, Vendor"


async def test_of_very_many_columns_a_few_are_listed() -> None:
    columns = ("Part Number", *(f"{n}".zfill(500) for n in range(1000)))
    error = await refused(Port([("PN1", *range(1000))], columns), property="Colour")

    assert len(str(error)) < 2_000
    assert str(error).endswith(" and 971 more")


async def test_a_document_without_columns_says_so() -> None:
    assert str(await refused(Port([], ()))) == "part_number_property: there is no column Part Number; there are none"


async def test_two_columns_of_one_name_are_ambiguous() -> None:
    error = await refused(Port([("PN1", 1, 2)], ("Part Number", "Quantity", "Quantity ")))

    assert (error.code, str(error)) == ("ambiguous", "property: 2 columns are called Quantity")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_document_that_is_not_there_is_named_by_its_field(kind: str) -> None:
    with pytest.raises(RejectedError, match=f"^{FIELDS[kind]}: there is no {DOCUMENT}$") as caught:
        await before(Port(missing=True), kind)

    assert caught.value.code == "not-found"


@pytest.mark.parametrize("kind", KINDS)
async def test_the_write_goes_to_its_own_kind_of_document(kind: str) -> None:
    class Sender:
        key = "k" * 20

        def ahead(self, grant: object) -> None: ...

        async def permitted(self) -> None: ...

        def may_leave(self) -> bool:
            return True

    command = asked(kind)

    exchange = await TASKS[type(command)].send(command, target(Port()), Sender())

    assert exchange.operation == f"set {kind.partition('.')[0]} {DOCUMENT} for {'k' * 20}"


# after it


async def found(port: Port, was: Any, *, how: str = "look", **changes: Any) -> Any:
    command = asked(**changes)
    image = Image.model_validate(json.loads(Image(fields={"value": was}).model_dump_json()))
    task = TASKS[type(command)]
    return await (task.look if how == "look" else task.proof)(command, target(port, image))


async def test_after_the_write_the_row_tells() -> None:
    assert await found(Port([("PN1", 25.0, None)]), 3) == Landed((cell(25.0),), Proof.STATE)
    assert await found(Port([("PN1", 3, None)]), 3) == Absent()
    assert await found(Port([("PN1", 4, None)]), 3) == Undecidable(Why.CHANGED, (cell(4),))
    assert await found(Port([("PN2", 3, None)]), 3) == Undecidable(Why.CHANGED)


async def test_a_part_number_that_became_ambiguous_meanwhile_is_for_a_person() -> None:
    twice = Port([("PN1", 25, None), ("PN1", 3, None)])

    assert await found(twice, 3) == Undecidable(Why.AMBIGUOUS)
    assert await found(twice, 3, how="proof") == Undecidable(Why.AMBIGUOUS)


async def test_a_document_that_is_gone_meanwhile_is_no_word_about_the_write() -> None:
    with pytest.raises(RejectedError):
        await found(Port(missing=True), 3)


async def test_a_confirmed_write_is_proved_by_the_row() -> None:
    assert await found(Port([("PN1", 25, None)]), 3, how="proof") == Landed((cell(25),), Proof.STATE)
    assert await found(Port([("PN1", 3, None)]), 3, how="proof") == Undecidable(Why.IGNORED)
    assert await found(Port([("PN1", "25 pcs", None)]), 3, how="proof") == Landed((cell("25 pcs"),), Proof.ANSWER)


@pytest.mark.parametrize("was", [None, "", 3, 3.5, True, "text", "\u00e9\u20ac", "l" * 5000, 10**30])
async def test_a_value_that_stayed_as_it_was_is_known_after_its_way_through_the_ledger(was: Any) -> None:
    kept = (await before(Port([("PN1", was, None)]))).image.fields or {}

    assert len(json.dumps(kept)) < 2_000
    assert await found(Port([("PN1", was, None)]), kept["value"]) == Absent()


async def test_a_long_text_that_changed_behind_its_beginning_is_seen() -> None:
    kept = (await before(Port([("PN1", "l" * 5000, None)]))).image.fields or {}

    finding = await found(Port([("PN1", "l" * 4999 + "k", None)]), kept["value"])

    assert isinstance(finding, Undecidable)
    assert finding.why is Why.CHANGED
