"""One package per vendor, the same file names in each: client, wire, and one file per capability."""
