"""Real coding agents against the router: `make clients`, or `python -m tests.clients`."""
