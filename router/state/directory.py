"""Where the daemon's files are."""

from __future__ import annotations

from pathlib import Path

import platformdirs

APPLICATION = "nursery-router"


def state_directory(state_dir: str | None) -> Path:
    """Return the directory of `[server].state_dir`, the user's own where none is set. Touches nothing."""
    return platformdirs.user_state_path(APPLICATION) if state_dir is None else Path(state_dir).expanduser()


def make_private(directory: Path) -> None:
    """Create the directory for its owner alone; one that is there keeps its mode. Raises OSError.

    It may be anybody's, `/tmp` too: the files in it are private by their own modes."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
