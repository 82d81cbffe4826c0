"""Every kind of command as cases: the files are imported here, so that their cases are entered."""

from tests.conformance.catalogue import catalog, documents, parts, places, projects, routed, stock
from tests.conformance.catalogue.case import CASES, ROUTES, Case, Scene, Vendors

__all__ = ["CASES", "FILES", "ROUTES", "Case", "Scene", "Vendors"]

FILES = (catalog, documents, parts, places, projects, routed, stock)
