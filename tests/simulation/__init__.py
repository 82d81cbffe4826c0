"""The whole system on a virtual clock: plans from a seed, a world that plays them, a runner that judges the plays."""
