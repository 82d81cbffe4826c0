"""`python -m producers.files.alive`, the health check of the files program, where there is nothing to find.

That it finds the program, and misses a frozen one, is in tests/acceptance/test_compose_services.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from producers.files.alive import main
from tests.process import free_port

if TYPE_CHECKING:
    import pytest

    from tests.conftest import SharedValkey


def test_no_program_is_a_failure(valkey: SharedValkey, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"REDIS_URL": valkey.url}) == 1
    assert capsys.readouterr().out == "files: not seen for a while\n"


def test_no_redis_is_a_failure_that_tells_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"REDIS_URL": f"redis://producer:invented@127.0.0.1:{free_port()}/0"}) == 1
    assert capsys.readouterr().err == "Redis cannot be asked: ConnectionError\n"


def test_a_wrong_setting_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"REDIS_URL": "producer:invented"}) == 2
    assert capsys.readouterr().err.startswith("REDIS_URL: not an address")
