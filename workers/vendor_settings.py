"""What a worker is told of each vendor: address, secrets, limits. Light: the operator's CLI reads the limits too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from workers.limits import LimitPolicy, Rate
from workers.vendors.access import (
    check_address,
    check_openbom_app_key,
    check_openbom_username,
    check_partbolt_token,
    check_partium_key,
    check_partsbox_key,
    check_password,
)


def _parse_rates(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return tuple(Rate.parse(part.strip()) for part in value.split(","))
    except ValueError:
        # its words quote the value, and in an environment anything may stand in the wrong place
        raise ValueError("not rates like 2/1s, 5000/1d or 2/1s+5, several by comma") from None


def _checked_address(address: str) -> str:
    check_address(address)
    return address


Address = Annotated[str, AfterValidator(_checked_address)]
Rates = Annotated[tuple[Rate, ...], BeforeValidator(_parse_rates)]


class VendorSettings(BaseModel):
    """What every vendor has; the defaults of limits are the vendor reference's."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    #: Without these the vendor is not served; each with what raises ValueError, not quoting it, for what it cannot be.
    secrets: ClassVar[Mapping[str, Callable[[str], None]]]
    #: Tries of one command that may come to nothing before a person must see it.
    attempts: ClassVar[int] = 12

    url: Address
    rates: Rates
    concurrency: int = Field(ge=1, le=1000)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    settle_seconds: float = Field(default=60.0, ge=0, le=3600)

    def limit_policy(self) -> LimitPolicy:
        """Give the limits; a slot outlives the longest request and the settle time behind it."""
        return LimitPolicy(self.rates, self.concurrency, self.timeout_seconds + self.settle_seconds + 5)


class PartsBoxSettings(VendorSettings):
    """Settings of the vendor PartsBox (`STOCKRELAY_PARTSBOX_…`)."""

    secrets: ClassVar[Mapping[str, Callable[[str], None]]] = {"api_key": check_partsbox_key}

    url: Address = "https://api.partsbox.com/api/1"
    api_key: SecretStr
    #: The name that PartsBox shows for our API user; left out, every unmarked entry like ours may be ours.
    user: str | None = None
    rates: Rates = (Rate(2, 1.0, 5),)
    concurrency: int = Field(default=4, ge=1, le=1000)
    #: How often the directory of ids and names is read anew; a scanned id that it does not know asks for it earlier.
    directory_seconds: float = Field(default=900.0, ge=10, le=86_400)


class PartiumSettings(VendorSettings):
    """Settings of the vendor Partium (`STOCKRELAY_PARTIUM_…`)."""

    secrets: ClassVar[Mapping[str, Callable[[str], None]]] = {"api_key": check_partium_key}

    url: Address = "https://api.partium.io"
    api_key: SecretStr
    rates: Rates = (Rate(5, 1.0),)
    concurrency: int = Field(default=2, ge=1, le=1000)


class OpenBomSettings(VendorSettings):
    """Settings of the vendor OpenBOM (`STOCKRELAY_OPENBOM_…`)."""

    secrets: ClassVar[Mapping[str, Callable[[str], None]]] = {
        "app_key": check_openbom_app_key,
        "username": check_openbom_username,
        "password": check_password,
    }
    #: A permanent mistake may be answered with a 500 (vendor reference 4.5): two more tries.
    attempts: ClassVar[int] = 3

    url: Address = "https://developer-api.openbom.com"
    app_key: SecretStr
    #: The e-mail address that the app key was issued to.
    username: SecretStr
    password: SecretStr
    rates: Rates = (Rate(2, 1.0),)
    #: The login counts as one; the vendor refuses a sixth.
    concurrency: int = Field(default=4, ge=1, le=5)


class PartBoltSettings(VendorSettings):
    """Settings of the vendor PartBolt (`STOCKRELAY_PARTBOLT_…`)."""

    secrets: ClassVar[Mapping[str, Callable[[str], None]]] = {"token": check_partbolt_token}

    url: Address = "https://api-public-v1.partbolt.com"
    token: SecretStr
    #: The document says `Authentication`, where HTTP has `Authorization`.
    header: str = Field(default="Authentication", pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")
    rates: Rates = (Rate(2, 1.0),)
    concurrency: int = Field(default=2, ge=1, le=1000)


#: By the vendor's name in queues, keys and settings.
VENDOR_SETTINGS: Final[dict[str, type[VendorSettings]]] = {
    "partsbox": PartsBoxSettings,
    "partium": PartiumSettings,
    "openbom": OpenBomSettings,
    "partbolt": PartBoltSettings,
}
