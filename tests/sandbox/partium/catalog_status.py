"""The status of the catalog: what was written is only staged until an import was triggered (vendors.md 3.4)."""

from dataclasses import dataclass, field

from tests.sandbox.wire import RefusedError

CLEAN, PROCESSING, DATA_TO_IMPORT, IMPORTING = "clean", "processing", "data_to_import", "importing"

#: what follows on each; only a write leads from clean to processing
STEPS = {PROCESSING: DATA_TO_IMPORT, DATA_TO_IMPORT: IMPORTING, IMPORTING: CLEAN}


@dataclass
class CatalogStatus:
    """Where the catalog stands, and which parts and assemblies can be searched."""

    status: str = CLEAN
    #: written since the last import began, in that order
    staged: list[str] = field(default_factory=list)
    #: what an import that runs is bringing in
    importing: list[str] = field(default_factory=list)
    #: what imports have brought in, deletions included
    imported: list[str] = field(default_factory=list)

    def wrote(self, subject: str) -> None:
        """Note an accepted write."""
        self.staged.append(subject)
        if self.status != IMPORTING:
            self.status = PROCESSING

    def move(self, status: str) -> None:
        """Go one step; raises RefusedError for one that does not come next."""
        if STEPS.get(self.status) != status:
            raise RefusedError("invalid", f"{status} does not follow on {self.status}")
        self.status = status
        if status == IMPORTING:
            self.importing, self.staged = self.staged, []
        if status == CLEAN:
            self.imported += self.importing
            self.importing = []
            if self.staged:
                self.status = PROCESSING

    def describe(self) -> dict[str, str | list[str]]:
        """Give it as JSON."""
        return {"status": self.status, "staged": self.staged, "importing": self.importing, "imported": self.imported}
