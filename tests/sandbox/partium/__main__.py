"""The vendor as a process: `python -m tests.sandbox.partium --port N --ready-file PATH`."""

from tests.sandbox.command_line import serve
from tests.sandbox.partium.server import PartiumSandbox

if __name__ == "__main__":
    serve(PartiumSandbox)
