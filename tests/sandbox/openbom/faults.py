"""The faults that only this vendor has, beside those that every sandbox has."""

from tests.sandbox import faults
from tests.sandbox.faults import COMMIT, Kind

KINDS: dict[str, Kind] = {
    **faults.KINDS,
    # The same absolute value twice would show nothing, so the colleague sets another one.
    "second_writer": Kind(COMMIT, {**faults.KINDS["second_writer"].options, "value": "999"}),
    "queued": Kind(COMMIT, {"until": "called", "delay_seconds": 0.5}),
}

CHOICES: dict[str, tuple[str, ...]] = {**faults.CHOICES, "until": ("called", "delay")}
