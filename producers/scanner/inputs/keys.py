"""Key presses of a scanner that plays a keyboard, turned into bytes by the US layout, whatever the host's layout.

Codes are those of Linux, `include/uapi/linux/input-event-codes.h`. Scanners are set to the US layout; see `doctor`.
"""

from __future__ import annotations

from typing import Final

_SHIFTS: Final = frozenset((42, 54))
_CONTROLS: Final = frozenset((29, 97))
_ALTS: Final = frozenset((56, 100))
_CAPS_LOCK: Final = 58
_RELEASED, _PRESSED = 0, 1


def _row(first: int, plain: str, shifted: str) -> dict[int, tuple[str, str]]:
    return {first + place: pair for place, pair in enumerate(zip(plain, shifted, strict=True))}


#: The character of each key, plain and with Shift.
_CHARACTERS: Final = {
    **_row(2, "1234567890-=", "!@#$%^&*()_+"),
    **_row(16, "qwertyuiop[]", "QWERTYUIOP{}"),
    **_row(30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    **_row(43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    57: (" ", " "),
    # The key beside the left Shift of ISO keyboards.
    86: ("\\", "|"),
}
_KEYPAD_DIGITS: Final = {
    71: "7", 72: "8", 73: "9", 75: "4", 76: "5", 77: "6", 79: "1", 80: "2", 81: "3", 82: "0",
}  # fmt: skip
_KEYPAD: Final = {**_KEYPAD_DIGITS, 55: "*", 74: "-", 78: "+", 83: ".", 98: "/"}
#: Enter, the keypad's Enter, Tab: what scanners are set to send after a code.
_SUFFIX_KEYS: Final = {28: b"\r", 96: b"\r", 15: b"\t"}
#: Terminals take these with Control without Shift, too.
_CONTROL_ALIASES: Final = {"2": "@", "6": "^", "-": "_"}
#: Alt codes have at most four digits; what is longer is no code.
_MAX_ALT_DIGITS: Final = 4


class KeyDecoder:
    """Remembers which modifiers one device holds down. Each device needs its own."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._caps = False
        self._alt_digits = ""

    def press(self, key: int, value: int) -> bytes:
        """Give the bytes that a key event (0 released, 1 pressed, 2 repeated) completes; most give none or one."""
        if key in _SHIFTS | _CONTROLS | _ALTS:
            return self._modifier(key, value)
        # A key that is held repeats; a scanner never holds one.
        if value != _PRESSED:
            return b""
        if key == _CAPS_LOCK:
            self._caps = not self._caps
            return b""
        if key in _SUFFIX_KEYS:
            return _SUFFIX_KEYS[key]
        if self._held & _ALTS:
            # One digit too many marks it as no code; more would only fill the memory.
            self._alt_digits = (self._alt_digits + _KEYPAD_DIGITS.get(key, ""))[: _MAX_ALT_DIGITS + 1]
            return b""
        return self._character(key)

    def _modifier(self, key: int, value: int) -> bytes:
        if value != _RELEASED:
            self._held.add(key)
            return b""
        self._held.discard(key)
        if self._held & _ALTS or not self._alt_digits:
            return b""
        digits, self._alt_digits = self._alt_digits, ""
        return _alt_code(digits)

    def _character(self, key: int) -> bytes:
        if key in _KEYPAD:
            return b"" if self._held & _CONTROLS else _KEYPAD[key].encode()
        plain, shifted = _CHARACTERS.get(key, ("", ""))
        is_shifted = bool(self._held & _SHIFTS) != (self._caps and plain.isalpha())
        character = shifted if is_shifted else plain
        return _control(character) if self._held & _CONTROLS else character.encode()


def _control(character: str) -> bytes:
    """Give the control character of Control and this key: `@` to `_` are 0 to 31 (ECMA-48)."""
    letter = _CONTROL_ALIASES.get(character, character).upper()
    return bytes((ord(letter) & 0x1F,)) if letter and "@" <= letter <= "_" else b""


def _alt_code(digits: str) -> bytes:
    """Give the character of Alt and keypad digits as Windows does: a leading zero means cp1252, else cp437."""
    if len(digits) > _MAX_ALT_DIGITS or int(digits) > 0xFF:  # noqa: PLR2004  the largest byte
        return b""
    code = bytes((int(digits),))
    if code.isascii():
        return code
    return code.decode("cp1252" if digits[0] == "0" else "cp437", "replace").encode()
