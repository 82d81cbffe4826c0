"""The vendor as a process: `python -m tests.sandbox.partsbox --port N --ready-file PATH`."""

from tests.sandbox.command_line import serve
from tests.sandbox.partsbox.server import PartsBoxSandbox

if __name__ == "__main__":
    serve(PartsBoxSandbox)
