"""`router status`: how the running daemon and each of its providers are, and what is being done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from router.domain.printable import printable
from router.reports.learned import capability_words, learned_facts, learned_words
from router.reports.words import STYLES, cents, duration_words

_NOTHING = "-"
_RUNNING = "running"
_DATED = frozenset({"degraded", "unhealthy", "excluded", "probation", "held"})  # the words of which `since` tells
_WIDE = 100  # columns from which there is room for a second word on each provider


def print_status(body: Mapping[str, Any], out: Console) -> None:
    """Print the body of `/status`: on a terminal as tables, else one line per fact, `word name key=value ...`."""
    if not out.is_terminal:
        for line in status_lines(body):
            out.print(Text(printable(line)))
        return
    out.print(Text(_headline(body)))
    for name, why in degraded_parts(body):
        out.print(Text(printable(f"degraded: {name}" + (f": {why}" if why else "")), "yellow"))
    if recording := body.get("recording_requests"):
        out.print(Text(f"recording requests {_whose(recording)}, kept for {recording['max_age_days']} days", "yellow"))
    for part in filter(None, (_providers(body, out.width), _reasons(body), _spending([*budgets_in_use(body)]), _parts(body))):
        out.print()
        out.print(part)
    remarks = [Text(line, "red") for line in refusals(body)]
    remarks += [Text(f"warning: {warning}", "yellow") for warning in body.get("warnings", ())]
    if remarks:
        out.print()
        out.print(*remarks, sep="\n")


def state_of(provider: Mapping[str, Any]) -> str:
    """Return the one word that says most about a provider; the daemon has chosen it."""
    return str(provider.get("word", provider.get("state", "")))


def refusals(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield each mistake of the configuration that a reload has refused; none where the one at work is the newest."""
    for mistake in body.get("config_rejected", ()):
        yield f"configuration refused: {mistake}"


def degraded_parts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each part that has given up and why, "" where the router does not say."""
    whys = body.get("degraded_why", {})
    for part in body.get("degraded", ()):
        yield part, whys.get(part, "")


def status_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a script reads: every fact on a line of its own, free text last."""
    head = {
        "version": body.get("version"),
        "addresses": ",".join(body.get("addresses", ())),
        "generation": body.get("generation"),
        "uptime_s": body.get("uptime_s"),
        "in_flight": body.get("in_flight"),
        "default_profile": body.get("default_profile"),
        "routable": "yes" if body.get("default_profile_routable") else "no",
    }
    yield f"daemon {body.get('status')} {_pairs(head)}"
    for part, why in degraded_parts(body):
        yield f"degraded {part}" + (f" why: {why}" if why else "")
    if recording := body.get("recording_requests"):
        yield f"recording requests {_whose(recording)} {_pairs({'max_age_days': recording['max_age_days']})}"
    for one in body.get("providers", ()):
        facts = {
            "state": state_of(one),
            "health": _health(one).get("state"),
            "in_flight": one.get("in_flight"),
            "next_probe_in_s": _health(one).get("next_probe_in_s"),
            "restarts": _budget(one),
            "process": one.get("process"),
            "model": _model_word(one),
            **_money(one.get("spend")),
            **learned_facts(one),
        }
        why = why_words(one)
        yield f"provider {one['name']} {_pairs(facts)}" + (f" why: {why}" if why else "")
    for one in body.get("providers", ()):
        if known := capability_words(one):
            yield f"capabilities {one['name']} {known}"
    for name, period, standing in _budgets(body):
        yield f"budget {name} {_pairs({'period': period, **_money(standing)})}"
    if "fairness" in body:
        yield f"fairness {_pairs(body['fairness'])}"
    for child in body.get("supervisors", ()):
        yield f"supervisor {child['name']} {_pairs({'state': child.get('state'), 'restarts': child.get('restarts')})}"
    for mistake in body.get("config_rejected", ()):
        yield f"config-rejected {mistake}"
    for warning in body.get("warnings", ()):
        yield f"warning {warning}"


def _whose(recording: Mapping[str, Any]) -> str:
    return f"of {','.join(recording['profiles'])}" if recording.get("profiles") else "of every profile"


