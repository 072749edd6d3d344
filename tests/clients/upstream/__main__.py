"""`python -m tests.clients.upstream --kind gemini --port 9000`: the scripted upstream as a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

import trio

from tests.clients.upstream.server import KINDS, SPEAKERS, Death, Server
from tests.fakes.upstream import open_upstream


async def main(server: Server, port: int) -> None:
    """Serve until killed."""
    async with open_upstream(port=port, respond=server.respond):
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.clients.upstream", description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--death", type=Death, choices=list(Death), default=None, help="kill itself in mid-turn")
    parser.add_argument("--record", type=Path, default=None, help="append every request to this file, as JSON lines")
    given = parser.parse_args()
    trio.run(main, Server(speaker=SPEAKERS[given.kind], death=given.death, record_path=given.record), given.port)
