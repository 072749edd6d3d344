"""`python -m tests.e2e.browser.preview PORT`: the scripted dashboard, to look at while its files are changed."""

from __future__ import annotations

import sys
from contextlib import suppress

import trio

from tests.e2e.browser.boards import open_scripted


async def main(port: int) -> None:
    """Serve it until the process is ended."""
    async with open_scripted(port=port) as board:
        print(f"{board.address.url}/dashboard", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        trio.run(main, int(sys.argv[1]))
