"""id-anything-qr: a QR code of the address behind an id, drawn as a PNG (ISO/IEC 18004, version 3-L, one mask)."""

import struct
import zlib
from collections.abc import Iterator

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.operations import Operation, Read
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record

#: what the vendor's labels lead to (vendors.md 2.5)
ADDRESS = "https://partsbox.com/I"

#: version 3 has room for 53 bytes at level L, an address needs 48
SIZE = 29
DATA_CODEWORDS, CHECK_CODEWORDS = 55, 15
ALIGNMENT = 22
#: level L with mask 0, as its 15 protected bits
FORMAT_BITS = 0b111011111000100
BYTE_MODE = 0b0100
#: x^8 + x^4 + x^3 + x^2 + 1, the polynomial of the code's field
FIELD = 0x11D

#: pixels per module, and the empty modules around the code
SCALE, MARGIN = 4, 4

#: rows of modules by (x, y)
Modules = dict[tuple[int, int], bool]


def draw(_state: State, params: Record) -> Answer:
    """id-anything-qr: a picture for any well-formed id, also one that leads nowhere."""
    return Answer(image=png(qr_code(ADDRESS + checks.identifier(params, "id"))))


def qr_code(text: str) -> Modules:
    """Give every module of the code of a text of 53 characters at most; true is dark."""
    modules = _patterns()
    bits = (bool(word >> bit & 1) for word in _codewords(text.encode("latin-1")) for bit in range(7, -1, -1))
    for x, y in _zigzag():
        if (x, y) not in modules:
            modules[x, y] = next(bits, False) ^ ((x + y) % 2 == 0)
    return modules


def png(modules: Modules) -> bytes:
    """Draw the code in black on white, one bit per pixel."""
    side = (SIZE + 2 * MARGIN) * SCALE
    rows = bytearray()
    for row in range(side):
        y = row // SCALE - MARGIN
        light = "".join("01"[not modules.get((column // SCALE - MARGIN, y))] for column in range(side))
        rows += b"\x00" + int(light.ljust(-(-side // 8) * 8, "1"), 2).to_bytes(-(-side // 8), "big")
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )  # fmt: skip


def _patterns() -> Modules:
    """Draw what is the same in every code: finders, alignment, timing and format."""
    modules = {(x, 6): x % 2 == 0 for x in range(SIZE)} | {(6, y): y % 2 == 0 for y in range(SIZE)}
    for left, top in ((3, 3), (SIZE - 4, 3), (3, SIZE - 4)):
        for x, y in _square(left, top, 4):
            if 0 <= x < SIZE and 0 <= y < SIZE:
                modules[x, y] = max(abs(x - left), abs(y - top)) not in (2, 4)
    for x, y in _square(ALIGNMENT, ALIGNMENT, 2):
        modules[x, y] = max(abs(x - ALIGNMENT), abs(y - ALIGNMENT)) != 1
    beside = [*((8, y) for y in (*range(6), 7, 8)), (7, 8), *((x, 8) for x in range(5, -1, -1))]
    apart = [*((SIZE - 1 - x, 8) for x in range(8)), *((8, y) for y in range(SIZE - 7, SIZE))]
    for places in (beside, apart):
        modules |= {place: bool(FORMAT_BITS >> bit & 1) for bit, place in enumerate(places)}
    modules[8, SIZE - 8] = True
    return modules


def _square(left: int, top: int, reach: int) -> Iterator[tuple[int, int]]:
    span = range(-reach, reach + 1)
    return ((left + x, top + y) for x in span for y in span)


def _zigzag() -> Iterator[tuple[int, int]]:
    """Walk the modules as the bits are laid: pairs of columns from the right, up and down in turns."""
    for number, right in enumerate((*range(SIZE - 1, 6, -2), 5, 3, 1)):
        for step in range(SIZE):
            y = step if number % 2 else SIZE - 1 - step
            yield right, y
            yield right - 1, y


def _codewords(text: bytes) -> bytes:
    """Give the text with its length, padded, followed by its Reed-Solomon check."""
    bits = (BYTE_MODE << 8 | len(text)) << 8 * len(text) | int.from_bytes(text, "big")
    padded = (bits << 4).to_bytes(len(text) + 2, "big") + b"\xec\x11" * DATA_CODEWORDS
    data = padded[:DATA_CODEWORDS]
    generator = [1]
    root = 1
    for _ in range(CHECK_CODEWORDS):
        shifted = [*generator, 0]
        for position, factor in enumerate(generator, 1):
            shifted[position] ^= _product(factor, root)
        generator, root = shifted, _product(root, 2)
    rest = [*data, *[0] * CHECK_CODEWORDS]
    for position in range(DATA_CODEWORDS):
        lead = rest[position]
        for offset, factor in enumerate(generator):
            rest[position + offset] ^= _product(factor, lead)
    return data + bytes(rest[DATA_CODEWORDS:])


def _product(one: int, other: int) -> int:
    product = 0
    for bit in range(7, -1, -1):
        product = product << 1 ^ (FIELD if product & 0x80 else 0)
        product ^= one if other >> bit & 1 else 0
    return product


OPERATIONS: dict[str, Operation] = {"id-anything-qr": Read(draw, public=True)}
