"""What a label says in one vocabulary, whoever printed it, and the refusal of a scan that says nothing certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What a message shows of a scan or a value.
SHOWN_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class Label:
    """What a label says. An absent field is None; text is as printed, dates of GS1 and 16D as `YYYY-MM-DD`.

    A label with doubts must not be booked without asking. One without them may be, if the directory knows its part:
    `open_doubts` puts both together.
    """

    #: `iso15434-06`, `lcsc`, `tme-qr`, `tme-dm`, `gs1`, `gs1-dl`, `linear`, `reel`, `partsbox-id` or `partsbox-url`.
    format: str
    #: What was read, by the format's own identifiers (`1P`, `qty`, `01`), the first of each.
    fields: Mapping[str, str]
    #: Who sold it, as far as the label tells: `digikey`, `mouser`, `farnell`, `wurth`, `ti`, `nxp`, `lcsc`, `tme`.
    vendor: str | None = None
    supplier_sku: str | None = None
    mpn: str | None = None
    #: The buyer's own number for the part, as the supplier printed it.
    customer_part: str | None = None
    gtin: str | None = None
    manufacturer: str | None = None
    #: Pieces, 1 to `MAX_QUANTITY`.
    quantity: int | None = None
    customer_po: str | None = None
    po_line: str | None = None
    sales_order: str | None = None
    invoice: str | None = None
    packing_list: str | None = None
    lot: str | None = None
    #: Never read as a date: vendors print `1452`, `2022-05` and `08/02/2023` alike.
    date_code: str | None = None
    production_date: str | None = None
    best_before: str | None = None
    expiry: str | None = None
    country: str | None = None
    serial: str | None = None
    sscc: str | None = None
    #: The 26 characters of a PartsBox id; what it names is for the directory to say.
    vendor_id: str | None = None
    #: The numbers to look up in the directory; all must lead to one part, and one of them must be known.
    codes_to_check: tuple[str, ...] = ()
    #: Damage of the transport that was undone.
    repairs: tuple[str, ...] = ()
    #: Why it must not be booked without asking, for the operator.
    doubts: tuple[str, ...] = ()
    #: The same one never stands on two bags, so that it is booked once. None: two bags may carry this very label.
    unique_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a scan is not taken for a label, and what to change; printable text only."""

    reason: str
    #: The setting of the scanner to change, or "" where none would help.
    advice: str = ""


def shown(text: str) -> str:
    """Shorten a text for a message and replace what could steer a terminal."""
    plain = "".join(character if character.isprintable() else "?" for character in text[: SHOWN_CHARACTERS + 1])
    return f'"{plain}"' if len(plain) <= SHOWN_CHARACTERS else f'"{plain[:SHOWN_CHARACTERS]}…"'


def first_of_each(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Keep the first value of each identifier; the doubts name those that stand there again."""
    fields: dict[str, str] = {}
    doubts = []
    for identifier, value in pairs:
        if identifier in fields:
            doubts.append(f"{identifier} stands there twice")
        else:
            fields[identifier] = value
    return fields, tuple(doubts)


def codes_of(*codes: str | None) -> tuple[str, ...]:
    """Collect the numbers that are there, each once."""
    return tuple(dict.fromkeys(code for code in codes if code))
