"""`python -m tests.real`: the small real model behind the router, turn by turn through both SDKs.

Sixty prompts, each once streamed and once whole, half through each SDK. A turn counts where the client got a call of a
declared tool with valid arguments; what the same upstream answers were worth without repair is read from a recording.
Then one agent loop. Takes half an hour to an hour on two cores."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import platformdirs
import trio
from attrs import define, field
from hypercorn.trio import serve

from tests.e2e.daemon import free_port, open_program, open_router, provider, router_config
from tests.real.recorder import Recorder, bound, said_in
from tests.real.turns import TOOLS, TURNS, Turn

START_S = 180.0
TURN_S = 300.0
MAX_TOKENS = 160
AGENT = "You are a coding agent. Call a tool when you need one. Once you have its result, answer the user in words."
# a model of this size likes to ask the same thing again: it is told so
LOOPS = {"tool_loop_action": "inject", "tool_loop_threshold": 2}
FILES = {"config.ini": "[server]\nhost = 127.0.0.1\nport = 8443\n"}

Calls = list[tuple[str, dict[str, Any]]]


@define
class Score:
    """One turn as it went. `native` are the calls that the model's server made itself, `given` those that the client got."""

    turn: Turn
    way: str
    given: Calls
    native: Calls
    upstream_text: str
    seconds: float
    error: str = ""

    @property
    def is_right(self) -> bool:
        """The client can run it: calls there are, all of them valid, and of a tool that was asked for."""
        return _is_right(self.given, self.turn)

    @property
    def repaired(self) -> Calls:
        """Calls that the model wrote as text."""
        return [call for call in self.given if call not in self.native]

    @property
    def invented(self) -> Calls:
        """Calls of which the text holds no name, or not every value: repair would have made them up."""
        return [(name, arguments) for name, arguments in self.repaired if not _is_written(name, arguments, self.upstream_text)]


