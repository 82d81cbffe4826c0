"""Fixtures of the acceptance tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.station_harness import Bench, FakeRelay

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def bench(tmp_path: Path, relay: FakeRelay) -> Bench:
    return Bench(tmp_path, relay)
