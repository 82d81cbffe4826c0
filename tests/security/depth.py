"""How deep the fuzz goes: as deep as a suite may that runs often, or as many examples as FUZZ_EXAMPLES says, by hand.

`FUZZ_EXAMPLES=20000 pytest --timeout 0 tests/security` takes other examples each time and keeps none.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

#: Of each decoder; together some seconds. Many thousands were run by hand (docs/security.md).
USUAL_EXAMPLES: Final = 40
_GIVEN: Final = os.environ.get("FUZZ_EXAMPLES", "")
EXAMPLES: Final = int(_GIVEN) if _GIVEN else USUAL_EXAMPLES

#: The same examples each time, unless by hand; fixtures of one test serve all of its examples.
fuzz: Final = settings(
    max_examples=EXAMPLES,
    derandomize=not _GIVEN,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
