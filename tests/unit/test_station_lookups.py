"""What the station knows of ids and part numbers: asked once, kept for offline work, never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from producers.outbox import Outbox
from producers.scanner.codes import CodeReader, LabelCode, VendorIdCode
from producers.scanner.flows import Picks
from producers.scanner.labels import Label
from producers.scanner.lookups import (
    FRESH_MS,
    PAUSE_SECONDS,
    Absence,
    CachedDirectory,
    DirectoryClient,
    NoLookup,
    label_identity,
    meaning,
)
from producers.scanner.station import SCHEMA
from tasks.directory import Thing, ThingType, code_of
from tests.unit.station_desk import Warehouse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

SHELF = "a" * 26
PART, OTHER = ("p" * 26, "q" * 26)
ANSWER = {"id": SHELF, "type": "storage", "name": "A-1", "archived": False, "manufacturer": ""}
LCSC = "{pbn:PICK2009291337,on:SO2009291337,pc:C1,pm:MPN-1,qty:10,mc:,cc:1,pdi:34421807}"


class Relay:
    """The directory's routes; answers what `answer` gives and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: set[str] = set()
        self.answer: Callable[[web.Request], web.Response] = lambda _: web.json_response(ANSWER)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        self.tokens.add(request.headers["Authorization"])
        return self.answer(request)


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01", schema=SCHEMA) as outbox:
        yield outbox


@pytest.fixture
async def client(relay: Relay) -> AsyncIterator[DirectoryClient]:
    app = web.Application()
    app.router.add_get("/{path:.*}", relay.handle)
    async with (
        TestServer(app) as server,
        DirectoryClient(str(server.make_url("/")), SecretStr("invented-token-0001")) as client,
    ):
        yield client


def _label(raw: str = LCSC) -> LabelCode:
    code = CodeReader().read(raw.encode()).code
    assert isinstance(code, LabelCode)
    return code


async def test_an_id_is_asked_once_and_kept_over_a_restart(
    outbox: Outbox, client: DirectoryClient, relay: Relay
) -> None:
    directory = CachedDirectory(outbox, client)

    before = directory.thing(SHELF)
    await directory.prepare(VendorIdCode(SHELF))
    again = CachedDirectory(outbox, client)
    await again.prepare(VendorIdCode(SHELF))

    assert before is Absence.OFFLINE
    assert again.thing(SHELF) == Thing(SHELF, ThingType.STORAGE, "A-1")
    assert relay.asked == [f"/v1/directory/ids/{SHELF}"]
    assert relay.tokens == {"Bearer invented-token-0001"}


async def test_a_labels_numbers_are_asked_as_they_are_written_and_found_in_any_case(
    outbox: Outbox, client: DirectoryClient, relay: Relay
) -> None:
    relay.answer = lambda _: web.json_response({"parts": [{**ANSWER, "type": "part"}], "known": True})
    directory = CachedDirectory(outbox, client)

    await directory.prepare(_label())

    assert sorted(relay.asked) == ["/v1/directory/parts?code=c1", "/v1/directory/parts?code=mpn-1"]
    assert directory.parts("c1") == (Thing(SHELF, ThingType.PART, "A-1"),)


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [
        ("]Q1CC0402JRX7R9BB104,GRM155R71H104,2211,10000", ["cc0402jrx7r9bb104", "grm155r71h104"]),
        ("]C10109506000134352", ["09506000134352"]),
        ("]C01PRC0402", ["rc0402"]),
    ],
    ids=["a reel with two candidates", "a GTIN alone", "one field"],
)
async def test_every_number_that_may_name_the_part_is_asked(
    outbox: Outbox, client: DirectoryClient, relay: Relay, raw: str, numbers: list[str]
) -> None:
    relay.answer = lambda _: web.json_response({"parts": [{**ANSWER, "type": "part"}], "known": True})
    directory = CachedDirectory(outbox, client)
    label = _label(raw)

    await directory.prepare(label)
    found = meaning(label, directory)

    assert sorted(relay.asked) == [f"/v1/directory/parts?code={number}" for number in numbers]
    assert isinstance(found, Picks)
    assert [pick.id for pick in found.choices] == [SHELF]


async def test_a_kept_answer_is_asked_again_after_a_day_and_holds_while_nobody_answers(
    outbox: Outbox, client: DirectoryClient, relay: Relay
) -> None:
    directory = CachedDirectory(outbox, client)
    await directory.prepare(VendorIdCode(SHELF))
    with outbox.changing() as database:
        database.execute("UPDATE known SET read_at_ms = read_at_ms - ?", (FRESH_MS,))
    relay.answer = lambda _: web.Response(status=503)
    await directory.prepare(VendorIdCode(SHELF))

    assert len(relay.asked) == 2
    assert directory.thing(SHELF) == Thing(SHELF, ThingType.STORAGE, "A-1")


