"""What the PartsBox sandbox answers, as its tests compare it."""

from tests.sandbox.probe import Seen

CATEGORY = "partsbox.status/category"


def assert_refused(seen: Seen, status: int, category: str) -> None:
    assert (seen.status, seen.json[CATEGORY]) == (status, category)
