"""`router explain`: every decision for one request, as tables; nothing is sent (routing.md 10.4)."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from router.guards.tool_loop import Act
from router.reports.explain_provider import provider_rows
from router.reports.plain import THE_SERVERS, plain_console, plain_table, print_sentence
from router.routing.chain import RANK_KEYS, Entry
from router.routing.dispatch import MAX_CONTINUATIONS
from router.routing.explanation import Explanation, ProviderView, Way

# what moves a provider behind others, in words; what is 0 moves nobody
_RANK_WORDS = {
    "context": "does not fit its window",
    "health": "is not healthy",
    "capability": "lacks {lacking}",
    "drift": "its answers have drifted",
    "adaptive": "slow or failing: back by {points}",
    "sticky": "another provider has this session",
}
_WAYS = {
    Way.RELAYED: "relayed unchanged",
    Way.TRANSLATED: "translated to {kind}",
    Way.FORCED: "translated to {kind}, with a schema",
}
_ACTS = {
    Act.NOTHING: "goes on",
    Act.WARN: "goes on, with a log entry",
    Act.INJECT: "goes on with a hint to the model",
    Act.BREAK: "ends",
}
STATUS = "nursery-router status"
_NEEDS = ("thinking", "cache_control", "tools", "vision", "tool_choice")
_BY = {
    "map": "an entry of [model_map]",
    "alias": "an alias of a provider, which stands for a profile that has it",
    "provider": "a provider's name, which stands for a profile that has it",
    "profile": "a profile's name",
    "pattern": "a pattern of [model_map]",
    "served": "a provider's model",
}


def print_explanation(explanation: Explanation) -> None:
    """Print what is decided: the profile, the guards, the chain, and each of its providers."""
    out = plain_console()
    for line in _head(explanation):
        print_sentence(line, out)
    out.print(plain_table(("place", "provider", "model", "how", "why"), chain_rows(explanation)))
    for view in explanation.views:
        _print_provider(out, explanation, view)
    print_sentence(f"\n{_not_known(explanation)}", out)


def chain_rows(explanation: Explanation) -> list[tuple[str, str, str, str, str]]:
    """Return (place, provider, model, how, why) for everybody in the profile: those asked in order, then those left out."""
    views = {view.config.name: view for view in explanation.views}
    plan = explanation.plan
    asked = [
        (
            str(place),
            entry.provider,
            _model(views[entry.provider]),
            how(views[entry.provider]),
            _why(entry, views[entry.provider]),
        )
        for place, entry in enumerate(plan.order, start=1)
    ]
    left = [
        ("-", drop.provider, _model(views[drop.provider]), "left out", f"{drop.reason}: {drop.detail}".rstrip(": "))
        for drop in plan.dropped
    ]
    return [*asked, *left]


def how(view: ProviderView) -> str:
    """Return how a request is put to a provider, or why it is not."""
    if view.refused is not None or view.putting is None:
        return "the request would end here"
    if view.budget is not None and view.budget.state == "reject":
        return "skipped"
    return _WAYS[view.putting.way].format(kind=view.config.kind)


def _print_provider(out: Console, explanation: Explanation, view: ProviderView) -> None:
    out.print(Text(f"\n{view.config.name}"))
    out.print(plain_table(("", ""), ((f"  {fact}", said) for fact, said in provider_rows(explanation, view)), has_head=False))


def _head(explanation: Explanation) -> Iterator[str]:
    choice, streamed = explanation.choice, "streamed" if explanation.is_stream else "not streamed"
    yield f"profile {choice.profile} (by {_by(explanation)}), {explanation.route}, {streamed}"
    needs = [name for name in _NEEDS if getattr(explanation.needs, name)]
    wanted = ", ".join(needs) or "nothing special"
    yield f"tokens: about {explanation.tokens:,}, before any provider's correction; needs: {wanted}"
    if choice.auto is not None:
        signals = choice.auto.signals.items()
        yield f"auto rules saw: {', '.join(f'{name} {value}' for name, value in signals if value is not None)}"
    if choice.unmatched_model:
        yield f"model {choice.unmatched_model} matches nothing in the configuration; the log will say so"
    yield _session(explanation)
    yield _break(explanation)
    yield from _tools(explanation)


def _by(explanation: Explanation) -> str:
    match = explanation.choice.match
    if match is None:
        return explanation.choice.why
    return f"model, {_BY.get(match.by, f'the tier {match.tier} of [model_map]')}"


def _session(explanation: Explanation) -> str:
    agent = explanation.agent
    who = f"agent {agent.klass}{f' {agent.agent}' if agent.agent else ''}"
    if explanation.session is None:
        named = "not named" if agent.session is None else agent.session
        return f"session {named}: no provider and no slot is kept for it; {who}"
    kept = "stays with the provider that answers" if explanation.profile.sticky else "is not kept by this profile"
    return f"session {explanation.session}: {kept}; {who}"


def _break(explanation: Explanation) -> str:
    """Return what becomes of an answer that breaks off; before its first word the next provider is asked in any case."""
    action = explanation.profile.partial_stitch_action
    if not explanation.is_stream:
        return "when an answer breaks off: nothing of it is sent, and the next provider is asked"
    if action != "off" and not explanation.keeps_text:
        action, why = "off", "several answers are asked for"
    else:
        why = f"partial_stitch_action {action}"
    return f"when the stream breaks after its first word ({why}): {_made_of_it(explanation, action)}"


def _made_of_it(explanation: Explanation, action: str) -> str:
    match action:
        case "surface":
            return "it ends properly, cut short"
        case "continue":
            going_on = _who_goes_on(explanation)
            if not going_on:
                return "no later provider can continue it (prefill = true, for such a request), so it ends in an error"
            return f"{', then '.join(going_on)} may continue it, {MAX_CONTINUATIONS} at most; otherwise it ends in an error"
        case _:
            return "it ends in an error"


def _who_goes_on(explanation: Explanation) -> list[str]:
    """Return who behind the first would take a begun answer, in the order in which they are asked."""
    taking = {view.config.name for view in explanation.views if view.goes_on}
    later = explanation.plan.order[1 : explanation.profile.max_attempts]
    return [entry.provider for entry in later if entry.provider in taking]


def _tools(explanation: Explanation) -> Iterator[str]:
    """Yield what the tool guard finds, and what comes of it."""
    verdict = explanation.verdict
    if not explanation.offered_tools and not explanation.calls:
        return
    yield f"tools: {explanation.offered_tools} offered, {explanation.calls} calls since the user's last message"
    if (loop := verdict.loop.loop) is not None:
        times = f"{loop.tool_name} {loop.repeat_count} times (limit {loop.threshold})"
        yield f"tool loop: {times}, so the request {_ACTS[verdict.loop.act]}"
    if (excess := verdict.count.excess) is not None:
        yield f"tool calls: {excess.total_count} of {excess.max_allowed} allowed, so the request {_ACTS[verdict.count.act]}"
    if explanation.rejected is not None:
        yield f"no provider is asked: {explanation.rejected.kind}: {explanation.rejected.message}"


def _why(entry: Entry, view: ProviderView) -> str:
    if view.refused is not None:
        return view.refused.line
    numbers = dict(zip(RANK_KEYS, entry.rank, strict=True))
    moved = [words for key, words in _RANK_WORDS.items() if numbers[key]]
    told = ", ".join(moved).format(lacking=", ".join(view.fit.lacking), points=numbers["adaptive"])
    return told or "its place in the profile"


def _model(view: ProviderView) -> str:
    return view.config.model or THE_SERVERS


def _not_known(explanation: Explanation) -> str:
    """Return what a configuration alone does not tell, as far as it matters for this profile."""
    known = ["health and rests", "keys at rest and their pace", "how each provider counts tokens"]
    if any(view.costing.caps for view in explanation.views):
        known.append("what is spent")
    if explanation.profile.sticky:
        known.append("which provider has this session")
    if explanation.profile.adaptive:
        known.append("which providers are slow or failing")
    if explanation.profile.drift_detection_action != "off":
        known.append("which providers' answers have drifted")
    return f"known to the running daemon only ({STATUS}): {', '.join(known)}"
