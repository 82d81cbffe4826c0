"""`make screenshots` draws every picture of docs/images."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import pytest
from defusedxml.ElementTree import fromstring

from tests.integration.station_page_harness import CHROMIUM
from tests.screenshots.__main__ import IMAGES, main

if TYPE_CHECKING:
    from pathlib import Path

PNG: Final = b"\x89PNG\r\n\x1a\n"


def words(svg: Path) -> str:
    return "".join(fromstring(svg.read_text()).itertext()).replace("\xa0", " ")


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")
def test_every_picture_of_the_documents_is_drawn_of_a_running_system(tmp_path: Path) -> None:
    assert main(tmp_path) == 0

    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in IMAGES.iterdir()}
    for path in tmp_path.glob("*.png"):
        drawn = path.read_bytes()
        assert drawn.startswith(PNG), path
        width, height = struct.unpack(">II", drawn[16:24])
        assert (width >= 800, height >= 480) == (True, True), path
    seen = words(tmp_path / "status.svg")
    assert all(part in seen for part in ("partsbox", "until resumed", "in doubt for", "worker routing")), seen
    assert "@font-face" not in (tmp_path / "status.svg").read_text()
