"""`python -m tests.bench.unobserved serve ...`: the router with its log alone, without metrics, files or series."""

from __future__ import annotations

from router.__main__ import main
from router.observers.fanout import Fanout, Listener


def nobody_listens(_fanout: Fanout, _name: str, _listener: Listener) -> None:
    """Take no listener."""


if __name__ == "__main__":
    Fanout.listen = nobody_listens  # type: ignore[assignment, method-assign]  # what the product has no switch for is taken away here
    main()
