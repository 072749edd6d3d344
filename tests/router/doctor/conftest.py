from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def seen_by_all() -> Iterator[Path]:
    """Yield a directory that another user may look into, for root, who can become one: pytest's own are closed."""
    if os.geteuid() != 0:
        # what a user may not open can be seen as another user alone
        pytest.skip("only root becomes another user")
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
