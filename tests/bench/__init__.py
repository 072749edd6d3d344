"""The bench: `make bench`, or `python -m tests.bench`."""
