"""The dashboard without scripts: what matters most, as plain HTML of the moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

import trio

from router.domain.spend import Standing
from router.ingress.dashboard_parts import Clock, providers_part
from router.ingress.live_requests import LiveRequest
from router.ingress.status_report import StatusReport, rfc3339


def summary_html(report: StatusReport, live: tuple[LiveRequest, ...], wall: datetime) -> str:
    """Return the summary at an aware moment; every text in it is escaped."""
    now = trio.current_time()
    providers = providers_part(report, Clock(now=now, wall=wall.timestamp()))
    rows = [[one[key] for key in ("name", "word", "why", "in_flight")] for one in providers if isinstance(one, dict)]
    asked = [_asked(one, now) for one in live]
    chains = [[name, " > ".join(chain)] for name, chain in report.profiles.items()]
    state = "stopping" if report.is_stopping else "running"
    return "".join(
        (
            f"<p>Nursery Router {escape(report.version)} is {state} at {rfc3339(wall)}. Without scripts this page is not live; ",
            "reload it for newer figures.</p>",
            _degraded(report),
            _table("Providers", ("Name", "State", "Why", "In flight"), rows),
            _table("Chains", ("Profile", "Providers, in order"), chains),
            _table("Live requests", ("Id", "Client", "Session", "Model asked for", "Profile", "Provider", "Phase", "Age"), asked),
            *(() if report.spend is None else _costs(report.spend.daily, report.spend.monthly)),
        )
    )


def _degraded(report: StatusReport) -> str:
    told = [f"<p>Degraded: {escape(part)}: {escape(why)}.</p>" for part, why in report.degraded_why.items()]
    return "".join(told) or "<p>Degraded: nothing.</p>"


def _asked(one: LiveRequest, now: float) -> list[str]:
    told = (one.id, one.client, one.session, one.asked_model, one.profile, one.provider, one.phase)
    return [*told, f"{now - one.opened_at:.1f} s"]


def _costs(today: Standing, month: Standing) -> Iterable[str]:
    rows = [[name, f"{one.spent_usd:.4f}", _cap(one)] for name, one in (("Today", today), ("This month", month))]
    yield _table("Cost", ("Period", "USD spent", "Cap"), rows)


def _cap(standing: Standing) -> str:
    return "none" if standing.cap_usd is None else f"{standing.cap_usd:g}"


def _table(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
