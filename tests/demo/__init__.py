"""The demo: a short warehouse day with everything that goes wrong, counted at the end."""
