"""Every kind of label printed as a symbol, read from the picture, and understood as before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from zxingcpp import BarcodeFormat, create_barcode, read_barcode

from producers.scanner.labels import Label, read_label
from tests.unit.labels_harness import ACCEPTED, CLEAN_ISO, Sample

#: Pixels of the narrowest bar or dot.
SCALE = 4
#: Two symbols one above the other, which the library does not print, and an element that it prints without the FNC1.
NOT_PRINTED = {"gs1-eng-composite", "gs1-eng-128-235"}
SYMBOLS = {
    "lcsc": BarcodeFormat.QRCode,
    "tme-qr": BarcodeFormat.QRCode,
    "tme-dm": BarcodeFormat.DataMatrix,
    "gs1-dl": BarcodeFormat.QRCode,
    "partsbox-id": BarcodeFormat.QRCode,
}
OTHERS = [sample for sample in ACCEPTED if sample.format in SYMBOLS]
ELEMENTS = [sample for sample in ACCEPTED if sample.format == "gs1" and sample.id not in NOT_PRINTED]


def printed_and_scanned(text: str, symbol: BarcodeFormat) -> bytes:
    """What a scanner sends that is set to send the AIM identifier."""
    printed = create_barcode(text, symbol).to_image(scale=SCALE)
    found = read_barcode(printed)
    assert found is not None
    return found.symbology_identifier.encode() + found.bytes


def read(scan: bytes | str) -> Label:
    found = read_label(scan)
    assert isinstance(found, Label), found
    return found


@pytest.mark.parametrize("symbol", [BarcodeFormat.DataMatrix, BarcodeFormat.PDF417], ids=["Data Matrix", "PDF417"])
@pytest.mark.parametrize("sample", CLEAN_ISO, ids=lambda sample: sample.id)
def test_a_suppliers_message_survives_print_and_scan(sample: Sample, symbol: BarcodeFormat) -> None:
    assert read(printed_and_scanned(sample.clean, symbol)) == read(sample.clean)


@pytest.mark.parametrize("sample", OTHERS, ids=lambda sample: sample.id)
def test_a_code_of_plain_text_survives_print_and_scan(sample: Sample) -> None:
    text = sample.raw[3:] if sample.raw.startswith("]") else sample.raw

    assert read(printed_and_scanned(text, SYMBOLS[sample.format])) == sample.label


def test_an_id_in_its_address_survives_print_and_scan() -> None:
    address = "https://partsbox.com/I0123456789abcdefghjkmnpqrs"

    assert read(printed_and_scanned(address, BarcodeFormat.QRCode)) == read(address)


@pytest.mark.parametrize("sample", ELEMENTS, ids=lambda sample: sample.id)
def test_gs1_survives_print_and_scan(sample: Sample) -> None:
    # The library prints no FNC1 in front, which makes Data Matrix, QR and Code 128 symbols of GS1: DataBar always is.
    symbol = {"]E0": BarcodeFormat.EAN13, "]I1": BarcodeFormat.ITF14}.get(sample.raw[:3], BarcodeFormat.DataBarExp)
    elements = "".join(f"({name}){value}" for name, value in sample.fields.items())

    scanned = read(printed_and_scanned(elements if symbol == BarcodeFormat.DataBarExp else sample.raw[3:], symbol))

    assert replace(scanned, doubts=()) == replace(sample.label, doubts=())


@pytest.mark.parametrize("text", ["Q100", "Q000000001", "1PRC0402FR-0710KL", "KPO22000140", "1TLOT 7/A", "9D2022-05"])
def test_a_reels_linear_symbols_survive_print_and_scan(text: str) -> None:
    scanned = printed_and_scanned(text, BarcodeFormat.Code128)

    assert scanned == b"]C0" + text.encode()
    assert read(scanned) == read(f"]C0{text}")
    assert read(scanned).doubts == ()
