"""Fixtures of the network tests: machines, or a skip that says why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.network.machines import Network, NoNamespacesError, check_namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def network() -> Iterator[Network]:
    """All machines, plugged in."""
    try:
        check_namespaces()
    except NoNamespacesError as error:
        pytest.skip(f"no network of several machines here: {error}")
    with Network() as machines:
        yield machines