@define(kw_only=True)
class Bench:
    """The SDKs, and what they got."""

    claude: anthropic.AsyncAnthropic
    gpt: openai.AsyncOpenAI
    recorder: Recorder
    scores: list[Score] = field(factory=list)

    async def run(self, turns: tuple[Turn, ...]) -> None:
        """Ask every turn streamed and whole, each half of them through one SDK."""
        for number, turn in enumerate(turns):
            for stream in (True, False):
                await self._one(turn, is_claude=(number + stream) % 2 == 0, stream=stream)
            done = len(self.scores)
            print(f"{done:4} of {2 * len(turns)}  {self.scores[-1].seconds:5.1f} s  {turn.prompt[:60]}", flush=True)

    async def _one(self, turn: Turn, *, is_claude: bool, stream: bool) -> None:
        before, began, error, given = len(self.recorder.answers), time.monotonic(), "", Calls()
        try:
            with trio.fail_after(TURN_S):
                given = await (self._by_claude(turn, stream=stream) if is_claude else self._by_gpt(turn, stream=stream))
        except (anthropic.APIError, openai.OpenAIError, trio.TooSlowError) as caught:
            error = repr(caught)
        answers = [said_in(body) for body in self.recorder.answers[before:]]
        native = [(name, _parsed(text)) for said in answers[-1:] for name, text in said.calls]
        way = f"{'anthropic' if is_claude else 'openai'} {'streamed' if stream else 'whole'}"
        text = answers[-1].text if answers else ""
        self.scores.append(Score(turn, way, given, native, text, time.monotonic() - began, error))

    async def _by_claude(self, turn: Turn, *, stream: bool) -> Calls:
        asked: dict[str, Any] = {
            "model": "any",
            "max_tokens": MAX_TOKENS,
            "extra_body": {"temperature": 0},
            "messages": [{"role": "user", "content": turn.prompt}],
            "tools": [
                {"name": n, "description": TOOLS[n]["description"], "input_schema": TOOLS[n]["schema"]} for n in turn.tools
            ],
        }
        if stream:
            async with self.claude.messages.stream(**asked) as opened:
                reply: Any = await opened.get_final_message()
        else:
            reply = await self.claude.messages.create(**asked)
        return [(block.name, dict(block.input)) for block in reply.content if block.type == "tool_use"]

    async def _by_gpt(self, turn: Turn, *, stream: bool) -> Calls:
        functions = [{"name": n, "description": TOOLS[n]["description"], "parameters": TOOLS[n]["schema"]} for n in turn.tools]
        asked: dict[str, Any] = {
            "model": "any",
            "max_tokens": MAX_TOKENS,
            "extra_body": {"temperature": 0},
            "messages": [{"role": "user", "content": turn.prompt}],
            "tools": [{"type": "function", "function": function} for function in functions],
        }
        if not stream:
            reply: Any = await self.gpt.chat.completions.create(**asked)
            return [(call.function.name, _parsed(call.function.arguments)) for call in reply.choices[0].message.tool_calls or ()]
        names, pieces = dict[int, str](), dict[int, str]()
        chunks: Any = await self.gpt.chat.completions.create(**asked, stream=True)
        async for chunk in chunks:
            deltas = [choice.delta for choice in chunk.choices]
            for call in [call for delta in deltas for call in delta.tool_calls or ()]:
                names[call.index] = names.get(call.index, "") + (call.function.name or "")
                pieces[call.index] = pieces.get(call.index, "") + (call.function.arguments or "")
        return [(names[index], _parsed(pieces[index])) for index in sorted(names)]

    async def agent(self) -> str:
        """Let the model read a file and answer from it; return its last words. Raises RuntimeError where it does not end."""
        read = TOOLS["read_file"]
        tools: list[Any] = [{"name": "read_file", "description": read["description"], "input_schema": read["schema"]}]
        question = "Read the file config.ini with the tool read_file, then tell me the port of the server."
        messages: list[Any] = [{"role": "user", "content": question}]
        for _ in range(6):
            reply: Any = await self.claude.messages.create(
                system=AGENT, model="any", max_tokens=MAX_TOKENS, extra_body={"temperature": 0}, messages=messages, tools=tools
            )
            calls = [block for block in reply.content if block.type == "tool_use"]
            messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]})
            if not calls:
                return "".join(block.text for block in reply.content if block.type == "text")
            results = [
                {
                    "type": "tool_result",
                    "tool_use_id": call.id,
                    "content": FILES.get(Path(call.input.get("path", "")).name, "no such file"),
                }
                for call in calls
            ]
            messages.append({"role": "user", "content": results})
        raise RuntimeError("the agent loop did not end within six turns")


@asynccontextmanager
async def open_bench(directory: Path, model: str) -> AsyncIterator[Bench]:
    """Start the model, the recording proxy and the router; everything ends with the context."""
    model_port, proxy_port, port = free_port(), free_port(), free_port()
    cache = str(platformdirs.user_cache_path("nursery-router") / "models")  # joined once, not at every run
    argv = ("-m", "router.embedded", "--model", model, "--port", str(model_port), "--context", "8192", "--cache", cache)
    server = open_program(argv, port=model_port, directory=directory, ready_path="/health", ready_timeout_s=START_S)
    async with server, trio.open_nursery() as nursery:
        url = f"http://127.0.0.1:{model_port}"
        async with httpx.AsyncClient(base_url=url, timeout=TURN_S, trust_env=False) as client:
            recorder = Recorder(client)
            await nursery.start(partial(serve, recorder.app(), bound(proxy_port)))
            upstream = provider("local", proxy_port, kind="openai_compat", timeout_s=TURN_S, tool_repair="balanced")
            async with (
                open_router(router_config(port, providers=[upstream], profile_keys=LOOPS), directory=directory) as router,
                anthropic.AsyncAnthropic(base_url=router.url, api_key="none", max_retries=0) as claude,
                openai.AsyncOpenAI(base_url=f"{router.url}/v1", api_key="none", max_retries=0) as gpt,
            ):
                yield Bench(claude=claude, gpt=gpt, recorder=recorder)
        nursery.cancel_scope.cancel()


