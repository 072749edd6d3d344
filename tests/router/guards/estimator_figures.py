"""The token estimate against the counts of real models: `python -m tests.router.guards.estimator_figures`.

Starts llama.cpp's server with each model that is installed, on a free port of the loopback interface, and ends it again.
Nothing is generated: `/apply-template` writes the prompt of a request, and `/tokenize` counts it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from statistics import median

import httpx
import platformdirs
import trio
from attrs import frozen

from router.domain.request import DialectName, NeutralRequest
from router.embedded.models import MODELS, ModelError, find_parts
from router.guards.calibration import CalibrationState, factor, learn
from router.guards.tokens import DEFAULT, Weights, count_text, count_tokens_request
from router.wire.dialect import UpstreamTarget
from router.wire.registry import DIALECTS
from tests.e2e.daemon import ROOT, free_port
from tests.router.guards.estimator_samples import AGENTS, KINDS, agent_request, text

READY_S = 120.0  # the first start joins the model's parts
CACHE = platformdirs.user_cache_path("nursery-router") / "models"


@frozen(kw_only=True)
class Sample:
    """One text or request: how it is estimated with given weights, and what it really is."""

    name: str
    estimate: Callable[[Weights], int]
    real: int

    def error(self, weights: Weights = DEFAULT) -> float:
        """Return by which part of the real count the estimate is off; above 0 where it is too high."""
        return self.estimate(weights) / self.real - 1


@frozen
class Tokenizer:
    """A running server."""

    client: httpx.AsyncClient

    async def count(self, content: str) -> int:
        """Return the tokens of a text as it is."""
        answer = await self.client.post("/tokenize", json={"content": content})
        return len(answer.raise_for_status().json()["tokens"])

    async def count_request(self, request: NeutralRequest) -> int:
        """Return the tokens of the prompt that the model's template makes of a request.

        A model without tools has a template that leaves them out, and calls: their JSON is counted beside it."""
        target = UpstreamTarget(model="m", vision=False)
        body = DIALECTS[DialectName.OPENAI_CHAT].encode_request(request, target).body
        answer = await self.client.post("/apply-template", json={"messages": body["messages"], "tools": body["tools"]})
        prompt: str = answer.raise_for_status().json()["prompt"]
        calls = [call["function"] for message in body["messages"] for call in message.get("tool_calls", ())]
        tools = [tool for tool in body["tools"] if f'"{tool["function"]["name"]}"' not in prompt]
        calls = [call for call in calls if call["name"] not in prompt]
        return await self.count("\n".join([prompt, *map(_written, [*tools, *calls])]))


@asynccontextmanager
async def open_tokenizer(model: str) -> AsyncIterator[Tokenizer]:
    """Yield a server that has the model loaded; it ends with the block."""
    port = free_port()
    options = ["--port", str(port), "--context", "2048", "--threads", "1", "--cache", str(CACHE)]
    argv = [sys.executable, "-m", "router.embedded", "--model", model, *options]
    server = partial(trio.run_process, argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_stderr=True, check=False)
    async with (
        trio.open_nursery() as nursery,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client,
    ):
        nursery.start_soon(server)
        with trio.fail_after(READY_S):
            while not await _is_ready(client):  # noqa: ASYNC110 - another process: there is no event to wait for
                await trio.sleep(0.1)
        yield Tokenizer(client)
        nursery.cancel_scope.cancel()


async def measure(tokenizer: Tokenizer) -> list[Sample]:
    """Return the eight samples with their real counts."""
    samples: list[Sample] = []
    for name in AGENTS:
        request = agent_request(name)
        real = await tokenizer.count_request(request)
        samples.append(Sample(name=name, estimate=partial(count_tokens_request, request), real=real))
    for kind in KINDS:
        real = await tokenizer.count(text(kind))
        samples.append(Sample(name=kind, estimate=partial(count_text, text(kind).encode()), real=real))
    return samples


def calibrated(known: Sequence[Sample]) -> Weights:
    """Return the weights that are learned from what a provider reports for these."""
    state = CalibrationState()
    for sample in known:
        state = learn(state, estimated=sample.estimate(DEFAULT), reported=sample.real)
    return Weights(factor=factor(state))


def leave_one_out(samples: Sequence[Sample]) -> dict[str, Weights]:
    """Return for each sample the weights learned from all others."""
    return {left.name: calibrated([sample for sample in samples if sample is not left]) for left in samples}


def from_agents(samples: Sequence[Sample]) -> dict[str, Weights]:
    """Return for each sample the weights learned from the agents' requests (for one of them: from the others), as in use."""
    agents = [sample for sample in samples if sample.name in AGENTS]
    return {left.name: calibrated([sample for sample in agents if sample is not left]) for left in samples}


def table(model: str, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield the lines of one model's table."""
    ways = {"before": dict.fromkeys([s.name for s in samples], DEFAULT)}
    ways |= {"leave one out": leave_one_out(samples), "from agents": from_agents(samples)}
    yield f"{model:<22}{'real':>8}{'estimate':>10}" + "".join(f"{way:>16}" for way in ways)
    for sample in samples:
        errors = "".join(f"{sample.error(weights[sample.name]):>+16.1%}" for weights in ways.values())
        yield f"  {sample.name:<20}{sample.real:>8}{sample.estimate(DEFAULT):>10}{errors}"
    for title, names in (("agents", AGENTS), ("texts", KINDS), ("all", AGENTS + KINDS)):
        chosen = [sample for sample in samples if sample.name in names]
        for word, fold in (("median", median), ("worst", max)):
            folded = "".join(f"{fold([abs(s.error(w[s.name])) for s in chosen]):>16.1%}" for w in ways.values())
            yield f"  {title + ', ' + word:<38}{folded}"


async def main() -> None:
    """Print a table for each model that is installed."""
    for model in MODELS.values():
        try:
            find_parts(model)
        except ModelError as error:
            sys.stdout.write(f"{model.name}: left out: {error}\n")
            continue
        async with open_tokenizer(model.name) as tokenizer:
            samples = await measure(tokenizer)
        sys.stdout.write("\n".join([*table(model.name, samples), ""]))


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).is_success
    except httpx.TransportError:
        return False


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    trio.run(main)
