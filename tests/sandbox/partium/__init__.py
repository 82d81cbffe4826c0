"""The Partium vendor as a stateful HTTP server in memory."""

from tests.sandbox.faults import Fault
from tests.sandbox.journal import Effect, RequestRecord
from tests.sandbox.limits import LimitRules
from tests.sandbox.partium.assumptions import Assumptions
from tests.sandbox.partium.server import PartiumSandbox
from tests.sandbox.partium.state import API_KEY, API_USER

__all__ = [
    "API_KEY",
    "API_USER",
    "Assumptions",
    "Effect",
    "Fault",
    "LimitRules",
    "PartiumSandbox",
    "RequestRecord",
]