def _is_right(calls: Calls, turn: Turn) -> bool:
    return bool(calls) and all(_is_valid(name, arguments, turn) for name, arguments in calls) and calls[0][0] in turn.wanted


def _is_valid(name: str, arguments: Mapping[str, Any], turn: Turn) -> bool:
    """Tell whether a call keeps to the declared schema."""
    if name not in turn.tools:
        return False
    schema = TOOLS[name]["schema"]
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    return all(key in arguments for key in schema["required"]) and all(
        key in schema["properties"]
        and isinstance(value, kinds[schema["properties"][key]["type"]])
        and not (isinstance(value, bool) and schema["properties"][key]["type"] != "boolean")
        and value in schema["properties"][key].get("enum", [value])
        for key, value in arguments.items()
    )


def _is_written(name: str, arguments: Mapping[str, Any], text: str) -> bool:
    """Tell whether a text holds the name and every value of a call, whatever its spelling in JSON or out of it."""
    plain = _letters(text)
    return name.lower() in text.lower() and all(
        _letters(json.dumps(value, ensure_ascii=False)) in plain or _letters(str(value)) in plain for value in arguments.values()
    )


def _letters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {"": text}
    return value if isinstance(value, dict) else {"": text}


def report(scores: list[Score]) -> None:
    """Print the shares."""
    needing = [score for score in scores if score.turn.wanted]
    others = [score for score in scores if not score.turn.wanted]
    right = sum(score.is_right for score in needing)
    native = sum(_is_right(score.native, score.turn) for score in needing)
    print(f"\nturns that need a tool: {len(needing)}; valid tool use at the client: {right}; without repair: {native}")
    for way in sorted({score.way for score in scores}):
        of_way = [score for score in needing if score.way == way]
        print(f"  {way}: {sum(score.is_right for score in of_way)} of {len(of_way)}")
    wrong = [score for score in others if score.given]
    print(f"turns that need none: {len(others)}; with a call of the model's own: {len(wrong)}")
    for score in wrong:
        print(f"  {score.way}: {score.turn.prompt!r} -> {score.given} from {score.upstream_text[:200]!r}")
    print(f"calls that repair made of text: {sum(len(score.repaired) for score in scores)}")
    print(f"calls that repair invented: {sum(len(score.invented) for score in scores)}")
    for score in scores:
        if score.invented:
            print(f"  {score.way}: {score.turn.prompt!r} -> {score.invented} from {score.upstream_text!r}")
    print("errors:", Counter(score.error for score in scores if score.error) or "none")
    print("turns that needed a tool and did not get it right:")
    for score in needing:
        if not score.is_right:
            heard = f"{score.upstream_text[:160]!r} {score.native}"
            print(f"  {score.way}: {score.turn.prompt!r} -> {score.given} {score.error} from {heard}")


async def main(pairs: int, model: str) -> list[Score]:
    """Run it all; return every turn."""
    with tempfile.TemporaryDirectory() as directory:
        async with open_bench(Path(directory), model) as bench:
            words = await bench.agent()
            print(f"agent loop: {words!r}; the port was {'named' if '8443' in words else 'NOT named'}", flush=True)
            await bench.run(TURNS[:pairs])
    return bench.scores


def rows(scores: list[Score]) -> str:
    """Return every turn as JSON, to be read by a person."""
    told = [
        {"prompt": s.turn.prompt, "way": s.way, "given": s.given, "native": s.native, "text": s.upstream_text, "s": s.seconds}
        for s in scores
    ]
    return json.dumps(told, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.real", description=__doc__)
    parser.add_argument("--pairs", type=int, default=len(TURNS))
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--keep", type=Path, default=None, help="where to write every turn, as JSON")
    options = parser.parse_args()
    seen = trio.run(main, options.pairs, options.model)
    report(seen)
    if options.keep is not None:
        options.keep.write_text(rows(seen))
