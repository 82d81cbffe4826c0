"""Every kind of command that is played: the files are imported here, so that their kinds are entered."""

from tests.simulation.kinds import catalog, parts, places, projects, stock
from tests.simulation.kinds.kind import KINDS, Fields, Kind

__all__ = ["FILES", "KINDS", "Fields", "Kind"]

FILES = (catalog, parts, places, projects, stock)
