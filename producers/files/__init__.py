"""File drops: what lies in a folder becomes commands, row by row."""
