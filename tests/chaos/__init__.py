"""Chaos: the real processes, killed and cut off in the middle of everything, and every command counted at the end."""
