"""How a command is carried out at a vendor, once."""
