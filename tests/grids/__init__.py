"""Grids: one command and one trouble in each cell, in every combination, counted; `python -m tests.grids`."""
