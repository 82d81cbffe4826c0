"""What labels say: every one of the collection, the linear and makers' forms, and what is refused and why."""

from __future__ import annotations

import dataclasses
import json

import pytest

from producers.scanner.labels import (
    MAX_LABEL_CHARACTERS,
    Label,
    Refusal,
    compile_pattern,
    open_doubts,
    read_label,
    vouched,
)
from tasks.commands import MAX_QUANTITY
from tests.unit.labels_harness import ACCEPTED, BY_ID, GS, REFUSED, SAMPLES, Sample, directory


def label(scan: bytes | str) -> Label:
    found = read_label(scan)
    assert isinstance(found, Label), found
    return found


def refusal(scan: bytes | str) -> Refusal:
    found = read_label(scan)
    assert isinstance(found, Refusal), found
    return found


def test_the_collection_is_whole() -> None:
    assert len(SAMPLES) == 70
    assert (len(ACCEPTED), len(REFUSED)) == (59, 11)


@pytest.mark.parametrize("sample", ACCEPTED, ids=lambda sample: sample.id)
@pytest.mark.parametrize("aim", [False, True], ids=["as collected", "with AIM identifier"])
def test_every_label_of_the_collection_is_read_right(sample: Sample, aim: bool) -> None:  # noqa: FBT001
    found = label((sample.scan if aim else sample.raw).encode())

    assert found.format == sample.format
    assert found.fields == sample.fields
    assert {name: getattr(found, name) for name in sample.normalized} == sample.normalized


@pytest.mark.parametrize("sample", REFUSED, ids=lambda sample: sample.id)
def test_every_label_that_must_not_be_taken_is_refused(sample: Sample) -> None:
    assert refusal(sample.raw).reason
    assert refusal(sample.scan).reason.isprintable()


def test_an_empty_field_is_absent() -> None:
    assert BY_ID["dk-inv7637"].label.customer_po is None
    found = BY_ID["farnell-bd-1"].label
    assert (found.customer_part, found.lot, found.date_code) == (None, None, None)


def test_text_and_its_bytes_are_the_same_label() -> None:
    for sample in SAMPLES:
        assert read_label(sample.scan) == read_label(sample.scan.encode())


def test_a_label_is_json() -> None:
    for sample in ACCEPTED:
        written = json.loads(json.dumps(dataclasses.asdict(sample.label)))

        assert written["fields"] == sample.fields


def test_an_intact_label_is_booked_without_asking_where_its_supplier_and_symbol_are_sure() -> None:
    asked = {
        sample.id for sample in ACCEPTED if sample.format[:5] != "parts" and not vouched(sample.label, directory())
    }

    assert asked == {
        "dk-bd-2-prepack",  # a bag from DigiKey's own shelf: no order on it
        "gs1-biip-1",  # the rest is GS1 whose scanner does not say so, or that names a pallet but no part
        "gs1-biip-fnc1",
        "gs1-biip-lot-eats",
        "gs1-biip-double-fnc1",
        "gs1-biip-sscc",
    }


@pytest.mark.parametrize(
    ("scan", "fields"),
    [
        ("Q100", {"quantity": 100}),
        ("]C0Q100", {"quantity": 100}),
        ("q5000\r\n", {"quantity": 5000}),
        ("Q000000001", {"quantity": 1}),
        ("Q5000NAR000", {"quantity": 5000}),
        ("1PRC0402FR-0710KL", {"mpn": "RC0402FR-0710KL"}),
        ("]C01Pmixed Case 1%", {"mpn": "mixed Case 1%"}),
        ("]A0PBUYER-7", {"customer_part": "BUYER-7"}),
        ("KPO22000140", {"customer_po": "PO22000140"}),
        ("]C01T4711", {"lot": "4711"}),
        ("9D2022-05", {"date_code": "2022-05"}),
        ("]C0D2231", {"date_code": "2231"}),
        ("4LCN", {"country": "CN"}),
        ("16D20110207", {"production_date": "2011-02-07"}),
        ("16D20111307", {"production_date": "20111307"}),
    ],
)
def test_a_linear_symbol_with_one_identifier_is_read(scan: str, fields: dict[str, object]) -> None:
    found = label(scan)

    assert found.format == "linear"
    assert {name: getattr(found, name) for name in fields} == fields


def test_a_single_field_is_sure_only_if_the_scanner_names_the_symbol() -> None:
    assert label("]C0Q100").doubts == ()
    assert label("Q100").doubts