def _headline(body: Mapping[str, Any]) -> str:
    answers = "has a provider" if body.get("default_profile_routable") else "has NO provider"
    return (
        f"{body.get('status')} at {', '.join(body.get('addresses', ())) or 'no address'}, version {body.get('version')}, "
        f"up {duration_words(float(body.get('uptime_s', 0)))}\n"
        f"configuration {body.get('generation')}, {_counted(body.get('in_flight', 0))} in flight, {_queue(body)}"
        f"profile {body.get('default_profile')} {answers}"
    )


def _counted(requests: int) -> str:
    return f"{requests} request" if requests == 1 else f"{requests} requests"


def _queue(body: Mapping[str, Any]) -> str:
    waiting = body.get("fairness", {}).get("waiting", 0)
    return f"{waiting} of them waiting, " if waiting else ""


def _providers(body: Mapping[str, Any], width: int) -> Table:
    """Return a row per provider, without the columns that say nothing of anybody; health only where it is wide."""
    providers = [*body.get("providers", ())]
    columns = {title: [told(one) for one in providers] for title, told in _COLUMNS.items()}
    kept = {
        title: words
        for title, words in columns.items()
        if any(word != _NOTHING for word in words) and (title != "health" or width >= _WIDE)
    }
    table = _table("provider", *kept)
    for one, *words in zip(providers, *kept.values(), strict=True):
        table.add_row(Text(str(one["name"])), *(Text(word, STYLES.get(word, "")) for word in words))
    return table


def _probe_word(provider: Mapping[str, Any]) -> str:
    due = _health(provider).get("next_probe_in_s")
    return _NOTHING if due is None else f"in {duration_words(due)}" if due else "now"


def _server_word(provider: Mapping[str, Any]) -> str:
    model = _model_word(provider)
    return str(provider.get("process") or (f"model {model}" if model else _NOTHING))


_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "state": state_of,
    "health": lambda one: str(_health(one).get("state", _NOTHING)),
    "in flight": lambda one: str(one.get("in_flight") or _NOTHING),
    "next probe": _probe_word,
    "restarts": lambda one: _budget(one) or _NOTHING,
    "server": _server_word,
}


def _reasons(body: Mapping[str, Any]) -> Table | None:
    """Return for each provider with which something is amiss what it is, and what is done about it."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    now = now_of(body)
    for one in body.get("providers", ()):
        if why := ", ".join(filter(None, (why_words(one, now), _restarts_words(one), learned_words(one)))):
            table.add_row(Text(str(one["name"])), Text(printable(why)))
    return table if table.rows else None


def _restarts_words(provider: Mapping[str, Any]) -> str:
    """Return how often the server of one that is not well was restarted, and may be."""
    budget = provider.get("restarts")
    if budget is None or not provider.get("why"):
        return ""
    spent = ", none is left" if budget["used"] >= budget["max"] else ""
    window = f" in {duration_words(budget['window_s'])}" if "window_s" in budget else ""
    return f"{budget['used']} of {budget['max']} restarts used{window}{spent}"


def _model_word(provider: Mapping[str, Any]) -> str | None:
    """Return whether a server that tells it has the model in its memory."""
    is_loaded = provider.get("model_state", {}).get("is_loaded")
    return None if is_loaded is None else "loaded" if is_loaded else "unloaded"


def _parts(body: Mapping[str, Any]) -> Table | Text | None:
    """Return the parts of the router that do not simply run, or were restarted; the others are only counted."""
    children = [*body.get("supervisors", ())]
    told = [child for child in children if child.get("state") != _RUNNING or child.get("restarts")]
    calm = len(children) - len(told)
    if not children or not told:
        return Text(f"all {calm} supervised parts are running, none was restarted") if children else None
    table = _table("supervised", "state", "restarts")
    for child in told:
        state = str(child.get("state", ""))
        table.add_row(Text(str(child["name"])), Text(state, STYLES.get(state, "")), Text(str(child.get("restarts", 0))))
    if calm:
        table.add_row(Text(f"{calm} others", "dim"), Text(_RUNNING, "dim"), Text("0", "dim"))
    return table


def _table(first: str, *others: str) -> Table:
    """Return a table in which only the first column gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold")
    for column in others:
        table.add_column(column, no_wrap=True)
    return table


