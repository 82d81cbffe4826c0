"""Scanner stations: scans in, feedback to the operator at once, commands delivered for certain."""
