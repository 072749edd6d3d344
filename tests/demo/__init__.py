"""The demo: `make demo`, or `python -m tests.demo`."""
