"""The checker: what was asked for against what the vendors' own books and the ledgers say of it."""
