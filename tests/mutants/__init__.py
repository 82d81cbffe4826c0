"""Hand-made breakages of the promise, each of which a named test must find."""
