"""The reconciler: what the ledger says was applied, compared with what each vendor shows."""

from typing import Final

#: The vendors that anything is written to.
RECONCILED: Final = ("partsbox", "partium", "openbom")
