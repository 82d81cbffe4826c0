"""Decoding the key presses of a scanner that plays a US keyboard."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.inputs.keys import KeyDecoder
from tests.unit.scan_inputs_harness import (
    CAPS_LOCK,
    KEYPAD,
    KEYS,
    LEFT_ALT,
    LEFT_CONTROL,
    LEFT_SHIFT,
    RIGHT_CONTROL,
    RIGHT_SHIFT,
    Key,
    tap,
    typed,
)

PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " "
LABEL = "[)>\x1e06\x1dPSAM14954CT-ND\x1d1PA^b{C}_@/~\x1dQ25\x1e\x04"


def _decode(keys: list[Key]) -> bytes:
    decoder = KeyDecoder()
    return b"".join(decoder.press(key, value) for key, value in keys)


def test_every_printable_character_of_the_us_layout_comes_out_as_typed() -> None:
    assert _decode(typed(PRINTABLE)) == PRINTABLE.encode() + b"\r"


@pytest.mark.parametrize("alt", [False, True], ids=["control", "alt-keypad"])
def test_a_label_keeps_its_separators(alt: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert _decode(typed(LABEL, alt=alt)) == LABEL.encode() + b"\r"


@given(st.text(st.characters(min_codepoint=0, max_codepoint=126)))
def test_whatever_a_scanner_types_is_read_back(text: str) -> None:
    assert _decode(typed(text, alt=True, suffix=0)) == text.encode()


@pytest.mark.parametrize(
    ("keys", "meant"),
    [
        (tap(KEYS["a"], RIGHT_SHIFT), b"A"),
        (tap(KEYS["g"], LEFT_CONTROL), b"\x07"),
        (tap(KEYS["]"], RIGHT_CONTROL), b"\x1d"),
        (tap(KEYS["["], LEFT_CONTROL), b"\x1b"),
        (tap(KEYS["\\"], LEFT_CONTROL), b"\x1c"),
        (tap(KEYS["6"], LEFT_CONTROL, LEFT_SHIFT), b"\x1e"),
        (tap(KEYS["6"], LEFT_CONTROL), b"\x1e"),
        (tap(KEYS["-"], LEFT_CONTROL), b"\x1f"),
        (tap(KEYS["2"], LEFT_CONTROL), b"\x00"),
        (tap(KEYS["d"], LEFT_CONTROL, LEFT_SHIFT), b"\x04"),
        (tap(KEYS["1"], LEFT_CONTROL), b""),
        (tap(KEYPAD["1"], LEFT_CONTROL), b""),
        (tap(KEYPAD["5"]), b"5"),
        (tap(86), b"\\"),
        (tap(28), b"\r"),
        (tap(96), b"\r"),
        (tap(15), b"\t"),
        (tap(28, LEFT_ALT), b"\r"),
        (tap(59), b""),  # F1
        (tap(KEYS["a"], LEFT_ALT), b""),
        ([(KEYS["a"], 1), (KEYS["a"], 2), (KEYS["a"], 2), (KEYS["a"], 0)], b"a"),
        ([(LEFT_SHIFT, 1), (LEFT_SHIFT, 2), (KEYS["a"], 1), (KEYS["a"], 0), (LEFT_SHIFT, 0)], b"A"),
        ([*tap(KEYS["a"], LEFT_SHIFT), *tap(KEYS["a"])], b"Aa"),
        ([(LEFT_SHIFT, 1), (RIGHT_SHIFT, 1), (LEFT_SHIFT, 0), *tap(KEYS["a"]), (RIGHT_SHIFT, 0)], b"A"),
    ],
)
def test_modifiers_and_keys_that_are_not_letters(keys: list[Key], meant: bytes) -> None:
    assert _decode(keys) == meant


def test_caps_lock_turns_the_case_of_letters_and_of_nothing_else_until_it_is_pressed_again() -> None:
    keys = [*tap(CAPS_LOCK), *tap(KEYS["a"]), *tap(KEYS["b"], LEFT_SHIFT), *tap(KEYS["1"]), *tap(KEYS["1"], LEFT_SHIFT)]

    assert _decode([*keys, *tap(CAPS_LOCK), *tap(KEYS["a"])]) == b"Ab1!a"


@pytest.mark.parametrize(
    ("digits", "meant"),
    [
        ("029", b"\x1d"),
        ("29", b"\x1d"),
        ("0030", b"\x1e"),
        ("065", b"A"),
        ("0196", "Ä".encode()),
        ("142", "Ä".encode()),
        ("256", b""),
        ("00029", b""),
        ("", b""),
    ],
)
def test_alt_and_keypad_digits_are_one_character_as_on_windows(digits: str, meant: bytes) -> None:
    keys = [(LEFT_ALT, 1), *(event for digit in digits for event in tap(KEYPAD[digit])), (LEFT_ALT, 0)]

    assert _decode(keys) == meant


def test_an_alt_key_that_is_stuck_fills_no_memory() -> None:
    decoder = KeyDecoder()
    decoder.press(LEFT_ALT, 1)

    for _ in range(1000):
        decoder.press(KEYPAD["1"], 1)

    assert len(decoder._alt_digits) < 10
    assert decoder.press(LEFT_ALT, 0) == b""