@pytest.mark.parametrize(
    "scan", ["SHELF-A", "]d1SHELF-A", "D-4", "T800", "Q", "QX", "1P", "1P ", "99P123", "]C0http://x"]
)
def test_a_word_is_not_taken_for_a_field(scan: str) -> None:
    refusal(scan)


@pytest.mark.parametrize(
    "number", ["1", "425261", "100", "3000", "2500", "10000", "5901234123457", "4006381333931", "9" * 26]
)
@pytest.mark.parametrize("aim", ["", "]C0", "]A0", "]d1", "]Q1"])
def test_a_bare_number_is_refused(number: str, aim: str) -> None:
    assert "bare number" in refusal(aim + number).reason


@pytest.mark.parametrize(
    ("scan", "because"),
    [
        ("", "empty"),
        ("]C1", "no valid GS1"),
        ("]", "no label that is known"),
        ("x" * (MAX_LABEL_CHARACTERS + 1), "longer than"),
        ("[)>\x1e06", "without its separators"),
        ("[)>\x1e06\x1d", "holds no field"),
        ("[)>\x1e05\x1d01123", "format"),
        ("[)>\x1e06Q10\x1d1PABC\x1e\x04", "first separator"),
        ("[)>\x1e06\x1dQ10\x1e06\x1dQ20\x1e\x04", "more than one message"),
        ("06\x1dQ10\x1d1PABC", "beginning is lost"),
        ('{"stockitem": 7}', "another program"),
        ("PLAN8720A-CP1PLAN8720A-CPQ5K20835594/3", "without its blanks"),
        ("http://[", "no GS1 Digital Link"),
        ("]E05901234123458", "check digit"),
        ("]C14145412345000014", "check digit"),
        ("]E059012341234", "no article number"),
        ("]C10105901234123457]10ABC", "no valid GS1"),
        ("]C1\u0660105901234123457", "no valid GS1"),
        ("]C1020590123412345737\u0662", "no valid GS1"),
        ("https://id.gs1.org/01/00614141123452?11=21052\u0666", "no GS1 Digital Link"),
        ("abc\x07def", "unreadable characters"),
        ("\x80\x81", "unreadable characters"),
        ("https://partsbox.example/I0123456789abcdefghjkmnpqrs", "no GS1 Digital Link"),
        ("0123456789abcdefghjkmnpqri", "no label that is known"),
    ],
)
def test_what_is_no_sure_label_is_refused_with_the_reason(scan: str, because: str) -> None:
    assert because in refusal(scan).reason


def test_lost_separators_name_the_setting_to_change() -> None:
    assert "transmit FNC1/GS" in refusal(BY_ID["syn-gone"].raw).advice
    assert "transmit FNC1/GS" in refusal("]C10105901234123457^10ABC").advice
    assert "AIM identifier" in refusal("425261").advice
    assert "ALT mode" in refusal("[)>03006029KP0-133702914K011029Q3030004").advice


def test_latin_1_of_an_older_label_is_read() -> None:
    assert label("]C01PWÜRTH-µ7".encode("latin-1")).mpn == "WÜRTH-µ7"


def test_ids_stand_in_an_address_of_the_configured_form() -> None:
    mine = compile_pattern(r"https://stock\.example/(?P<id>[0-9a-z]{26})")
    scan = "https://stock.example/0123456789ABCDEFGHJKMNPQRS"

    found = read_label(scan, mine)

    assert isinstance(found, Label)
    assert (found.format, found.vendor_id) == ("partsbox-url", "0123456789abcdefghjkmnpqrs")
    assert label("]Q1https://partsbox.com/I0123456789abcdefghjkmnpqrs").format == "partsbox-url"
    assert vouched(found, {})


@pytest.mark.parametrize(
    ("pattern", "because"), [("(", "not a regular expression"), ("[0-9a-z]{26}", "one named group")]
)
def test_a_pattern_that_cannot_work_is_refused(pattern: str, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("quantity", "pieces"),
    [
        ("1", 1),
        (str(MAX_QUANTITY), MAX_QUANTITY),
        ("000000250", 250),
        ("0", None),
        ("000000000", None),
        ("01", None),  # Q10 with its digits swapped
        ("00250", None),
        (str(MAX_QUANTITY + 1), None),
        ("1E5", None),
        ("2.5", None),
        ("-5", None),
        ("5000NAR001", None),
        ("\u0661", None),
        ("9" * 4000, None),
    ],
)
def test_a_quantity_is_whole_pieces_or_asked_for(quantity: str, pieces: int | None) -> None:
    scan = BY_ID["mouser-inventree-1"].clean.replace(f"{GS}Q3{GS}", f"{GS}Q{quantity}{GS}")

    found = label(scan)

    assert found.quantity == pieces
    assert vouched(found, directory()) is (pieces is not None)