def now_of(body: Mapping[str, Any]) -> datetime | None:
    """Return the time at which the daemon wrote its page, by its own clock; an older one tells only since when it is up."""
    if isinstance(now := body.get("now"), str):
        return datetime.fromisoformat(now)
    started_at = body.get("started_at")
    if not isinstance(started_at, str):
        return None
    return datetime.fromisoformat(started_at) + timedelta(seconds=float(body.get("uptime_s", 0)))


def why_words(provider: Mapping[str, Any], now: datetime | None = None) -> str:
    """Return the reason in words: the missing key or package, the rest that it takes, or what brought it where it is.

    With it stands since when it is there, or with the daemon's `now` for how long. Of one that is well it is its last error,
    as such, if nothing good has come after it."""
    state = provider.get("state")
    if state == "disabled":
        return ""
    parts = [str(provider[key]) for key in ("reason", "detail", "why") if provider.get(key)]
    if "cooldown_left_s" in provider:
        parts.insert(0, f"rests for another {duration_words(provider['cooldown_left_s'])}")
    if _health(provider).get("loading") and not parts:
        parts.append("its model is loading")
    if (since := _health(provider).get("since")) and state_of(provider) in _DATED:
        parts.append(f"since {since}" if now is None else f"for {_age_words(since, now)}")
    error, error_at = (_health(provider).get(key) for key in ("last_error", "last_error_at"))
    if not parts and error and error_at:
        parts.append(f"last error {f'at {error_at}' if now is None else f'{_age_words(error_at, now)} ago'}: {error}")
    return ", ".join(parts)


def _age_words(stamp: str, now: datetime) -> str:
    return duration_words(max((now - datetime.fromisoformat(stamp)).total_seconds(), 0.0))


def _health(provider: Mapping[str, Any]) -> Mapping[str, Any]:
    health = provider.get("health")
    return health if isinstance(health, dict) else {}


def _budget(provider: Mapping[str, Any]) -> str | None:
    budget = provider.get("restarts")
    return None if budget is None else f"{budget['used']}/{budget['max']}"


Budget = tuple[str, str, Mapping[str, Any]]  # name, period, standing


def _budgets(body: Mapping[str, Any]) -> Iterator[Budget]:
    """Yield each budget that is not a provider's."""
    spend = body.get("spend")
    if not isinstance(spend, dict):
        return
    yield "month", spend["month"], spend["monthly"]
    yield "day", spend["day"], spend["daily"]
    for name, standing in spend["profiles"].items():
        yield f"profile/{name}", spend["month"], standing


def budgets_in_use(body: Mapping[str, Any]) -> Iterator[Budget]:
    """Yield every budget with a cap, and those of which something was spent."""
    month = str(body.get("spend", {}).get("month", ""))
    of_providers = [(f"provider/{p['name']}", month, p["spend"]) for p in body.get("providers", ()) if "spend" in p]
    for budget in (*_budgets(body), *of_providers):
        if budget[-1]["spent_usd"] or budget[-1]["cap_usd"] is not None:
            yield budget


def _spending(budgets: Sequence[Budget]) -> Table | None:
    if not budgets:
        return None
    table = _table("budget", "period", "spent USD", "reserved", "cap")
    for name, period, standing in budgets:
        spent, held, cap = standing["spent_usd"], standing["reserved_usd"], standing["cap_usd"]
        table.add_row(
            Text(name),
            Text(period),
            Text(cents(spent), "red" if cap is not None and spent >= cap else ""),
            Text(cents(held) if held else _NOTHING),
            Text(_NOTHING if cap is None else f"{cap:g}"),
        )
    return table


def _money(standing: Mapping[str, Any] | None) -> dict[str, object]:
    return {} if standing is None else {key: standing[key] for key in ("spent_usd", "reserved_usd", "cap_usd")}


def _pairs(facts: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in facts.items() if value is not None)
