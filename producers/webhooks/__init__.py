"""The HTTP door: other programs and the stations ask for commands here."""
