"""The description of the routes: complete, valid, and true of what the server really answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from producers.webhooks.app import ROUTES, create_app
from producers.webhooks.deliveries import DeliveryRoutes
from producers.webhooks.examples import COMMANDS
from producers.webhooks.hooks import Hooks
from producers.webhooks.openapi import PUBLIC, Answer, Operation, document
from producers.webhooks.rates import Rates
from tasks.registry import command_type, parse_command, submittable_kinds
from tests.command_examples import GOOD
from tests.integration.command_api_harness import PROBLEM, TOKEN, AlwaysReady, Door, move, services
from tests.integration.test_scans_api import ToldIntake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

#: Bodies that are sent to each route that takes one.
GENERATED_BODIES = 60


async def fetched(door: Door) -> dict[str, Any]:
    status, _, found = await door.get("/openapi.json", Authorization="")
    assert status == 200
    return found


def _schemas_and_examples(found: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every example with the schema it must fit, wherever the document has one."""
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            media = [*operation.get("requestBody", {}).get("content", {}).values()]
            for answer in operation["responses"].values():
                media += answer.get("content", {}).values()
            for each in media:
                examples = [example["value"] for example in each.get("examples", {}).values()]
                examples += [each["example"]] if "example" in each else []
                yield from ((where, each["schema"], example) for example in examples)
            for parameter in operation.get("parameters", ()):
                if "example" in parameter:
                    yield where, parameter["schema"], parameter["example"]
    for name, schema in found["components"]["schemas"].items():
        yield from ((name, schema, example) for example in schema.get("examples", ()))


def _faults(found: dict[str, Any], schema: Any, value: Any) -> list[str]:
    whole = {**schema, "components": found["components"]}
    return [error.message for error in OAS31Validator(whole).iter_errors(value)]


