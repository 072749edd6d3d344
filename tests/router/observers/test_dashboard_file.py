"""The Grafana file and the alerts of docs/metrics.md ask for nothing that is not there."""

from __future__ import annotations

import copy
import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import trio
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from router.domain.outcome import RequestResult, result_of
from router.errors import ErrorKind
from router.observers.families import COUNTED, Family, Kind
from router.observers.state_families import READ
from tests.router.observers.family_tables import DOCUMENT

ROOT = Path(__file__).parents[3]
BOARD: dict[str, Any] = json.loads((ROOT / "conf" / "grafana" / "nursery-router.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES: list[str] = [target["expr"] for panel in PANELS for target in panel["targets"]]
ALERTS = DOCUMENT.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
FAMILIES = {family.name: family for family in (*COUNTED, *READ)}
SELECTED = re.compile(r"\b(router_\w+)(?:\{([^}]*)\})?")
PROMTOOL = shutil.which("promtool")


def selected(query: str) -> list[tuple[Family, set[str]]]:
    """Return the families that a query selects, with the labels by which it does."""
    found = []
    for name, matchers in SELECTED.findall(query):
        family = FAMILIES.get(name) or FAMILIES[name.removesuffix("_bucket")]
        assert (family.kind is Kind.HISTOGRAM) is name.endswith("_bucket"), query
        found.append((family, set(re.findall(r"(\w+)\s*[=!]", matchers))))
    return found


@pytest.mark.parametrize("query", [*QUERIES, *re.findall(r"expr: (.*(?:\n {10}.*)*)", ALERTS)])
def test_each_query_is_of_families_and_labels_that_there_are(query: str) -> None:
    for family, labels in selected(query):
        assert labels <= {label.name for label in family.labels} | {"job"}
        if grouped := re.search(r"sum by \(([^)]*)\)", query):
            assert set(grouped.group(1).split(", ")) - {"le"} <= {
                label.name for one, _ in selected(query) for label in one.labels
            }


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_is_of_the_jobs_that_are_chosen(query: str) -> None:
    names = re.findall(r"\b(?:router|process)_\w+", query)

    assert names
    assert len(re.findall(r"\b(?:router|process)_\w+\{job=~\"\$job\"[,}]", query)) == len(names)


def test_all_jobs_are_those_of_routers_and_no_other_exporters() -> None:
    (job,) = [variable for variable in BOARD["templating"]["list"] if variable["name"] == "job"]

    assert job["definition"] == "label_values(router_uptime_seconds, job)"
    assert "allValue" not in job


@pytest.mark.parametrize(
    "wanted", ["requests", "attempts", "ttft", "fallbacks", "provider_state", "excluded", "probes", "restarts"]
)
def test_each_thing_to_look_at_has_a_panel(wanted: str) -> None:
    assert any(f"router_{wanted}" in query for query in QUERIES)


@pytest.mark.parametrize("wanted", ["output_tokens", "cache_observed", "cost_usd", "budget_spent", "supervisor_state"])
def test_so_have_money_and_the_tree(wanted: str) -> None:
    assert any(f"router_{wanted}" in query for query in QUERIES)


def test_what_is_asked_of_requests_goes_by_the_rule_of_how_they_end() -> None:
    matchers = [found for query in (*QUERIES, ALERTS) for found in re.findall(r"router_requests_total\{([^}]*)\}", query)]
    results = [re.findall(r'result=~?"([^"]*)"', found) for found in matchers]

    assert {word for (words,) in filter(None, results) for word in words.split("|")} <= set(RequestResult)
    assert results.count(["failed"]) == 1  # the alert
    assert results.count(["ok|failed"]) == 2  # both shares are of what a provider was asked for
    assert ["failed|refused"] in results
    assert not [found for found in matchers if "outcome" in found and 'result="refused"' not in found]


def test_what_is_turned_away_through_no_mistake_of_its_client_is_in_an_alert() -> None:
    (words,) = re.findall(r'result="refused",\s*outcome=~"([^"]*)"', ALERTS)

    assert set(words.split("|")) <= set(ErrorKind)
    assert {result_of(word, has_asked=False) for word in words.split("|")} == {RequestResult.REFUSED}


def test_grafanas_own_types_take_the_whole_file() -> None:
    register_default_plugins()

    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(BOARD)))

    written = copy.deepcopy(BOARD)
    for variable in written["templating"]["list"]:
        variable.pop("definition", None)  # what Grafana itself shows of a query, which its types leave out
    assert lost_of(written, kept) == []


def lost_of(written: object, kept: object, place: str = "") -> list[str]:
    """Return the places of what was written and is not kept as it was; more may be there."""
    if isinstance(written, dict) and isinstance(kept, dict):
        inside = [(name, value, kept.get(name)) for name, value in written.items()]
    elif isinstance(written, list) and isinstance(kept, list) and len(written) == len(kept):
        inside = [(str(at), *both) for at, both in enumerate(zip(written, kept, strict=True))]
    else:
        return [] if written == kept else [place]
    return [lost for name, one, other in inside for lost in lost_of(one, other, f"{place}/{name}")]


def test_it_asks_the_data_source_that_is_chosen() -> None:
    assert BOARD["schemaVersion"] == 39  # Grafana 10's; a newer one migrates it
    assert {variable["name"] for variable in BOARD["templating"]["list"]} == {"datasource", "job", "provider"}
    sources = [panel["datasource"] for panel in PANELS] + [
        target["datasource"] for panel in PANELS for target in panel["targets"]
    ]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_no_two_panels_lie_on_each_other() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]

    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


# what Prometheus takes is known to Prometheus alone; .ci/run installs it, so this runs there
@pytest.mark.skipif(PROMTOOL is None, reason="needs the program `promtool` (Debian's package `prometheus`)")
async def test_prometheus_own_tool_takes_the_alerts(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(ALERTS)

    argv = [str(PROMTOOL), "check", "rules", str(tmp_path / "alerts.yml")]
    checked = await trio.run_process(argv, capture_stdout=True, capture_stderr=True, check=False)

    assert checked.returncode == 0, checked.stdout.decode() + checked.stderr.decode()
