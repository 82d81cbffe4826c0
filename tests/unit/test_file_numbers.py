"""Numbers and moments in files: read as the feed declares, or refused with the reason."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.files.moments import MomentError, check_format, check_zone, parse_moment
from producers.files.numbers import NumberError, NumberStyle, parse_decimal, parse_whole

PLAIN = NumberStyle()
POINT = NumberStyle(".")
GERMAN = NumberStyle(",", ".")
COMMA = NumberStyle(",")
ENGLISH = NumberStyle(".", ",")
FRENCH = NumberStyle(",", " ")
SWISS = NumberStyle(".", "'")
PADDED = NumberStyle(leading_zeros=True)


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("5", PLAIN, 5),
        (" 5 ", PLAIN, 5),
        ("\u00a05", PLAIN, 5),
        ("-5", PLAIN, -5),
        ("0", PLAIN, 0),
        ("10.0", PLAIN, 10),
        ("10.00", PLAIN, 10),
        ("10,0", COMMA, 10),
        ("1.000", POINT, 1),
        ("1.000", GERMAN, 1000),
        ("1.000,00", GERMAN, 1000),
        ("-1.000", GERMAN, -1000),
        ("1000", GERMAN, 1000),
        ("12.345.678", GERMAN, 12_345_678),
        ("1,000", ENGLISH, 1000),
        ("1,000.0", ENGLISH, 1000),
        ("1 000", FRENCH, 1000),
        ("1\u202f000", FRENCH, 1000),
        ("1\u00a0000,0", FRENCH, 1000),
        ("1'000", SWISS, 1000),
        ("000000001", PADDED, 1),
        ("0", PADDED, 0),
    ],
)
def test_a_whole_number_is_read_as_declared(text: str, style: NumberStyle, number: int) -> None:
    assert parse_whole(text, style) == number


@pytest.mark.parametrize(
    ("text", "style", "reason"),
    [
        ("", PLAIN, "empty"),
        ("1.000", PLAIN, "may mean a thousand or one"),
        ("-999.000", PLAIN, "may mean a thousand or one"),
        ("0,125", PLAIN, "declare decimal"),
        ("10,0", PLAIN, "declare decimal"),
        ("1,000", POINT, "declare decimal"),
        ("1.000", COMMA, "declare decimal"),
        ("0,125", COMMA, "not a whole number"),
        ("0.5", PLAIN, "not a whole number"),
        ("1E5", PLAIN, "exponent"),
        ("1.5e+10", PLAIN, "exponent"),
        ("1_000", PLAIN, "underscore"),
        ("\uff11\uff10", PLAIN, "digits other than 0 to 9"),
        ("٣", PLAIN, "digits other than 0 to 9"),
        ("²", PLAIN, "digits other than 0 to 9"),
        ("5-Mar", PLAIN, "looks like a date"),
        ("Mar-05", PLAIN, "looks like a date"),
        ("5. Mär", PLAIN, "looks like a date"),
        ("2026-03-05", PLAIN, "looks like a date"),
        ("05.03.2026", PLAIN, "looks like a date"),
        ("2026-03-05T00:00:00", PLAIN, "looks like a date"),
        ("3/5", PLAIN, "looks like a date"),
        ("007", PLAIN, "begins with a zero"),
        ("-07", PLAIN, "begins with a zero"),
        ("+5", PLAIN, "sign"),
        ("5-", PLAIN, "sign"),
        ("5 pcs", PLAIN, "without a unit"),
        ("-", PLAIN, "sign"),
        (".5", PLAIN, "not a number"),
        ("5.", PLAIN, "declare decimal"),
        ("5.-5", POINT, "not a number"),
        ("1.2.3", POINT, "looks like a date"),
        ("1.2.3.4", POINT, "declare decimal"),
        ("0x10", PLAIN, "not a number"),
        ("nan", PLAIN, "not a number"),
        ("Infinity", PLAIN, "not a number"),
        ("\u22125", PLAIN, "not a number"),
        ("1.00", GERMAN, "groups of three"),
        ("1.0000", GERMAN, "groups of three"),
        ("1.000.00", GERMAN, "groups of three"),
        (".000", GERMAN, "groups of three"),
        ("0.125", GERMAN, "groups of three"),
        ("1,5", GERMAN, "not a whole number"),
        ("1,000.5", GERMAN, "groups of three"),
        ("1 000", GERMAN, "declare decimal"),
        ("1" * 41, PLAIN, "longer than 40"),
    ],
)
def test_what_is_no_whole_number_is_refused_with_the_reason(text: str, style: NumberStyle, reason: str) -> None:
    with pytest.raises(NumberError, match=reason):
        parse_whole(text, style)


@pytest.mark.parametrize(
    ("text", "style", "number"),
    [
        ("0,0628", COMMA, "0.0628"),
        ("0.0628", PLAIN, "0.0628"),
        ("0.125", PLAIN, "0.125"),
        ("1.234,5678", GERMAN, "1234.5678"),
        ("12345678901234567.125", POINT, "12345678901234567.125"),
    ],
)
def test_a_decimal_number_keeps_every_digit(text: str, style: NumberStyle, number: str) -> None:
    assert parse_decimal(text, style) == Decimal(number)


@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from([PLAIN, POINT, COMMA, GERMAN, ENGLISH, FRENCH, SWISS]),
)
def test_every_number_written_in_a_style_is_read_back(number: int, style: NumberStyle) -> None:
    grouped = f"{number:,}".replace(",", style.thousands) if style.thousands else str(number)

    assert parse_whole(grouped, style) == number
    assert parse_whole(str(number), style) == number


@given(st.text(max_size=45), st.sampled_from([PLAIN, GERMAN, FRENCH, PADDED]))
def test_any_text_is_a_number_or_refused(text: str, style: NumberStyle) -> None:
    try:
        found = parse_decimal(text, style)
    except NumberError:
        return
    assert found.is_finite()


@pytest.mark.parametrize(
    ("text", "form", "zone", "moment"),
    [
        ("2026-11-21T13:05:00Z", "iso", "Europe/Berlin", 1_795_266_300_000),
        ("2026-11-21T14:05:00+01:00", "iso", "UTC", 1_795_266_300_000),
        ("2026-11-21 14:05", "iso", "Europe/Berlin", 1_795_266_300_000),
        ("2026-11-21T13:05:00.123", "iso", "UTC", 1_795_266_300_123),
        ("21.11.2026 14:05", "%d.%m.%Y %H:%M", "Europe/Berlin", 1_795_266_300_000),
        ("1795266300", "unix-s", "UTC", 1_795_266_300_000),
        ("1795266300.5", "unix-s", "UTC", 1_795_266_300_500),
        ("1795266300123", "unix-ms", "UTC", 1_795_266_300_123),
        # turned back: the earlier of both
        ("2026-10-25T02:30", "iso", "Europe/Berlin", 1_792_888_200_000),
    ],
)
def test_a_moment_is_read_in_its_form_and_zone(text: str, form: str, zone: str, moment: int) -> None:
    assert parse_moment(text, form, zone) == moment


@pytest.mark.parametrize(
    ("text", "form", "zone", "reason"),
    [
        ("2026-11-21", "iso", "UTC", "no time of day"),
        ("20261121", "iso", "UTC", "no time of day"),
        ("tomorrow", "iso", "UTC", "not a moment in the form iso"),
        ("21.11.2026", "%d.%m.%Y %H:%M", "UTC", "not a moment in the form"),
        ("2026-03-29T02:30", "iso", "Europe/Berlin", "does not exist in Europe/Berlin"),
        ("12 o'clock", "unix-s", "UTC", "seconds since 1970"),
        ("1.5", "unix-ms", "UTC", "milliseconds since 1970"),
        ("٣", "unix-ms", "UTC", "milliseconds"),
        ("0001-01-01T00:00+14:00", "iso", "UTC", "out of range"),
        ("0001-01-01T00:00", "iso", "Asia/Tokyo", "out of range"),
    ],
)
def test_what_is_no_moment_is_refused_with_the_reason(text: str, form: str, zone: str, reason: str) -> None:
    with pytest.raises(MomentError, match=reason):
        parse_moment(text, form, zone)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("%d.%m.%Y", "no time of day"),
        ("ISO", "give iso"),
        ("%H:%M", "year, month and day"),
        ("%d.%m.%Y %H:%q", "not a strptime format"),
    ],
)
def test_a_format_that_cannot_tell_two_events_apart_is_refused(form: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_format(form)


@pytest.mark.parametrize("zone", ["Berlin", "", "../UTC", "Europe", "\0"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_zone(zone)


@given(st.text(max_size=40), st.sampled_from(["iso", "unix-s", "unix-ms", "%d.%m.%Y %H:%M"]))
def test_any_text_is_a_moment_or_refused(text: str, form: str) -> None:
    with contextlib.suppress(MomentError):
        assert isinstance(parse_moment(text, form, "Europe/Berlin"), int)
