"""What the PartsBox sandbox gives besides envelopes of one noun: pictures of ids, and everything at once."""

import hashlib
import struct
import zlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.qr import ADDRESS, MARGIN, SCALE, SIZE, qr_code
from tests.sandbox.probe import Probe

ID = "6n1n9dhjsagyw92ebhewhxgs7d"
#: of the same code (version 3, level L, mask 0, byte mode) as an independent encoder draws it, rows of 0 and 1
SHA256_OF_MODULES = "29cf207c4736d08bfe7eaf822498b8a8e40fe4ce57fe1bef64d445514e865fdc"


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as probe:
        yield probe


def pixels(image: bytes) -> list[str]:
    """Read a PNG of one bit per pixel as rows of 0 (black) and 1 (white); its checksums must be right."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(image):
        (length,) = struct.unpack(">I", image[at : at + 4])
        kind, body = image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        assert image[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(kind + body))
        chunks[kind], at = body, at + 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour, list(chunks)[-1]) == (1, 0, b"IEND")
    data, stride = zlib.decompress(chunks[b"IDAT"]), 1 + -(-width // 8)
    assert len(data) == height * stride
    rows = [data[start + 1 : start + stride] for start in range(0, len(data), stride)]
    return ["".join(f"{byte:08b}" for byte in row)[:width] for row in rows]


async def test_a_picture_of_an_id_is_a_bare_png_that_asks_for_no_key(sandbox: PartsBoxSandbox) -> None:
    url = f"{sandbox.url}/id-anything-qr"
    async with aiohttp.request("GET", url, params={"id": ID}) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        rows = pixels(await answer.read())
    assert len(rows) == len(rows[0]) == (SIZE + 2 * MARGIN) * SCALE
    modules = qr_code(ADDRESS + ID)
    for y in range(-MARGIN, SIZE + MARGIN):
        for x in range(-MARGIN, SIZE + MARGIN):
            dark = modules.get((x, y), False)
            assert rows[(y + MARGIN) * SCALE + 1][(x + MARGIN) * SCALE + 2] == ("0" if dark else "1")
    assert [(record.outcome, record.status) for record in sandbox.journal.requests] == [("ok", 200)]


def test_the_code_is_the_one_that_others_draw() -> None:
    modules = qr_code("https://partsbox.com/I" + ID)
    rows = "".join(str(int(modules[x, y])) for y in range(SIZE) for x in range(SIZE))
    assert hashlib.sha256(rows.encode()).hexdigest() == SHA256_OF_MODULES


@pytest.mark.parametrize("params", [{}, {"id": "short"}, {"id": ID + "x"}])
async def test_a_picture_of_what_is_no_id_is_refused_with_an_envelope(vendor: Probe, params: dict[str, str]) -> None:
    seen = await vendor.send("GET", "id-anything-qr", params=params)
    assert (seen.status, seen.json["partsbox.status/category"]) == (400, "invalid")


async def test_a_picture_can_be_cut_and_lost_like_any_answer(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("truncated")
    with pytest.raises(aiohttp.ClientPayloadError):
        await vendor.send("GET", "id-anything-qr", params={"id": ID})
    with pytest.raises(ValueError, match="cannot hit"):
        sandbox.faults.add("missing_category", "id-anything-qr")


async def test_everything_at_once_is_what_its_parts_are(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    everything = (await vendor.post("db/download-all-data")).json["data"]
    for noun, operation in (("parts", "part/all"), ("storages", "storage/all"), ("lots", "lot/all")):
        assert everything[noun] == (await vendor.post(operation)).json["data"]
    assert everything["orders"] == (await vendor.post("order/all")).json["data"]
    lamp = {"project/id": id_for("project", "lamp")}
    (project,) = (one for one in everything["projects"] if one["project/id"] == lamp["project/id"])
    assert project.pop("project/entries") == (await vendor.post("project/get-entries", lamp)).json["data"]
    assert project == (await vendor.post("project/get", lamp)).json["data"]
    (build,) = everything["builds"]
    assert len(build.pop("build/entries")) == 3
    assert [build] == (await vendor.post("project/get-builds", lamp)).json["data"]
    assert everything["settings"] == {"enforce-unique-part-names?": True}


async def test_everything_asks_for_the_key(sandbox: PartsBoxSandbox) -> None:
    async with Probe.to(sandbox.url) as stranger:
        assert (await stranger.post("db/download-all-data")).status == 401
