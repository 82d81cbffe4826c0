"""The PartsBox vendor as a stateful HTTP server in memory."""

from tests.sandbox.faults import Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.limits import LimitRules
from tests.sandbox.partsbox.assumptions import Assumptions
from tests.sandbox.partsbox.ids import id_for, new_id
from tests.sandbox.partsbox.journal import Effect, Leg
from tests.sandbox.partsbox.server import PartsBoxSandbox
from tests.sandbox.partsbox.state import API_KEY, API_USER

__all__ = [
    "API_KEY",
    "API_USER",
    "Assumptions",
    "Effect",
    "Fault",
    "Leg",
    "LimitRules",
    "PartsBoxSandbox",
    "RequestRecord",
    "id_for",
    "new_id",
]
