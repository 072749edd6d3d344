"""The run: every kind of answer, refusal, mistake and action, in all five dialects; what came of it is kept, byte by byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import trio
from attrs import define, field
from click.testing import CliRunner

from router.__main__ import main
from router.domain.request import DialectName
from tests.e2e.canary.secrets import ADMIN, CLIENT, ENVIRONMENT, FILE, HEADER, KEY, POOL_1, POOL_2, STRAYS
from tests.e2e.canary.setting import ALONE, ANSWERS, COMMANDS, LOOKS, PAGES, STREAM_S, TOKENS_OF_OTHERS
from tests.e2e.clients import open_client, open_raw_request
from tests.e2e.daemon import Running
from tests.fakes.plans import How, Plan
from tests.fakes.upstream import Upstream
from tests.replay.speech.common import Ask
from tests.replay.speech.every import SPEAKERS

WRONG_MESSAGES = 7  # in the place of a list
WORDS = {  # of a client about itself
    "x-request-id": POOL_1,
    "x-router-session": POOL_2,
    "x-claude-code-agent-id": FILE,
    "user-agent": HEADER,
}
GIVEN_BACK = {"x-request-id", "request-id"}  # to the client that has chosen it


@define(kw_only=True)
class Script:
    """One run over a daemon; `sinks` are what clients and operators have read, by what they did."""

    running: Running
    upstreams: Mapping[str, Upstream]
    config: Path
    client: httpx.AsyncClient
    sinks: dict[str, bytes] = field(factory=dict)

    async def run(self) -> None:
        """Do everything once."""
        for dialect in DialectName:
            await self.ask(dialect, "answered")
            await self.make_mistakes(dialect)
        await self.meet_every_answer()
        await self.leave()
        await self.look_at_a_request()
        await self.look()
        await self.act()
        await self.reload_a_mistake()

    async def send(self, name: str, method: str, path: str, *, token: str = CLIENT, **more: object) -> httpx.Response:
        """Send a request, and keep its answer, head and all, under a name."""
        given = more.pop("headers", {})
        shown = {"authorization": f"Bearer {token}"} if token else {}
        headers = {**shown, **(given if isinstance(given, dict) else {})}
        reply = await self.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]  # json= or content=
        self.keep(name, reply, reply.content)
        return reply

    def keep(self, name: str, reply: httpx.Response, content: bytes) -> None:
        """Keep an answer, head and all, under a name."""
        head = "".join(f"{key}: {value}\n" for key, value in reply.headers.items() if key not in GIVEN_BACK)
        self.sinks[name] = f"{reply.status_code}\n{head}\n".encode() + content

    async def watch(self, page: str, token: str, when: str = "") -> None:
        """Read a page that never ends for a while."""
        read = b""
        async with self.client.stream("GET", page, headers={"authorization": f"Bearer {token}"}) as reply:
            with trio.move_on_after(STREAM_S):
                async for piece in reply.aiter_bytes():
                    read += piece
            self.keep(f"{when}GET {page}", reply, read)
        assert b"event: news" in read, read

    async def ask(self, dialect: DialectName, what: str, *, profile: str = "all") -> None:
        """Ask for a stream and for a whole answer."""
        for stream in (True, False):
            path, body = SPEAKERS[dialect].ask(Ask(text="Say something."), stream=stream)
            form = "stream" if stream else "whole"
            await self.send(f"{dialect} {what} {form}", "POST", path, json=body, headers={"x-router-profile": profile})

    async def make_mistakes(self, dialect: DialectName) -> None:
        """Do what a client does wrong, with secrets at wrong places."""
        path, body = SPEAKERS[dialect].ask(Ask(text="Say something."), stream=True)
        for token in (*TOKENS_OF_OTHERS, CLIENT[:-1], ""):
            await self.send(f"{dialect} wrong token {token}", "POST", path, json=body, token=token)
        for place in ("x-api-key", "x-goog-api-key"):
            headers = {place: TOKENS_OF_OTHERS[0]}
            await self.send(f"{dialect} wrong {place}", "POST", path, json=body, headers=headers, token="")
        marked = "&" if "?" in path else "?"
        await self.send(f"{dialect} wrong in the query", "POST", f"{path}{marked}key={TOKENS_OF_OTHERS[1]}", json=body, token="")
        await self.send(f"{dialect} no list", "POST", path, json={**body, "messages": WRONG_MESSAGES, "contents": WRONG_MESSAGES})
        await self.send(f"{dialect} no JSON", "POST", path, content=f"{{{CLIENT}".encode())
        await self.send(f"{dialect} an unknown model", "POST", path, json={**body, "model": CLIENT})
        await self.send(f"{dialect} an unknown profile", "POST", path, json=body, headers={"x-router-profile": CLIENT})
        await self.send(f"{dialect} an unknown field", "POST", path, json={**body, CLIENT: CLIENT, "tools": CLIENT})
        await self.send(f"{dialect} an unknown path", "POST", f"{path.partition('?')[0]}/{CLIENT}", json=body)
        for stray in STRAYS:
            await self.send(f"{dialect} a path", "POST", f"{path.partition('?')[0]}/{stray}", json=body)
        await self.send(f"{dialect} a session", "POST", path, json=body, headers={"x-session-id": CLIENT, "x-request-id": CLIENT})

    async def meet_every_answer(self) -> None:
        """Have every provider answer in each of the ways, and ask in every dialect, along the chain and of one alone."""
        for what, plan in ANSWERS.items():
            for upstream in self.upstreams.values():
                upstream.default = plan
            for dialect in DialectName:
                await self.ask(dialect, what)
                await self.ask(dialect, f"{what} of one", profile="keyed")
        for upstream in self.upstreams.values():
            upstream.default = Plan()
        await self.ask(DialectName.OPENAI_CHAT, "the job's answer", profile="job")

    async def leave(self) -> None:
        """Leave a stream in the middle."""
        for upstream in self.upstreams.values():
            upstream.default = Plan().broken(How.STALL, 2)
        path, body = SPEAKERS[DialectName.ANTHROPIC].ask(Ask(text="Say something."), stream=True)
        async with open_raw_request(self.running, path, body, token=CLIENT) as connection:
            read = b""
            while b"word1" not in read:
                read += await connection.receive_some()
        self.sinks["left"] = read
        for upstream in self.upstreams.values():
            upstream.default = Plan()

    async def look_at_a_request(self) -> None:
        """Look at a request under way in whose every word is a secret, and end it by its real id."""
        for upstream in self.upstreams.values():
            upstream.default = Plan().broken(How.STALL, 2)
        path, body = SPEAKERS[DialectName.ANTHROPIC].ask(Ask(text="Say something."), stream=True)
        send = partial(self.send, "looked at", "POST", path, json={**body, "model": KEY}, headers=WORDS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while b"answering" not in self.sinks.get("under way: GET /admin/requests", b""):
                await self.send("under way: GET /admin/requests", "GET", "/admin/requests", token=ADMIN)
            for page, token in PAGES.items():
                await self.read(page, token, "under way: ")
            for words in LOOKS:
                self.sinks[f"under way: {' '.join(words)}"] = await self.command(words, ENVIRONMENT)
            self.sinks["cancel"] = told = await self.command(("cancel", WORDS["x-request-id"]), ENVIRONMENT)
            assert b": cancelled" in told, told
        for upstream in self.upstreams.values():
            upstream.default = Plan()

    async def read(self, page: str, token: str, when: str = "") -> None:
        """Read a page as who may."""
        if page.endswith("/events"):
            await self.watch(page, token, when)
            return
        reply = await self.send(f"{when}GET {page}", "GET", page, token=token)
        assert reply.status_code < 400 or page == "/healthz", (page, reply.text)

    async def look(self) -> None:
        """Read every page: as who may, and as who may not."""
        for page, token in PAGES.items():
            await self.read(page, token)
            if page.endswith("/events"):
                continue
            for other in TOKENS_OF_OTHERS:
                await self.send(f"GET {page} with {other}", "GET", f"{page}?token={other}", token=other)
        await self.send("GET /nowhere", "GET", f"/nowhere/{CLIENT}")

    async def act(self) -> None:
        """Give every command, and each of them without its tokens."""
        for words in COMMANDS:
            for env, with_what in ((ENVIRONMENT, "with tokens"), ({}, "without")):
                asked = self.asked()
                self.sinks[f"{' '.join(words)} {with_what}"] = await self.command(words, env)
                assert ALONE not in words or not env or self.asked() > asked, self.sinks
        for name in ("nobody", ADMIN):
            await self.send(f"hold {name}", "POST", f"/admin/providers/{name}/hold", token=ADMIN, json={})

    async def command(self, words: Sequence[str], env: Mapping[str, str]) -> bytes:
        """Give one command, and return its exit code and what it says."""
        argv = [*words, "--config", str(self.config)]
        if ALONE in words:
            said = await trio.run_process(
                [sys.executable, "-m", "router", *argv],
                env={**os.environ, **env},
                check=False,
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                stderr=subprocess.STDOUT,
            )
            return b"%d\n%s" % (said.returncode, said.stdout)
        result = await trio.to_thread.run_sync(partial(CliRunner(env=env).invoke, main, argv))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return f"{result.exit_code}\n{result.output}".encode()

    def asked(self) -> int:
        """Return how many requests all upstreams were sent."""
        return sum(len(upstream.exchanges) for upstream in self.upstreams.values())

    async def reload_a_mistake(self) -> None:
        """Reload a file with secrets at wrong places, then the right one again."""
        text = self.config.read_text()
        wrong = text.replace('kind = "anthropic"', f'kind = "{CLIENT}"').replace(
            'api_key_env = "KEY"', f'api_key_env = "{ADMIN}"'
        )
        self.config.write_text(wrong + f'\n[server.{CLIENT}]\nport = "{CLIENT}"\n')
        reply = await self.send("reload of a mistake", "POST", "/admin/reload", token=ADMIN, json={})
        assert reply.status_code == 422, reply.text
        await self.send("status after a mistake", "GET", "/status")
        self.config.write_text(text)
        reply = await self.send("reload", "POST", "/admin/reload", token=ADMIN, json={})
        assert reply.json()["result"] in {"applied", "unchanged"}, reply.text


@asynccontextmanager
async def open_script(running: Running, upstreams: Mapping[str, Upstream], config: Path) -> AsyncIterator[Script]:
    """Yield a run that has not begun."""
    async with open_client(running) as client:
        yield Script(running=running, upstreams=upstreams, config=config, client=client)


def said_in(log: str) -> set[str]:
    """Return the names of all events of a log."""
    return {json.loads(line)["event"] for line in log.splitlines() if line.startswith("{")}
