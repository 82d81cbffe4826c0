"""The OpenBOM vendor as a stateful HTTP server in memory."""

from tests.sandbox.faults import Fault
from tests.sandbox.journal import RequestRecord
from tests.sandbox.limits import LimitRules
from tests.sandbox.openbom.accounts import APP_KEY, EMAIL, PASSWORD
from tests.sandbox.openbom.assumptions import Assumptions
from tests.sandbox.openbom.ids import column_id, id_for
from tests.sandbox.openbom.journal import Effect
from tests.sandbox.openbom.server import OpenBomSandbox

__all__ = [
    "APP_KEY",
    "EMAIL",
    "PASSWORD",
    "Assumptions",
    "Effect",
    "Fault",
    "LimitRules",
    "OpenBomSandbox",
    "RequestRecord",
    "column_id",
    "id_for",
]
