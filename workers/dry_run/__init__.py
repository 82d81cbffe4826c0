"""The dry run: what a worker would send for a command, rendered without a vendor and without Redis."""
