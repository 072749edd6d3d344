"""`python -m tests.real.cuts`: answers that are cut off and gone on with, between two real llama.cpp servers.

Each stream of the first server is cut at a random byte on its way to the router, which lets the second one go on. Both have
the same model, so that the first one's whole answer is what it should have been. Told are the answers that are the same as
that, those that part from it behind the seam, and errors; text that stands twice, or is missing, would be a fault."""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import platformdirs
import trio
from attrs import define, frozen
from hypercorn.trio import serve
from quart import Response, request
from quart_trio import QuartTrio

from tests.e2e.daemon import Running, free_port, open_program, open_router, provider, router_config
from tests.real.recorder import bound, said_in

MODEL = "qwen2.5-coder-1.5b"
START_S = 180.0
ANSWER_S = 300.0
MAX_TOKENS = 160
_TEXT = b'"content":"'
_PAST_FIRST = 500  # bytes: a first word has been said by then
SEAM_CHARS = 12  # that must be right behind the seam for it to be told from chance
PROMPTS = (
    "Write a Python function that reverses a linked list, with a short explanation.",
    "Explain in five sentences how a hash table works.",
    "List ten animals, one per line, each with its habitat.",
    "Write a shell script that counts the lines of all .py files below a directory.",
    "Erkläre in drei Sätzen, was ein Compiler tut.",
    "用三句话解释什么是递归。",
    "Write a markdown table of the five largest planets with their diameters.",
    "Write a C function that copies a string, in a fenced code block.",
    "Tell a short story about a robot that learns to paint.",
    "Give me a JSON object that describes a book, then explain its fields.",
)


@define
class Scissors:
    """A reverse proxy that cuts the body of a stream, at a `share` of the way from its first text to its last.

    `whole` is what the server said, `passed` what was let through."""

    client: httpx.AsyncClient
    share: float = 0.5
    whole: bytes = b""
    passed: bytes = b""

    def app(self) -> QuartTrio:
        """Return the proxy; the caller owns the client."""
        app = QuartTrio(__name__)
        app.config["RESPONSE_TIMEOUT"] = None

        @app.route("/<path:path>", methods=["GET", "POST"])
        async def relay(path: str) -> Response:
            body = await request.get_data()
            answer = await self.client.request(
                request.method, f"/{path}", content=body, headers={"content-type": "application/json"}
            )
            content = answer.content
            if request.method == "POST":
                self.whole = content
                first, last = content.index(_TEXT) + _PAST_FIRST, content.rindex(_TEXT)
                content = self.passed = content[: first + int(self.share * (last - first))]
            return Response(content, answer.status_code, content_type=answer.headers["content-type"])

        return app


@frozen(kw_only=True)
class Outcome:
    """One cut: the verdict, and the text from a little before the seam on, for a person to read."""

    verdict: str
    prompt: str
    seam: int
    expected: str
    got: str
    body: bytes


@frozen
class Rig:
    """The router with the scissors in front of its first server."""

    url: str
    scissors: Scissors

    async def ask(self, prompt: str) -> bytes:
        """Return the body of one streamed answer."""
        body = {"model": "any", "stream": True, "max_tokens": MAX_TOKENS, "temperature": 0, "seed": 1}
        messages = [{"role": "user", "content": prompt}]
        async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
            answer = await client.post(f"{self.url}/v1/chat/completions", json={**body, "messages": messages})
        return answer.content

    async def cut(self, prompt: str, rng: random.Random) -> Outcome:
        """Ask once, cut at a random byte of the stream; the first server's whole answer is what it would have been."""
        self.scissors.share = rng.random()
        body = await self.ask(prompt)
        got = said_in(body).text
        whole, said = said_in(self.scissors.whole).text, _whole_frames(self.scissors.passed)
        verdict = _verdict(whole, got, len(said), is_error=b'"error"' in body)
        return Outcome(verdict=verdict, prompt=prompt, seam=len(said), expected=whole, got=got, body=body)


def _whole_frames(body: bytes) -> str:
    return said_in(body[: body.rfind(b"\n\n") + 2]).text


def _verdict(whole: str, got: str, seam: int, *, is_error: bool) -> str:
    if is_error:
        return "error"
    if got == whole:
        return "identical"
    if whole.startswith(got) and len(got) >= seam:
        return "the same, but shorter"  # of its limit of tokens what was said is taken off, by an estimate
    if not got.startswith(whole[:seam]):
        return "FAULT: what was said is not there"
    behind, expected = got[seam:], whole[seam:]
    if behind[:SEAM_CHARS] == expected[:SEAM_CHARS]:
        return "diverges later"
    before = whole[max(0, seam - 24) : seam]
    if len(before.strip()) >= SEAM_CHARS and behind.startswith(before):
        return "FAULT: said twice"
    if expected[4:].startswith(behind[:SEAM_CHARS]):
        return "FAULT: text is missing"
    return "diverges at once"


@asynccontextmanager
async def open_rig(directory: Path) -> AsyncIterator[Rig]:
    """Start two servers, the scissors and the router; everything ends with the context."""
    ports = [free_port() for _ in range(4)]
    cache = str(platformdirs.user_cache_path("nursery-router") / "models")
    async with AsyncExitStack() as stack:
        for port in ports[:2]:
            argv = ("-m", "router.embedded", "--model", MODEL, "--port", str(port), "--context", "4096", "--cache", cache)
            await stack.enter_async_context(
                open_program(argv, port=port, directory=directory, ready_path="/health", ready_timeout_s=START_S)
            )
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=ANSWER_S, trust_env=False)
        )
        nursery = await stack.enter_async_context(trio.open_nursery())
        scissors = Scissors(client)
        await nursery.start(partial(serve, scissors.app(), bound(ports[2])))
        providers = [
            provider(name, port, kind="openai_compat", timeout_s=ANSWER_S, prefill=True)
            for name, port in (("first", ports[2]), ("second", ports[1]))
        ]
        config = router_config(ports[3], providers=providers, profile_keys={"partial_stitch_action": "continue"})
        router: Running = await stack.enter_async_context(open_router(config, directory=directory))
        yield Rig(router.url, scissors)
        nursery.cancel_scope.cancel()


async def main(cuts: int, seed: int) -> list[Outcome]:
    """Cut so many answers; return what became of each."""
    rng = random.Random(seed)  # noqa: S311 - the same cuts again for the same seed
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as directory:
        async with open_rig(Path(directory)) as rig:
            for number in range(cuts):
                prompt = PROMPTS[number % len(PROMPTS)]
                outcomes.append(await rig.cut(prompt, rng))
                print(f"{number + 1:4} of {cuts}  {outcomes[-1].verdict:18} {prompt[:60]}", flush=True)
    return outcomes


def report(outcomes: list[Outcome]) -> None:
    """Print the shares, and every seam that is not plainly right."""
    told: dict[str, Any] = dict(Counter(outcome.verdict for outcome in outcomes))
    print(orjson.dumps(told).decode())
    for outcome in outcomes:
        if outcome.verdict != "identical":
            print(f"  {outcome.verdict}: {outcome.prompt!r} at {outcome.seam}")
            print(f"    expected {_around(outcome.expected, outcome.seam)}")
            print(f"    got      {_around(outcome.got, outcome.seam)}")
            if not outcome.got:
                print(f"    body     {outcome.body[:2000]!r}")


def _around(text: str, seam: int) -> str:
    return f"{text[max(0, seam - 30) : seam]!r} | {text[seam : seam + 40]!r}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.real.cuts", description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report(trio.run(main, options.cuts, options.seed))
