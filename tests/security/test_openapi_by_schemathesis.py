"""Schemathesis against our own OpenAPI: every operation, with what its schema allows and with what it does not.

Each answer must be one that the document announces, of the announced type and schema, and never an error of ours.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi import checks as openapi_checks

from tasks.submit import Submitter
from tests.integration.command_api_harness import OPERATOR_TOKEN, serving
from tests.security.depth import EXAMPLES, USUAL_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis
    from schemathesis.schemas import APIOperation

#: Of each operation and mode, for the usual depth; writing what fits a schema is slow.
EXAMPLES_PER_OPERATION: Final = 2
#: Endless by design; its own tests read it.
STREAMS: Final = ("/v1/stream", "/v1/dead-letters/stream")
CHECKS: Final = [
    not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]

#: The same examples each time; what is found is not made smaller, which would take minutes.
bounded: Final = settings(
    max_examples=max(1, EXAMPLES_PER_OPERATION * EXAMPLES // USUAL_EXAMPLES),
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "not allowed"])
async def test_every_answer_is_one_that_the_document_announces(redis_client: Redis, mode: GenerationMode) -> None:
    async with serving(Submitter(redis_client), redis=redis_client) as door:
        tried = await asyncio.to_thread(_try_all, door.url, mode)

    assert len(tried) >= 15
    assert {name: error for name, error in tried.items() if error} == {}


def _try_all(url: str, mode: GenerationMode) -> dict[str, str]:
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    tried = {}
    for operation in _operations(schema):
        try:
            _try(operation, url, mode)
        except Unsatisfiable:  # it takes nothing, so nothing of it can be wrong
            assert mode is GenerationMode.NEGATIVE
        except Exception as error:  # noqa: BLE001  every operation is tried, and all that failed are shown
            causes = getattr(error, "exceptions", [error])
            tried[operation.label] = "\n".join(f"{type(cause).__name__}: {cause}"[:1_500] for cause in causes)
        else:
            tried[operation.label] = ""
    return tried


def _operations(schema: Any) -> Iterator[APIOperation[Any, Any, Any, Any]]:
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path not in STREAMS:
            yield operation


def _try(operation: APIOperation[Any, Any, Any, Any], url: str, mode: GenerationMode) -> None:
    login = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}

    @bounded
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        case.call_and_validate(base_url=url, headers=login, checks=CHECKS, timeout=60)

    attempt()
