"""Providers, answers and servers for the doctor's tests: what each kind of upstream says on the wire, written by the dialects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from router.config.capability_table import read_builtin
from router.config.schema import CapabilitiesConfig, LoadedConfig, ProfileConfig, ProviderConfig
from router.config.secret import Secrets
from router.doctor.examine import Examination
from router.doctor.findings import Finding
from router.doctor.served import Served
from router.doctor.verdicts import Case
from router.domain.events import (
    NeutralEvent,
    Started,
    Stopped,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    ToolDone,
    ToolStarted,
    Usage,
    UsageSeen,
)
from router.providers.adapter import DIALECT_OF_KIND
from router.providers.capabilities import resolve_capabilities
from router.wire.dialect import Minting, ReplyOptions
from router.wire.registry import DIALECTS
from tests.builders import a_config, a_provider

KINDS = tuple(DIALECT_OF_KIND)
MINTING = Minting(new_id=lambda prefix: f"{prefix}1", now=lambda: 1)
ARGUMENTS = ('{"word":', ' "ready"}')
COMPLETE = {
    "openai_compat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "openai_responses": "/v1/responses",
    "gemini": "/v1beta/models/m:streamGenerateContent?alt=sse",
    "ollama": "/api/chat",
}
MODELS = {
    "openai_compat": "/v1/models",
    "anthropic": "/v1/models",
    "openai_responses": "/v1/models",
    "gemini": "/v1beta/models",
    "ollama": "/api/tags",
}


def a_case(served: Served | None = None, **keys: Any) -> Case:  # noqa: ANN401 - the provider's own keys
    config = a_provider("p", model=keys.pop("model", "m"), **keys)
    return Case(config=config, capabilities=resolve_capabilities(config, (), read_builtin()), served=served or Served())


def can(**flags: bool) -> CapabilitiesConfig:
    return CapabilitiesConfig(**flags)


def said(
    text: str = "", *, thinking: str = "", call: Sequence[str] = (), stop: StopReason | None = None, cache_read: int = 0
) -> Iterator[NeutralEvent]:
    """Yield the events of one answer; `call` are the pieces of a call's arguments."""
    usage = Usage(input=9, output=3, cache_read=cache_read)
    yield Started(id="id-1", model="m", created=1, usage=usage)
    if thinking:
        yield ThinkingDelta(thinking)
    if text:
        yield TextDelta(text)
    if call:
        yield ToolStarted(slot=0, id="call_1", name="report_status")
        yield from (ToolDelta(slot=0, json_text=piece) for piece in call)
        yield ToolDone(slot=0)
    yield UsageSeen(usage)
    yield Stopped(reason=stop or (StopReason.TOOL_USE if call else StopReason.END))


def written(kind: str, events: Iterator[NeutralEvent], *, stream: bool) -> bytes:
    """Return the answer as an upstream of that kind sends it."""
    dialect, options = DIALECTS[DIALECT_OF_KIND[kind]], ReplyOptions(model="m", thinking="pass")
    if not stream:
        return orjson.dumps(dialect.encode_reply(tuple(events), options, MINTING))
    encoder = dialect.encoder(options, MINTING)
    return b"".join(encoder.encode(event) for event in events) + (encoder.closing if kind != "gemini" else b"")


def a_model(
    kind: str,
    text: str = "ready",
    *,
    thinking: str = "",
    call: Sequence[str] = ARGUMENTS,
    streams_calls: bool = True,
    refuses_thinking: bool = False,
    caches: bool = True,
) -> Callable[[object], object]:
    """Return the page of a model that says `text`, and calls the tool where one is offered and `call` is not empty."""
    seen: list[object] = []

    def page(asked: object) -> object:
        assert isinstance(asked, dict)
        stream = kind == "gemini" or bool(asked.get("stream"))
        if refuses_thinking and "thinking" in asked:
            return 400
        if asked.get("tools"):
            return written(kind, said("" if call else text, call=call if streams_calls or not stream else ()), stream=stream)
        seen.append(asked.get("system"))
        cached = 5000 if caches and seen.count(asked.get("system")) > 1 and asked.get("system") else 0
        return written(kind, said(text, thinking=thinking, cache_read=cached), stream=stream)

    return page


def listed(kind: str, *names: str) -> dict[str, Any]:
    """Return a list of models as that kind has it."""
    if kind in ("gemini", "ollama"):
        prefix = "models/" if kind == "gemini" else ""
        return {"models": [{"name": prefix + name} for name in names]}
    return {"data": [{"id": name} for name in names]}


async def examined(
    config: ProviderConfig, secrets: Secrets | None = None, profiles: Sequence[ProfileConfig] = ()
) -> list[Finding]:
    """Return what the doctor finds at one provider."""
    told: list[Finding] = []
    loaded = LoadedConfig(
        config=a_config(config, profiles=profiles), secrets=secrets or Secrets(), warnings=(), path=Path("router.toml")
    )
    await Examination(loaded=loaded, config=config, tell=told.append).run()
    return told


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    """Return the verdict of each check, the last one of several."""
    return {finding.check: str(finding.verdict) for finding in findings}


def settings(*findings: Finding) -> dict[str, object]:
    """Return what the findings would set."""
    return {".".join(one.keys): one.value for finding in findings for one in finding.settings}
