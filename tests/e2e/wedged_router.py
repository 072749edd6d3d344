"""The daemon with a fault built in, for the watchdog's tests: `python -m tests.e2e.wedged_router HOW CONFIG`.

`unanswered`: after two questions of the canary the model handler accepts and never answers, while the loop turns.
`blocked`: after two questions the loop itself stands still."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import trio
from attrs import define

from router.config.options import ServeOptions, load_for_serving
from router.ingress.asgi import ModelHandler
from router.ingress.exchange import Exchange
from router.ingress.routes import ModelRoute
from router.observers.log import open_log
from supervisors.root import Daemon
from supervisors.sd_notify import Lent, take_lent

ANSWERED = 2  # before the fault, so that the test sees a daemon that was well


@define
class Wedge:
    """A model handler in front of the product's own."""

    inner: ModelHandler
    how: str
    asked: int = 0

    async def answer(self, exchange: Exchange, route: ModelRoute) -> None:
        self.asked += 1
        if self.asked > ANSWERED:
            if self.how == "blocked":
                threading.Event().wait()
            await trio.sleep_forever()
        await self.inner(exchange, route=route)


async def run(how: str, config: Path, lent: Lent) -> int:
    loaded = load_for_serving(ServeOptions(config_path=config))
    daemon = Daemon.of(loaded, open_log("info", "json", redact=lambda line: line), lent=lent)
    front = daemon.parts.deployed.current.front
    front.answer_model = Wedge(inner=front.answer_model, how=how).answer
    return await daemon.run_to_exit()


def main(how: str, config: str) -> int:
    return trio.run(run, how, Path(config), take_lent(os.environ, pid=os.getpid()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
