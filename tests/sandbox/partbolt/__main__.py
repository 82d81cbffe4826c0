"""The vendor as a process: `python -m tests.sandbox.partbolt --port N --ready-file PATH`."""

from tests.sandbox.command_line import serve
from tests.sandbox.partbolt.server import PartBoltSandbox

if __name__ == "__main__":
    serve(PartBoltSandbox)