@pytest.mark.parametrize(
    ("scan", "fields", "vendor", "known"),
    [
        (
            "[)>\x1e06\x1d1PTPS62177\x1dQ3000\x1d1T9876543\x1dD2231\x1d20LSHE\x1d21LUSA\x1d22LCDA\x1d23LCHN\x1e\x04",
            {"mpn": "TPS62177", "date_code": "2231", "lot": "9876543"},
            "ti",
            "TPS62177",
        ),
        (
            "[)>\x1e06\x1d30PBC847,215\x1d1P933589640215\x1dQ3000\x1d1TA1\x1d9D2201\x1e\x04",
            {"mpn": "BC847,215", "supplier_sku": "933589640215"},
            "nxp",
            "BC847,215",
        ),
        (
            "[)>\x1e06\x1d1PCL10A106\x1dQ000000500\x1dSABC1\x1e\x04",
            {"mpn": "CL10A106", "serial": "ABC1", "quantity": 500, "unique_id": "S:CL10A106:ABC1"},
            None,
            "CL10A106",
        ),
        ("]Q11PRC1206,Q5000,1TX1,9D2201", {"mpn": "RC1206", "quantity": 5000, "lot": "X1"}, None, "RC1206"),
        ("]Q1CL05A105KA5NQNC/4000/20220131/XY", {"mpn": "CL05A105KA5NQNC", "quantity": 4000}, None, "CL05A105KA5NQNC"),
        ("]d1LTST-C190KGKT;4000;2301;ABC", {"mpn": "LTST-C190KGKT", "quantity": None}, None, "LTST-C190KGKT"),
        ("]Q1RGT8NS65D   1000   ABCDE", {"mpn": "RGT8NS65D", "quantity": 1000}, None, "RGT8NS65D"),
    ],
)
def test_makers_labels_are_read_and_always_asked_about(
    scan: str, fields: dict[str, object], vendor: str | None, known: str
) -> None:
    found = label(scan)

    assert {name: getattr(found, name) for name in fields} == fields
    assert found.vendor == vendor
    assert known in found.codes_to_check
    assert open_doubts(found, {known: ("part",)})


@pytest.mark.parametrize(
    "scan",
    [
        "A/03/2",
        "]Q1A/03/2",
        "]Q112/2024/100",
        "]Q1https://a/1/2",
        "]Q1HtTps://part4.example/100/x",
        "]C0AB12345/100/200",
        "]d1AB12345/1000",
    ],
)
def test_places_dates_and_addresses_are_no_reel(scan: str) -> None:
    refusal(scan)


@pytest.mark.parametrize(
    ("scan", "unique"),
    [
        (BY_ID["lcsc-inventree"].scan, "lcsc:PICK2009291337:34421807"),
        (BY_ID["dk-bd-2-prepack"].scan, "J:88EFC224.BD844ABB.8A542FF7.7F3C82260D83"),
        ("[)>\x1e06\x1d1PABC\x1dQ5\x1d3S998\x1e\x04", "3S:998"),
        ("]d200157035381410375177", "sscc:157035381410375177"),
        ("]d2010590123412345721SER1", "gtin:05901234123457:SER1"),
        ("]d2010590123412345710LOT", None),
        (BY_ID["dk-inv7637"].scan, None),  # two bags of one order line carry the same text
        (BY_ID["mouser-inventree-1"].scan, None),
        (BY_ID["tme-inventree-dm"].scan, None),
        (BY_ID["lcsc-inventree"].scan.replace("34421807", ""), None),
    ],
)
def test_only_a_label_with_a_number_of_its_own_is_unique(scan: str, unique: str | None) -> None:
    assert label(scan).unique_id == unique


def test_the_directory_must_know_the_part_and_only_one() -> None:
    found = BY_ID["dk-inventree-1"].label
    sku, mpn = "296-LM358BIDDFRCT-ND", "LM358BIDDFR"

    assert found.codes_to_check == (sku, mpn)
    assert open_doubts(found, {mpn: ["a"]}) == ()
    assert open_doubts(found, {sku: ["a"], mpn: ["a", "b"]}) == ()
    assert open_doubts(found, {}) == (f'the directory does not know "{sku}" and "{mpn}"',)
    assert open_doubts(found, {sku: ["a"], mpn: ["b"]}) == (f'"{sku}" and "{mpn}" are different parts',)
    assert open_doubts(found, {mpn: ["a", "b"]}) == (f'"{mpn}" may be 2 parts: choose one',)
    assert open_doubts(label("]C0Q100"), {}) == ("the label names no part",)


