"""What the JSON models of every vendor are made of: exact in what is sent, patient with what comes back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

#: Whole numbers above this are not exact as JSON numbers (RFC 8259, 6); a quantity or a time never is.
_MAX_EXACT: Final = 2**53


def _whole(value: object) -> object:
    """Take 12 and 12.0 (the newer document announces floats), not 12.5, true or "12"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_EXACT:
        raise ValueError("not a whole number")
    return value


def _unbroken(value: object) -> object:
    """Mend text whose emoji was cut in two: half of a surrogate pair can't be stored anywhere."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _word(value: object) -> object:
    """Keep a status of a form that nobody foresaw as text: it must not look like none, which means on hand."""
    return value if value is None or isinstance(value, str) else str(value)


#: A count or a time.
Whole = Annotated[int, BeforeValidator(_whole)]
#: Text that can be stored.
Text = Annotated[str, BeforeValidator(_unbroken)]
#: A word of a list that may grow.
Word = Annotated[Text, BeforeValidator(_word)]


class AnswerModel(BaseModel):
    """What the vendor sends: fields we do not know are left out, known ones must be what they are."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(BaseModel):
    """What we send: exactly the document's fields, of exactly its types; what is None is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=False)

    def body(self) -> dict[str, Any]:
        """Give the JSON object; a price stays a Decimal."""
        return self.model_dump(by_alias=True, exclude_none=True)
