"""What a server gives a provider against what the configuration counts on: window, places side by side, time in memory. Pure."""

from __future__ import annotations

import re

from router.doctor.findings import Finding, Setting, Verdict
from router.doctor.served import is_like_ollama
from router.doctor.verdicts import WANTED_WINDOW, Case, window_settings
from router.onboarding.servers import TITLES, ServerKind
from router.providers.capabilities import asked_window

CONTEXT, QUEUE, KEEP_ALIVE = "context-size", "queue", "keep-alive"
KEEP_ALIVE_WANTED = "10m"

_MANY = 64  # places: a server with more is not counted by hand
_NO_TIME = re.compile(r"0+(?:\.0*)?(?:ns|us|ms|s|m|h)?")


def context_size(case: Case) -> Finding:
    """Return whether the server gives the model the window that the router counts on."""
    served = case.served
    if is_like_ollama(case.config, served) and served.program is ServerKind.OLLAMA:
        return _of_an_ollama(case)
    if served.window is None:
        return case.finding(CONTEXT, Verdict.SKIP, "the server does not report its context window")
    given, flag = served.window, case.capabilities.max_context_tokens
    seen = f"{_title(case)} gives it {given} tokens"
    if case.capabilities.window > given:
        setting = Setting(keys=("max_context_tokens",), value=given)
        expected = f"{case.capabilities.window} tokens ({flag.origin})"
        advice = "set the real window, or start the server with a larger one"
        return case.finding(CONTEXT, Verdict.NEEDS_TUNING, seen, expected, advice, setting)
    if case.capabilities.window < given:
        seen = f"{seen}; the router assumes {case.capabilities.window} ({flag.origin})"
        return case.finding(CONTEXT, Verdict.INFORMATION, seen)
    return case.finding(CONTEXT, Verdict.OK, seen)


def _of_an_ollama(case: Case) -> Finding:
    served, asked = case.served, asked_window(case.config)
    if case.config.kind != "ollama":  # its OpenAI API takes no window: the server's own is what there is
        if served.window is not None and served.window >= min(case.capabilities.window, WANTED_WINDOW):
            return case.finding(CONTEXT, Verdict.OK, f"Ollama has loaded it with {served.window} tokens")
        seen = f"Ollama has loaded it with {served.window} tokens" if served.window else "Ollama decides the window by itself"
        expected = f"{case.capabilities.window} tokens ({case.capabilities.max_context_tokens.origin})"
        advice = "kind = ollama requests a window each time; Ollama's OpenAI API has no field for it"
        return case.finding(CONTEXT, Verdict.NEEDS_TUNING, seen, expected, advice, *window_settings(case))
    if asked is None:
        told = served.window or served.state.default_window
        seen = "no window is requested: Ollama uses its own" + (f", {told} tokens" if told else ", often 4096 tokens")
        if told is not None and told >= min(WANTED_WINDOW, served.most or WANTED_WINDOW):
            return case.finding(CONTEXT, Verdict.OK, seen)
        advice = "request one: a longer prompt silently loses its beginning"
        return case.finding(CONTEXT, Verdict.NEEDS_TUNING, seen, "max_context_tokens", advice, *window_settings(case))
    if served.most is not None and asked > served.most:
        seen = f"the model was made for {served.most} tokens"
        setting = Setting(keys=_asked_at(case), value=served.most)
        return case.finding(CONTEXT, Verdict.NEEDS_TUNING, seen, f"{asked} tokens requested", "request what it can hold", setting)
    return case.finding(CONTEXT, Verdict.OK, f"{asked} tokens are requested each time")


def _asked_at(case: Case) -> tuple[str, ...]:
    """Return the key that asks for the window: `options.num_ctx` wins over `max_context_tokens`."""
    in_options = asked_window(case.config) != case.config.max_context_tokens
    return ("extra_body", "options", "num_ctx") if in_options else ("max_context_tokens",)


def queue(case: Case) -> Finding:
    """Return whether more is sent side by side than the server works on: the rest waits there, and its time limit runs."""
    slots, most = case.served.slots, case.config.max_concurrency
    if slots is None or slots > _MANY:
        return case.finding(QUEUE, Verdict.SKIP, "the server does not report how many requests it handles at once")
    seen = f"{_title(case)} handles {slots} {'request' if slots == 1 else 'requests'} at once"
    settings = []
    affinity = case.config.slot_affinity_slots
    if affinity is not None and affinity > slots:
        settings.append(Setting(keys=("slot_affinity_slots",), value=slots))
    if most is not None and most > slots:
        settings.append(Setting(keys=("max_concurrency",), value=slots))
    if settings:
        expected = ", ".join(f"{one.keys[-1]} of at most {slots}" for one in settings)
        return case.finding(QUEUE, Verdict.NEEDS_TUNING, seen, expected, "set how many there are", *settings)
    if most is None:
        return case.finding(QUEUE, Verdict.INFORMATION, f"{seen}; without max_concurrency further requests wait there")
    return case.finding(QUEUE, Verdict.OK, seen)


def keep_alive(case: Case) -> Finding | None:
    """Return whether an Ollama keeps the model between two requests; None for servers that always do."""
    if case.config.kind != "ollama":
        return None
    told = case.config.keep_alive
    if told is not None and _NO_TIME.fullmatch(str(told)):
        setting = Setting(keys=("keep_alive",), value=KEEP_ALIVE_WANTED)
        seen, advice = f"keep_alive = {told}: each request reloads the model", "keep it for a while"
        return case.finding(KEEP_ALIVE, Verdict.NEEDS_TUNING, seen, "the model in memory", advice, setting)
    words = "the server's own time" if told is None else f"keep_alive = {told}"
    return case.finding(KEEP_ALIVE, Verdict.OK, f"the model stays for {words}" if told is None else words)


def _title(case: Case) -> str:
    return TITLES[case.served.program or ServerKind.OTHER]
