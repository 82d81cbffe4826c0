"""How a vendor write behaves when it is repeated: declared on each command, honoured by its task's look-up."""

from enum import StrEnum


class Effect(StrEnum):
    """What repeating a write does to the vendor's data."""

    #: An absolute value: compare, then send again.
    SET = "set"
    #: Limited by the vendor's own state (an order line that is still open): read the state, then send again.
    GUARDED = "guarded"
    #: Adds to what is there: never sent again before a look-up that proves it absent after the settle time.
    RELATIVE = "relative"
    #: Writes nothing itself: reads, and admits one child command per line.
    EXPAND = "expand"
