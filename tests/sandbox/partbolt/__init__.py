"""The PartBolt vendor as an HTTP server in memory."""

from tests.sandbox.faults import Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.limits import LimitRules
from tests.sandbox.partbolt.assumptions import Assumptions
from tests.sandbox.partbolt.database import TOKEN
from tests.sandbox.partbolt.ids import id_for
from tests.sandbox.partbolt.server import PartBoltSandbox

__all__ = [
    "TOKEN",
    "Assumptions",
    "Fault",
    "LimitRules",
    "PartBoltSandbox",
    "RequestRecord",
    "id_for",
]
