"""Keyboard layouts, as far as they change what a scanner types: the same key means another character.

Rows are read from the keyboards: number row, top, home and bottom row, each key plain and with Shift. Keys that only
compose accents are taken as the accent.
"""

from __future__ import annotations

from typing import Final

_US: Final = ("`1234567890-=qwertyuiop[]asdfghjkl;'\\zxcvbnm,./", '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"|ZXCVBNM<>?')
_OTHERS: Final = {
    "German": ("^1234567890ß´qwertzuiopü+asdfghjklöä#yxcvbnm,.-", "°!\"§$%&/()=?`QWERTZUIOPÜ*ASDFGHJKLÖÄ'YXCVBNM;:_"),  # noqa: RUF001
    "French": ("²&é\"'(-è_çà)=azertyuiop^$qsdfghjklmù*wxcvbn,;:!", "~1234567890°+AZERTYUIOP¨£QSDFGHJKLM%µWXCVBN?./§"),
    "Spanish": ("º1234567890'¡qwertyuiop`+asdfghjklñ´çzxcvbnm,.-", 'ª!"·$%&/()=?¿QWERTYUIOP^*ASDFGHJKLÑ¨ÇZXCVBNM;:_'),  # noqa: RUF001
    "British": ("`1234567890-=qwertyuiop[]asdfghjkl;'#zxcvbnm,./", '¬!"£$%^&*()_+QWERTYUIOP{}ASDFGHJKL:@~ZXCVBNM<>?'),
}
#: Differs from US by two signs, the same two in both directions.
BRITISH: Final = "British"
FAR_FROM_US: Final = tuple(name for name in _OTHERS if name != BRITISH)


def us_scanner_on(layout: str) -> dict[int, str]:
    """Give what a computer set to this layout makes of a scanner that types as a US keyboard."""
    return dict(zip(map(ord, "".join(_US)), "".join(_OTHERS[layout]), strict=True))


def scanner_set_to(layout: str) -> dict[int, str]:
    """Give what a reader of US keys makes of a scanner set to this layout.

    Characters that the layout keeps behind AltGr are no characters on a US keyboard and get lost.
    """
    typed = "".join(_OTHERS[layout])
    lost = dict.fromkeys(set("".join(_US)) - set(typed), "")
    return str.maketrans({**lost, **dict(zip(typed, "".join(_US), strict=True))})
