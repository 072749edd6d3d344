"""Fakes that tests and `make fake` run: a fault-injecting upstream."""
