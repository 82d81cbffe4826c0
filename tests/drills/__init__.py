"""Long runs by hand that count what must be 0: too long for every test run, the same code as is tested there."""
