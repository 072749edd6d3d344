"""A chain of scripted providers, walked for one request."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import define, field

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.events import Usage
from router.errors import (
    FailureReason,
    ProviderFailed,
)
from router.ports import Provider, UpstreamCall
from router.routing.answer import Answer, Ask, RelayEnd
from router.routing.chain import Entry, Plan
from router.routing.dispatch import Upstreams, Walk
from router.routing.trace import Trace
from tests.builders import (
    RememberingObserver,
    RememberingSink,
    Script,
    ScriptedProvider,
    a_profile,
    a_provider,
    chat_reply,
    chat_stream,
)

GOOD_STREAM = Script(chunks=chat_stream("hello"))
GOOD_REPLY = Script(chunks=[chat_reply("hello")], is_event_stream=False)
DONE = b"data: [DONE]\n\n"


def failing(reason: FailureReason, *, provider: str = "a", **facts: object) -> ProviderFailed:
    return ProviderFailed(provider=provider, reason=reason, **facts)  # type: ignore[arg-type]  # facts by name


@define(kw_only=True)
class Rig:
    """A chain of scripted providers, and what became of one request."""

    providers: Sequence[ScriptedProvider]
    configs: Sequence[ProviderConfig] = ()
    profile: ProfileConfig = field(factory=lambda: a_profile("a", "b", "c"))
    is_stream: bool = True
    is_last_resort: bool = False
    shows_thinking: bool = False
    sink: RememberingSink = field(factory=RememberingSink)
    observer: RememberingObserver = field(factory=RememberingObserver)
    answers: list[Answer] = field(factory=list)
    trace: Trace = field(factory=lambda: Trace(request_id="req_1"))
    end: RelayEnd = field(factory=lambda: RelayEnd(usage=Usage()))

    async def run(self) -> str:
        """Return the name of the provider whose answer was delivered."""
        configs = {c.name: c for c in self.configs} | {
            p.name: a_provider(p.name) for p in self.providers if p.name not in {c.name for c in self.configs}
        }
        walk = Walk(
            plan=Plan(
                profile="default",
                order=tuple(Entry(provider=p.name, rank=(n,)) for n, p in enumerate(self.providers)),
                is_last_resort=self.is_last_resort,
            ),
            ask=Ask(
                profile=self.profile,
                is_stream=self.is_stream,
                call=self._call,
                shows_thinking=lambda _config: self.shows_thinking,
            ),
            upstreams=Upstreams(
                providers={p.name: p for p in self.providers},
                configs=configs,
                sink=self.sink,
                observer=self.observer,
                random=lambda: 0.5,
            ),
            trace=self.trace,
        )
        await walk.run(self._deliver)
        return self.answers[-1].provider.name

    def _call(self, provider: Provider, config: ProviderConfig) -> UpstreamCall:
        del provider, config
        return UpstreamCall(neutral=None, same_dialect_body=b"{}", client_headers={}, stream=self.is_stream)

    async def _deliver(self, answer: Answer) -> RelayEnd:
        self.answers.append(answer)
        await trio.lowlevel.checkpoint()
        return self.end


def provider(name: str, *scripts: Script) -> ScriptedProvider:
    return ScriptedProvider(name=name, scripts=scripts)


def refusing(name: str, reason: FailureReason, **facts: object) -> ScriptedProvider:
    return provider(name, Script(refusal=failing(reason, provider=name, **facts)))
