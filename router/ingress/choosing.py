"""Which profile answers a request, told in the events of the choice (routing.md 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from router.config.redact import cut_word
from router.ingress.generation import Generation
from router.ingress.question import Question
from router.routing.auto_facts import Facts
from router.routing.profile import ProfileChoice, choose

_PROFILE_HEADERS = ("x-router-profile", "x-coderouter-profile")
_MODE_HEADERS = ("x-router-mode", "x-coderouter-mode")


class AskedRequest(Protocol):
    """What a turn has to know of its exchange."""

    @property
    def path(self) -> str:
        """The route that it came by."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The client's, by lower-case name."""

    @property
    def request_id(self) -> str:
        """What the log calls it."""

    @property
    def opened_at(self) -> float:
        """When it came, on trio's clock."""


def choose_profile(
    generation: Generation, exchange: AskedRequest, question: Question, session: str | None
) -> tuple[ProfileChoice, int]:
    """Return the choice, and the tokens of the prompt where a rule had them counted, else 0. Raises InvalidRequest's leaves."""
    model, keys = question.model, question.keys
    mode = keys.mode or _first(exchange.headers, _MODE_HEADERS)
    facts = Facts(
        document=question.view,
        headers=exchange.headers,
        path=exchange.path,
        model=model,
        is_stream=question.is_stream,
    )
    choice = choose(
        generation.table,
        body_profile=keys.profile,
        header_profile=_first(exchange.headers, _PROFILE_HEADERS),
        mode=mode,
        model=model,
        facts=facts,
        remembered_profile=generation.memory.sticky.profile_of(session, exchange.opened_at) if session else None,
    )
    _tell_choice(generation, exchange.request_id, choice, mode)
    return choice, facts.estimated_tokens_if_known or 0


def _tell_choice(generation: Generation, request_id: str, choice: ProfileChoice, mode: str | None) -> None:
    """Tell the events of a choice; it is made without a word."""
    tell, ids, redact = generation.observer.event, {"request_id": request_id}, generation.upstreams.redact
    if choice.why == "mode":
        tell("mode-alias-resolved", {**ids, "mode": mode, "profile": choice.profile})
    if choice.unmatched_model and generation.table.is_news(name := cut_word(choice.unmatched_model, redact)):
        tell("model-unmatched", {**ids, "model": name, "profile": choice.profile})
    if (auto := choice.auto) is None or auto.is_remembered:
        return
    signals = {**auto.signals, "model": cut_word(str(auto.signals["model"]), redact)}
    facts = {"resolved_profile": auto.profile, "signals": signals}
    if auto.rule_id is None:
        tell("auto-router-fallthrough", {**ids, **facts})
    else:
        tell("auto-router-resolved", {**ids, "rule_id": auto.rule_id, **facts})


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := headers.get(name))), None)
