"""What every command has in common: the frozen base model and the field types."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from tasks.effects import Effect
from tasks.identity import IDENTITY, Identity, derive_key, markers_in

#: Ten million pieces: above any reel or pallet, below every EAN-8 that was scanned as a number.
MAX_QUANTITY: Final = 10_000_000
#: 2000-01-01 in UTC milliseconds: a smaller number is a timestamp in seconds.
MIN_TIMESTAMP_MS: Final = 946_684_800_000
#: 2100-01-01 in UTC milliseconds: a larger number is a timestamp in microseconds.
MAX_TIMESTAMP_MS: Final = 4_102_444_800_000
#: The vendor documents no length; a comment is for people, with room left for the marker.
MAX_COMMENT: Final = 1_000
#: The same for text of several pages.
MAX_LONG_TEXT: Final = 20_000
#: For what is shown on one line: a name, a footprint.
MAX_LINE: Final = 200

#: A binary float keeps every decimal number of so many digits; a JSON number with more was already changed.
_FLOAT_DIGITS: Final = 15

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Currency(StrEnum):
    """The 35 currency codes of PartsBox `stock/currency`."""

    AED, AUD, BGN, BRL, CAD, CHF, CNY = "aed", "aud", "bgn", "brl", "cad", "chf", "cny"
    CZK, DKK, EUR, GBP, HKD, HRK, HUF = "czk", "dkk", "eur", "gbp", "hkd", "hrk", "huf"
    IDR, ILS, INR, JPY, KRW, MXN, MYR = "idr", "ils", "inr", "jpy", "krw", "mxn", "myr"
    NOK, NZD, PHP, PLN, RON, RUB, SEK = "nok", "nzd", "php", "pln", "ron", "rub", "sek"
    SGD, THB, TRY, TWD, UAH, USD, ZAR = "sgd", "thb", "try", "twd", "uah", "usd", "zar"


def _plain_text(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("contains control characters; send plain text")
    if markers_in(text):
        raise ValueError("contains a [cmd:…] marker, which is reserved; leave it out")
    return text


def _one_line(text: str) -> str:
    if text != text.strip() or len(text.splitlines()) > 1:
        raise ValueError("begins or ends with a blank, or has several lines; send one trimmed line")
    return text


def _exact(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        raise ValueError('not a decimal number; send one like "0.0628"') from None
    if isinstance(value, float) and len(price.as_tuple().digits) > _FLOAT_DIGITS:
        raise ValueError("more digits than a JSON number keeps; send it as a string")
    return price


def _utc_milliseconds(value: int) -> int:
    if not MIN_TIMESTAMP_MS <= value <= MAX_TIMESTAMP_MS:
        raise ValueError("not UTC milliseconds between 2000 and 2100; check the unit (1700000000000 is in 2023)")
    return value


#: PartsBox compact id: 26 characters of the Crockford alphabet (vendor reference 2.1).
VendorId = Annotated[str, StringConstraints(pattern=r"^[0-9a-hjkmnp-tv-z]{26}$")]
Quantity = Annotated[int, Field(gt=0, le=MAX_QUANTITY)]
#: The same for an entry that may be a removal.
SignedQuantity = Annotated[int, Field(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
TimestampMs = Annotated[int, AfterValidator(_utc_milliseconds)]
PlainText = Annotated[str, StringConstraints(max_length=MAX_COMMENT), AfterValidator(_plain_text)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain_text)]
#: Markdown where the vendor shows it as such.
LongText = Annotated[str, StringConstraints(max_length=MAX_LONG_TEXT), AfterValidator(_plain_text)]
#: Text on one line, exactly as the vendor keeps it; empty to clear it.
Line = Annotated[str, StringConstraints(max_length=MAX_LINE), AfterValidator(_plain_text), AfterValidator(_one_line)]
#: What a record is found by again: never empty, and nothing at its ends that a vendor may cut off.
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_LINE), AfterValidator(_plain_text), AfterValidator(_one_line)
]
#: A custom field of PartsBox; both lengths are from its document.
CustomKey = Annotated[
    str, StringConstraints(min_length=1, max_length=256), AfterValidator(_plain_text), AfterValidator(_one_line)
]
CustomValue = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_plain_text)]
Price = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=8), BeforeValidator(_exact)]
Tag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
#: All tags of a record; none to clear them.
Tags = Annotated[tuple[Tag, ...], Field(max_length=100)]
#: A share in percent; four decimal places are one piece in a million.
Percentage = Annotated[Decimal, Field(ge=0, le=100, decimal_places=4), BeforeValidator(_exact)]
#: Who saw the event: a station, a webhook source, an API client.
Source = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]


class Model(BaseModel):
    """Frozen, exact and strict: an unknown field or a number of the wrong type is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=False)


class Command(Model):
    """One thing that happened in the warehouse, as one change asked of one vendor.

    `stock_timestamp` is the moment of the physical event, fixed at capture and never changed by a retry or replay.
    """

    kind: ClassVar[str]
    vendor: ClassVar[str]
    effect: ClassVar[Effect]

    stock_timestamp: Annotated[TimestampMs, IDENTITY]
    source: Annotated[Source, IDENTITY] = "api"
    comments: PlainText = ""

    def lanes(self) -> tuple[str, ...]:
        """Name what this command must be serial with."""
        raise TypeError(f"{type(self).__name__} declares no lane")

    def summary(self) -> str:
        """Say in one short line what is asked, for people who watch; never a secret."""
        return self.kind

    @classmethod
    def identity_fields(cls) -> tuple[str, ...]:
        """List the fields that make two commands the same one."""
        return tuple(
            name for name, info in cls.model_fields.items() if any(isinstance(item, Identity) for item in info.metadata)
        )

    def identity(self) -> dict[str, Any]:
        """Give the identity fields that have a value, ready for JSON.

        An optional one that is left out is left out of the key too: a later version may add more of them.
        """
        return self.model_dump(mode="json", include=set(self.identity_fields()), exclude_none=True)

    def key(self) -> str:
        """Derive the idempotency key: equal for every arrival of the same event, different for any other."""
        return derive_key(self.kind, self.vendor, fields=self.identity())