async def test_what_is_unknown_is_asked_again_at_the_next_scan(
    outbox: Outbox, client: DirectoryClient, relay: Relay
) -> None:
    relay.answer = lambda _: web.json_response({"status": 404}, status=404)
    directory = CachedDirectory(outbox, client)

    await directory.prepare(VendorIdCode(SHELF))
    unknown = directory.thing(SHELF)
    relay.answer = lambda _: web.json_response(ANSWER)
    await directory.prepare(VendorIdCode(SHELF))

    assert unknown is Absence.UNKNOWN
    assert directory.thing(SHELF) == Thing(SHELF, ThingType.STORAGE, "A-1")


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=401),
        web.Response(status=302, headers={"Location": "/elsewhere"}),
        web.Response(text="<html>guest network</html>"),
        web.Response(text="[" * 100_000),
        web.json_response([1]),
        web.json_response({"id": SHELF}),
        web.json_response({"id": SHELF, "type": "unheard-of"}),
        web.Response(text="x" * 300_000),
    ],
    ids=["401", "redirect", "html", "deep", "list", "no type", "other type", "endless"],
)
async def test_an_answer_that_is_none_leaves_it_unknown_and_gives_the_relay_a_pause(
    outbox: Outbox, client: DirectoryClient, relay: Relay, answer: web.Response
) -> None:
    now = 100.0
    relay.answer = lambda _: answer
    directory = CachedDirectory(outbox, client, clock=lambda: now)

    await directory.prepare(VendorIdCode(SHELF))
    await directory.prepare(VendorIdCode(SHELF))
    asked_in_pause = len(relay.asked)
    now += PAUSE_SECONDS
    relay.answer = lambda _: web.json_response(ANSWER)
    await directory.prepare(VendorIdCode(SHELF))

    assert asked_in_pause == 1
    assert directory.thing(SHELF) == Thing(SHELF, ThingType.STORAGE, "A-1")


async def test_names_cannot_steer_the_terminal(outbox: Outbox, client: DirectoryClient, relay: Relay) -> None:
    relay.answer = lambda _: web.json_response({**ANSWER, "name": "A\x1b[2J\ud800 \u202e1\n"})
    directory = CachedDirectory(outbox, client)

    await directory.prepare(VendorIdCode(SHELF))

    thing = directory.thing(SHELF)
    assert isinstance(thing, Thing)
    assert thing.name.isprintable()


async def test_what_needs_no_look_up_asks_nobody(outbox: Outbox, client: DirectoryClient, relay: Relay) -> None:
    directory = CachedDirectory(outbox, client)

    for raw in (b"junk", b"25", b"STOCKSHIFTS", b""):
        await directory.prepare(CodeReader().read(raw).code)

    assert relay.asked == []


def _warehouse(**codes: tuple[str, ...]) -> Warehouse:
    things = {each: Thing(each, ThingType.PART, f"part {each[0]}") for each in (PART, OTHER)}
    known = {code_of(code.replace("_", "-")): tuple(things[each] for each in ids) for code, ids in codes.items()}
    return Warehouse(things, known)


@pytest.mark.parametrize(
    ("codes", "ids"),
    [
        ({"MPN_1": (PART,)}, [PART]),
        ({"C1": (PART,)}, [PART]),
        ({"MPN_1": (PART, OTHER), "C1": (PART,)}, [PART]),
        ({"MPN_1": (PART, OTHER)}, [PART, OTHER]),
    ],
)
def test_a_labels_part_is_the_one_that_all_its_known_numbers_name(codes: dict[str, Any], ids: list[str]) -> None:
    found = meaning(_label(), _warehouse(**codes))

    assert isinstance(found, Picks)
    assert [pick.id for pick in found.choices] == ids
    assert {pick.quantity for pick in found.choices} == {10}


@pytest.mark.parametrize(
    ("codes", "because"),
    [({}, "the directory does not know"), ({"MPN_1": (PART,), "C1": (OTHER,)}, "are different parts")],
)
def test_a_label_whose_numbers_name_no_part_or_two_is_refused(codes: dict[str, Any], because: str) -> None:
    found = meaning(_label(), _warehouse(**codes))

    assert isinstance(found, str)
    assert because in found


def test_a_number_that_could_not_be_asked_leaves_a_doubt() -> None:
    warehouse = _warehouse(MPN_1=(PART,))
    warehouse.parts_away = {"c1"}

    found = meaning(_label(), warehouse)

    assert isinstance(found, Picks)
    assert "the directory cannot be asked now" in found.doubts


def test_a_labels_archived_part_leaves_a_doubt() -> None:
    found = meaning(_label(), Warehouse(codes={"mpn-1": (Thing(PART, ThingType.PART, "R-1K", archived=True),)}))

    assert isinstance(found, Picks)
    assert "R-1K is archived" in found.doubts


def test_parts_of_one_name_are_told_apart_by_their_makers() -> None:
    same = (Thing(PART, ThingType.PART, "1K", manufacturer="Alpha"), Thing(OTHER, ThingType.PART, "1K"))
    warehouse = Warehouse(codes={"mpn-1": same})

    found = meaning(_label(), warehouse)

    assert isinstance(found, Picks)
    assert [pick.shown() for pick in found.choices] == ["1K Alpha", f"1K {OTHER[:8]}"]


def test_without_a_directory_everything_is_unknown() -> None:
    assert meaning(_label(), NoLookup()) == "the directory cannot be asked now"
    found = meaning(VendorIdCode(SHELF), NoLookup())
    assert isinstance(found, Picks)
    assert found.doubts


def test_two_labels_that_say_the_same_are_one_label_unless_each_has_an_id_of_its_own() -> None:
    one = Label("linear", {"1P": "X", "Q": "5"})
    assert label_identity(one) == label_identity(Label("linear", {"Q": "5", "1P": "X"}))
    assert label_identity(one) != label_identity(Label("linear", {"1P": "X", "Q": "6"}))
    assert label_identity(Label("lcsc", {"a": "1"}, unique_id="u")) == label_identity(Label("lcsc", {}, unique_id="u"))
