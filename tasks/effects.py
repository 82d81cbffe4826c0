"""How a vendor write behaves when it is repeated: declared on each command, honoured by its task's look-up."""

from enum import StrEnum


class Effect(StrEnum):
    """What repeating a write does to the vendor's data."""

    #: An absolute value: compare, then send again.
    SET = "set"
    #: The whole record, created or replaced: compare, then send again.
    UPSERT = "upsert"
    #: A new record at each send: found again by its marker or name, and looked for before it is sent again.
    CREATE = "create"
    #: Limited by the vendor's own state (a line that is still open, a record still there): read it, then send again.
    GUARDED = "guarded"
    #: Adds to what is there: never sent again before a look-up that proves it absent after the settle time.
    RELATIVE = "relative"
    #: Writes nothing itself: reads, and admits other commands.
    EXPAND = "expand"
