"""The vendor as a process: `python -m tests.sandbox.openbom --port N --ready-file PATH`."""

from tests.sandbox.command_line import serve
from tests.sandbox.openbom.server import OpenBomSandbox

if __name__ == "__main__":
    serve(OpenBomSandbox)