@pytest.mark.parametrize(
    ("scan", "because"),
    [
        (BY_ID["lcsc-inventree"].scan.replace(",qty", "qty"), "qty is missing"),
        (BY_ID["lcsc-inventree"].scan.replace("}", ",hp:0,wc:ZH}"), None),
        (BY_ID["lcsc-inventree"].scan[:-1], "end of the label"),
        (BY_ID["lcsc-inventree"].scan.replace("C312270", "312270"), "no LCSC number"),
        (BY_ID["lcsc-inventree"].scan.replace("mc:", "mc:hp:1"), "run together"),
        (BY_ID["lcsc-inventree"].scan.replace("mc:", "qty:3"), "twice"),
        (BY_ID["tme-inventree-qr"].scan.replace(" MPN:", "MPN:"), "MPN is missing"),
        (BY_ID["tme-inventree-qr"].scan.replace(" CPO:", "CPO:"), "run together"),
        (BY_ID["tme-inventree-qr"].scan.replace("PN:WBP-302 PO", "PN:WBP-303 PO"), "the link is to"),
        (BY_ID["tme-inventree-qr"].scan.partition(" RoHS")[0], "link at the end"),
        (BY_ID["tme-inventree-qr"].scan.upper(), None),
        (BY_ID["tme-inventree-qr"].scan.replace("19361337/1", "19361337"), "no order and line"),
        ("[)>\x1e06\x1d1PTPS62177\x1dQ3000\x1d20LSHE\x1d21LUSA\x1e\x04", "which fields every ti label has"),
        (BY_ID["tme-inventree-dm"].scan.replace(" 1P", " X 1P"), "check it"),
        ("]C1010590123412345737251523", "belong together"),
        ("]C10205901234123457372521123", "swallowed"),
        ("]C102059012341234573725\x1d10A", None),
        ("]C102059012341234573725\x1d3026", "no quantity"),
        ("]C1010590123412345710A\x1d10B", "10 stands there twice"),
        ("https://id.gs1.org/00/106141412345678908?02=00614141123452&37=25&37=30", "(37) stands there twice"),
        ("https://id.gs1.org/00/106141412345678908?02=00614141123452&7=25", "(7) stands there twice or is damaged"),
        ("]C001059012341234573725", "does not say"),
        (BY_ID["dk-inv7637"].clean.replace(f"{GS}30P", "30P"), "no DigiKey number"),
        (BY_ID["dk-inv7637"].clean.replace(f"{GS}1P", "1P"), "P and 1P may have run together"),
        (BY_ID["dk-inv7637"].clean.replace(f"{GS}1TS", "1TS"), "9D and 1T may have run together"),
        (BY_ID["dk-inv7637"].clean.replace(f"{GS}4L", f"{GS}3L"), "3L is on no digikey label"),
        (BY_ID["mouser-inventree-1"].clean.replace(f"{GS}4LMX", f"{GS}4LM"), '4L reads "M"'),
        (BY_ID["mouser-inventree-1"].clean.replace(f"{GS}4LMX", f"{GS}4LMX{GS}4LMX"), "4L stands there twice"),
        (BY_ID["mouser-inventree-1"].clean.replace(f"{GS}4LMX", f"{GS}4LMX{GS}---"), "behind no identifier"),
        (BY_ID["wurth-bd-1"].clean.replace("329012581410000", "32901258141000"), "not a label of a supplier"),
    ],
)
def test_a_damaged_label_says_what_is_wrong_with_it(scan: str, because: str | None) -> None:
    doubts = label(scan).doubts

    if because is None:
        assert doubts == ()
    else:
        assert any(because in doubt for doubt in doubts), doubts


def test_a_label_that_lost_much_still_names_its_supplier() -> None:
    found = label("[)>\x1e06\x1dP296-1-ND\x1dQ10\x1d11ZPICK\x1d12Z15221337\x1e\x04")

    assert (found.vendor, found.supplier_sku) == ("digikey", "296-1-ND")
    assert "13Z is missing: part of the label is lost" in found.doubts


def test_two_counts_of_one_label_are_no_quantity() -> None:
    assert label("]C102059012341234573725\x1d3026").quantity is None


def test_an_add_on_and_the_shorter_numbers_are_article_numbers() -> None:
    assert label("]E3590123412345712345").gtin == "05901234123457"
    assert label("]E359012341234571 2".replace(" ", "")).gtin == "05901234123457"
    assert label("]E496385074").gtin == "00000096385074"
    assert label("]E0036000291452").gtin == "00036000291452"
