"""The model handler in memory: a generation over scripted providers, and one conversation with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson
import trio
from attrs import define, field

from router.config.schema import ProfileConfig, ProviderConfig, RouterConfig
from router.domain.health import Cooldown, CooldownReason, ProviderStatus
from router.domain.health import Health as HealthValue
from router.domain.request import DialectName
from router.ingress.chat import handle
from router.ingress.drain import Drain
from router.ingress.front_serve import serve
from router.ingress.generation import Generation
from router.ingress.live_requests import LiveRequests
from router.ingress.routes import ModelRoute, find_target
from router.ports import Spending
from router.providers.adapter import DIALECT_OF_KIND
from router.routing.dispatch import Upstreams
from router.routing.limits import Fairness
from router.routing.memory import Memory
from router.routing.unbooked import Unbooked
from router.wire.dialect import Minting
from router.wire.registry import MONITORS
from supervisors.health_board import HealthBoard
from tests.builders import (
    ANTHROPIC,
    RememberingObserver,
    RememberingSink,
    ScriptedProvider,
    a_config,
    a_profile,
    a_provider,
)
from tests.router.ingress.memory import Conversation

PATHS = {
    DialectName.ANTHROPIC: "/v1/messages",
    DialectName.OPENAI_CHAT: "/v1/chat/completions",
    DialectName.OPENAI_RESPONSES: "/v1/responses",
    DialectName.GEMINI: "/v1beta/models/m:streamGenerateContent?alt=sse",
    DialectName.OLLAMA: "/api/chat",
}
KINDS = {dialect: kind for kind, dialect in DIALECT_OF_KIND.items()}
QUESTION: Mapping[str, Any] = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}


@define
class Health:
    """A health view in which everybody is well but those that rest."""

    resting: Mapping[str, Cooldown] = field(factory=dict)

    def status_of(self, provider: str) -> ProviderStatus:
        return ProviderStatus(name=provider, health=HealthValue(cooldown=self.resting.get(provider)))


@define(kw_only=True)
class Rig:
    """Scripted providers behind the handler; `keys` are provider keys by provider name.

    What a daemon remembers from one request to the next, `memory` and so on, belongs to the rig."""

    providers: Sequence[ScriptedProvider]
    keys: Mapping[str, Mapping[str, object]] = field(factory=dict)
    profile: ProfileConfig | None = None
    more_profiles: Sequence[ProfileConfig] = ()
    tables: Mapping[str, object] = field(factory=dict)
    resting: Mapping[str, CooldownReason] = field(factory=dict)
    sink: RememberingSink = field(factory=RememberingSink)
    observer: RememberingObserver = field(factory=RememberingObserver)
    drain: Drain = field(factory=Drain)
    redact: Callable[[str], str] = str
    spending: Spending = field(factory=Unbooked)
    health_board: HealthBoard | None = None  # in place of `resting` and of the sink that only remembers
    memory: Memory = field(factory=Memory)
    fairness: Fairness = field(factory=Fairness)
    live: LiveRequests = field(factory=LiveRequests)
    is_exported: bool = False

    def generation(self) -> Generation:
        """Return the generation of the rig."""
        config = self.config()
        numbers = iter(range(1, 1_000_000))
        return Generation(
            config=config,
            upstreams=Upstreams(
                providers={p.name: p for p in self.providers},
                configs={c.name: c for c in config.providers},
                sink=self.health_board or self.sink,
                observer=self.observer,
                random=lambda: 0.5,
                spending=self.spending,
                redact=self.redact,
            ),
            health=self.health_board
            or Health({name: Cooldown(reason, trio.current_time() + 60) for name, reason in self.resting.items()}),
            observer=self.observer,
            minting=Minting(new_id=lambda prefix: f"{prefix}{next(numbers)}", now=lambda: 1_763_800_000),
            memory=self.memory,
            fairness=self.fairness,
            live=self.live,
            is_exported=self.is_exported,
        )

    async def ask(
        self,
        dialect: DialectName = ANTHROPIC,
        *,
        headers: Sequence[tuple[str, str]] = (),
        leave_after_s: float | None = None,
        **body: object,
    ) -> Conversation:
        """Return the whole conversation of one request; `body` on top of QUESTION, None removes a key."""
        document = {key: value for key, value in {**QUESTION, **body}.items() if value is not None}
        return await self.send(dialect, orjson.dumps(document), headers=headers, leave_after_s=leave_after_s)

    async def send(
        self,
        dialect: DialectName,
        body: bytes,
        *,
        headers: Sequence[tuple[str, str]] = (),
        leave_after_s: float | None = None,
        generation: Generation | None = None,
        path: str = "",
    ) -> Conversation:
        """Return the whole conversation over one body as it is; with a `generation` that remembers what came before."""
        length = ("content-length", str(len(body)))
        path, _, query = (path or PATHS[dialect]).partition("?")
        talk = Conversation("POST", path, headers=[*headers, length], query=query)
        route = find_target("POST", path, query)
        assert isinstance(route, ModelRoute)
        talk.part(body)
        exchange = talk.exchange(dialect, self.drain)
        async with trio.open_nursery() as nursery:
            if leave_after_s is not None:
                nursery.start_soon(_leave, talk, leave_after_s)
            with self.drain.counted():
                await serve(exchange, partial(handle, generation=generation or self.generation(), route=route), self.observer)
            nursery.cancel_scope.cancel()
        return talk

    def config(self) -> RouterConfig:
        """Return the configuration of the rig."""
        configs = [self._provider(p) for p in self.providers]
        profile = self.profile or a_profile(*(p.name for p in self.providers))
        return a_config(*configs, profiles=[profile, *self.more_profiles], **self.tables)

    def _provider(self, provider: ScriptedProvider) -> ProviderConfig:
        return a_provider(provider.name, kind=KINDS[provider.dialect], **self.keys.get(provider.name, {}))


async def _leave(talk: Conversation, after_s: float) -> None:
    await trio.sleep(after_s)
    talk.leave()


def check_grammar(dialect: DialectName, body: bytes) -> None:
    """Run a stream through its dialect's monitor. Raises GrammarViolation."""
    monitor = MONITORS[dialect]()
    monitor.feed(body)
    monitor.close()


def data_of(body: bytes) -> list[Any]:
    """Return the data of each frame of a stream: documents, and `[DONE]` as a word."""
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    return ["[DONE]" if line == b"[DONE]" else orjson.loads(line) for line in lines]