async def test_the_document_is_valid_openapi(fake_door: Door) -> None:
    found = await fetched(fake_door)

    assert found["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []


async def test_every_route_of_the_application_is_described(fake_door: Door) -> None:
    found = await fetched(fake_door)

    served = {
        (route.method.lower(), route.resource.canonical)
        for route in fake_door.app.router.routes()
        if route.resource is not None and route.method != "HEAD"  # which HTTP gives to every GET
    }
    described = {(method, path) for path, operations in found["paths"].items() for method in operations}
    assert len(served) >= 15
    assert described == served == {(method.lower(), path) for method, path, *_ in fake_door.app[ROUTES]}


async def test_the_document_of_the_whole_server_is_valid_with_the_webhooks_in_it(redis_client: Redis) -> None:
    intake, rates = ToldIntake(), Rates(0)
    hooks = DeliveryRoutes(Hooks({}), cast("Any", intake), rates, requests_per_minute=0)

    app = create_app(services(intake, AlwaysReady(), redis_client), further=[hooks])

    routes = app[ROUTES]
    found = document(routes)
    assert list(OpenAPIV31SpecValidator(cast("Any", found)).iter_errors()) == []
    assert {"/v1/hooks/{source}", "/v1/events", "/v1/commands"} <= set(found["paths"])
    examples = list(_schemas_and_examples(found))
    assert [where for where, schema, value in examples if _faults(found, schema, value)] == []


async def test_every_operation_has_its_own_id_and_a_route_with_a_token_says_so(fake_door: Door) -> None:
    found = await fetched(fake_door)
    operations = [(path, each) for path, operations in found["paths"].items() for each in operations.values()]

    ids = [each["operationId"] for _, each in operations]
    assert len(set(ids)) == len(ids)
    for path, each in operations:
        is_open = path in ("/healthz", "/readyz", "/openapi.json") or path.startswith(
            ("/docs", "/station", "/dead-letters")
        )
        assert ("security" in each) is not is_open, path
        assert ("401" in each["responses"]) is (not is_open or path.endswith("/login")), path
        assert PROBLEM in each["responses"]["default"]["content"], path


async def test_every_example_fits_its_schema(fake_door: Door) -> None:
    found = await fetched(fake_door)

    examples = list(_schemas_and_examples(found))
    assert len(examples) > 80
    assert {
        where: _faults(found, schema, value) for where, schema, value in examples if _faults(found, schema, value)
    } == {}


@pytest.mark.parametrize("kind", submittable_kinds())
async def test_the_schema_of_a_kind_takes_what_the_model_takes_and_nothing_of_another_kind(
    fake_door: Door, kind: str
) -> None:
    found = await fetched(fake_door)
    schema = {"$ref": "#/components/schemas/Command"}
    good = {"kind": kind, **GOOD[kind]}

    assert parse_command(kind, {name: value for name, value in COMMANDS[kind].items() if name != "kind"})
    assert _faults(found, schema, good) == []
    assert _faults(found, schema, {**good, "source": "ST-01", "idempotency_key": "order-4711"}) == []
    assert _faults(found, schema, {**good, "kind": "stock.teleport"}) != []
    assert _faults(found, schema, {**good, "colour": "red"}) != []
    for field in command_type(kind).model_fields:
        if command_type(kind).model_fields[field].is_required():
            assert _faults(found, schema, {name: value for name, value in good.items() if name != field}) != []


async def test_what_the_server_answers_fits_what_the_document_says(door: Door) -> None:
    found = await fetched(door)
    key = (await door.post(move()))[2]["key"]
    asked = [
        ("post", "/v1/commands", None, await door.post(move(quantity=6))),
        ("post", "/v1/commands", None, await door.post(move())),
        ("post", "/v1/commands", None, await door.post(move(quantity=0))),
        ("post", "/v1/scans", None, await door.post([move(), {}, move(source="ST-01")], "/v1/scans")),
        ("get", "/v1/commands/{key}", f"/v1/commands/{key}", None),
        ("get", "/v1/commands/{key}", "/v1/commands/" + "a" * 20, None),
        ("get", "/v1/commands", f"/v1/commands?keys={key},{'a' * 20}", None),
        ("post", "/v1/commands/{key}/cancel", None, await door.post({}, f"/v1/commands/{key}/cancel")),
        ("get", "/v1/directory/ids/{id}", "/v1/directory/ids/x", None),
        ("get", "/v1/directory/parts", "/v1/directory/parts?code=x", None),
        ("post", "/v1/labels", None, await door.post({"scan": "[)>\x1e06\x1d1PLM358\x1dQ10\x1e\x04"}, "/v1/labels")),
        ("post", "/v1/labels", None, await door.post({"scan": "???"}, "/v1/labels")),
        ("get", "/healthz", "/healthz", None),
        ("get", "/readyz", "/readyz", None),
    ]
    for method, path, url, got in asked:
        status, headers, answer = got or await door.get(url or "")
        said = found["paths"][path][method]["responses"]
        media = said.get(str(status), said["default"])["content"]
        content_type = headers["Content-Type"].partition(";")[0]
        assert str(status) in said, (path, status)
        assert _faults(found, media[content_type]["schema"], answer) == [], (path, status)


def test_a_table_of_another_module_is_described_with_its_own_schemas() -> None:
    operation = Operation(
        summary="s",
        tag="t",
        answers={204: Answer(description="Nothing.")},
        problems={409: "Twice."},
        roles=PUBLIC,
    )

    async def handler(_: Any) -> Any:
        raise NotImplementedError

    found = document([("OPTIONS", "/v1/x.y/{z}", handler, operation)])

    described = found["paths"]["/v1/x.y/{z}"]["options"]
    assert described["operationId"] == "options_v1_x_y_z"
    assert list(described["responses"]) == ["204", "409", "default"]
    assert "content" not in described["responses"]["204"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_KINDS = st.sampled_from(submittable_kinds())


@st.composite
def _nearly_good(draw: st.DrawFn) -> dict[str, Any]:
    """A good command with a few fields replaced, left out or added."""
    good = dict(COMMANDS[draw(_KINDS)])
    for name in draw(st.lists(st.sampled_from([*good, "source", "comments", "idempotency_key", "x"]), max_size=3)):
        if draw(st.booleans()):
            good[name] = draw(_JSON)
        else:
            good.pop(name, None)
    return good


_BODIES = st.one_of(
    st.binary(max_size=200),
    _JSON.map(lambda value: json.dumps(value).encode()),
    _nearly_good().map(lambda value: json.dumps(value).encode()),
    st.lists(_nearly_good() | _JSON, max_size=6).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"scan": st.text(max_size=200)}).map(lambda value: json.dumps(value).encode()),
)
_PATHS = ["/v1/commands", "/v1/scans", "/v1/labels", "/v1/commands/aaaaaaaaaaaaaaaaaaaa/cancel"]


@pytest.mark.parametrize("path", _PATHS)
@settings(max_examples=GENERATED_BODIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_BODIES)
async def test_no_body_is_an_error_of_ours(fake_door: Door, path: str, body: bytes) -> None:
    async with fake_door.session.post(
        fake_door.url + path,
        data=body,
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    ) as answer:
        text = await answer.json(content_type=None)

    assert answer.status < 500
    assert (answer.headers["Content-Type"] == PROBLEM) is (answer.status >= 400)
    assert isinstance(text, dict)


@settings(max_examples=GENERATED_BODIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/v1/commands", "/v1/directory/parts"]),
    name=st.sampled_from(["keys", "code"]),
    value=st.text(max_size=150),
)
async def test_no_query_is_an_error_of_ours(door: Door, path: str, name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        value = "?"
    async with door.session.get(
        door.url + path, params={name: value}, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as answer:
        await answer.read()

    assert answer.status < 500
    assert (answer.headers["Content-Type"] == PROBLEM) is (answer.status >= 400)
