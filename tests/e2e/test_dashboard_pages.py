"""The dashboard's pages on a real socket: what is served, to whom, under which policy, and how its stream ends."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.resources import files
from urllib.parse import quote

import httpx
import pytest
import trio
from attrs import define, evolve

from router.domain.told import Told
from router.ingress.dashboard_hub import MAX_VIEWERS
from router.ingress.dashboard_pages import NAMES
from router.ingress.exchange import Exchange
from router.ingress.record import Record
from router.ingress.status_report import StatusReport
from router.observers.latest import KEPT
from tests.e2e.front_harness import PATIENCE_S, Facts, Seen, Served, open_front
from tests.router.ingress.memory import Conversation

pytestmark = pytest.mark.e2e

CANARY = "<img src=x onerror=alert(1)>"
AS_JSON = {"content-type": "application/json"}
FOREIGN = {"x-forwarded-for": "192.168.1.7"}  # behind a proxy nobody is on this machine
STREAM = b"GET /dashboard/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
EVENTS = 20_000  # more than a connection holds that nobody reads
METRICS, ADMIN = "metrics-token-1", "admin-token-1"


@define
class Desk:
    """A front, and a browser of sorts: it keeps cookies."""

    served: Served
    client: httpx.AsyncClient


@asynccontextmanager
async def open_desk(
    *, facts: Facts | None = None, metrics_token: str | None = None, admin_token: str | None = None, tick_s: float = 0.05
) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        front = open_front(no_model, facts=facts, metrics_token=metrics_token, admin_token=admin_token, tick_s=tick_s)
        served = await stack.enter_async_context(front)
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=served.address.url, trust_env=False))
        yield Desk(served, client)


async def no_model(exchange: Exchange) -> None:
    await exchange.respond(500, [])


class Hostile(Facts):
    """What upstreams and configurations may call things."""

    def report(self) -> StatusReport:
        return evolve(Facts.report(self), default_profile=CANARY, profiles={CANARY: (CANARY,)})


async def test_the_page_and_its_files_come_from_the_package_under_a_policy_that_allows_nothing_else() -> None:
    async with open_desk() as desk:
        page = await desk.client.get("/dashboard")
        names = sorted(set(re.findall(r"/dashboard/files/([a-z.]+)", page.text)) | NAMES)
        answers = [await desk.client.get(f"/dashboard/files/{name}") for name in names]

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    assert {(one.status_code, one.headers["content-security-policy"]) for one in (page, *answers)} == {(200, policy)}
    assert re.findall(r"https?://(?!www[.]w3[.]org/2000/svg)", "".join(one.text for one in (page, *answers))) == []


def test_every_file_of_the_page_is_served_and_no_other() -> None:
    there = {one.name for one in files("router.ingress").joinpath("dashboard").iterdir()}

    assert there - {"page.html", "login.html"} == NAMES


@pytest.mark.parametrize("name", ["page.html", "..%2fops.py", "no.js", "%2e%2e/ops.py"])
async def test_nothing_else_is_a_file(name: str) -> None:
    async with open_desk() as desk:
        assert (await desk.client.get(f"/dashboard/files/{name}")).status_code == 404


async def test_what_others_call_things_is_text_on_the_page_and_no_markup() -> None:
    async with open_desk(facts=Hostile()) as desk:
        page = await desk.client.get("/dashboard")

    assert CANARY not in page.text
    assert "&lt;img src=x" in page.text


async def test_from_elsewhere_a_browser_is_led_to_the_form_and_a_program_to_an_error() -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        page = await desk.client.get("/dashboard", headers=FOREIGN)
        stream = await desk.client.get("/dashboard/events", headers=FOREIGN)
        form = await desk.client.get(page.headers["location"], headers=FOREIGN)

    assert (page.status_code, page.headers["location"]) == (303, "/dashboard/login")
    assert stream.status_code == 401
    assert (form.status_code, 'type="password"' in form.text) == (200, True)


async def test_a_token_in_the_form_opens_the_page_by_a_cookie() -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        wrong = await desk.client.post("/dashboard/login", data={"token": CANARY}, headers=FOREIGN)
        right = await desk.client.post("/dashboard/login", data={"token": METRICS}, headers=FOREIGN)
        page = await desk.client.get("/dashboard", headers=FOREIGN)

    assert (wrong.status_code, "does not open" in wrong.text, CANARY in wrong.text) == (403, True, False)
    assert (right.status_code, right.headers["location"], page.status_code) == (303, "/dashboard", 200)
    assert METRICS not in right.headers["set-cookie"]


async def test_a_wrong_token_in_the_form_is_told_like_a_wrong_one_in_a_header() -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        await desk.client.post("/dashboard/login", data={"token": "guess"}, headers={**FOREIGN, "x-request-id": "form"})
        await desk.client.get("/dashboard/events", headers={**FOREIGN, "authorization": "Bearer guess", "x-request-id": "header"})
        told = [fields for name, fields in desk.served.seen.events if name == "request-refused"]

    alike = {"kind": "unauthorized", "peer": "127.0.0.1"}
    assert told == [
        {"request_id": "form", "method": "POST", "path": "/dashboard/login", "status": 403, **alike},
        {"request_id": "header", "method": "GET", "path": "/dashboard/events", "status": 401, **alike},
    ]


async def test_a_form_that_is_too_large_gets_the_router_s_own_error() -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        answer = await desk.client.post("/dashboard/login", data={"token": "x" * 70_000}, headers=FOREIGN)

    assert answer.status_code == 413
    assert "65536 bytes" in answer.json()["error"]["message"]


async def test_the_page_is_found_with_a_slash_at_its_end_too() -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        here = await desk.client.get("/dashboard/")
        elsewhere = await desk.client.get("/dashboard/", headers=FOREIGN)

    assert (here.status_code, "<!doctype html>" in here.text.lower()) == (200, True)
    assert (elsewhere.status_code, elsewhere.headers["location"]) == (303, "/dashboard/login")


@pytest.mark.parametrize(("token", "status"), [(METRICS, 401), (ADMIN, 404)])
async def test_only_the_admin_s_cookie_cancels(token: str, status: int) -> None:
    async with open_desk(metrics_token=METRICS, admin_token=ADMIN) as desk:
        await desk.client.post("/dashboard/login", data={"token": token}, headers=FOREIGN)
        answer = await desk.client.post("/admin/requests/req_1/cancel", headers={**AS_JSON, **FOREIGN})

    assert answer.status_code == status


OF_OTHERS = [
    {"sec-fetch-site": "cross-site", "origin": "http://evil.test"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"},
    {"origin": "http://evil.test"},
    {"origin": "null"},
]


@pytest.mark.parametrize("headers", OF_OTHERS)
async def test_a_page_of_another_site_can_neither_log_a_browser_in_nor_act(headers: dict[str, str]) -> None:
    async with open_desk(metrics_token=METRICS) as desk:
        entered = await desk.client.post("/dashboard/login", data={"token": METRICS}, headers=headers)
        acted = await desk.client.post("/admin/requests/req_1/cancel", headers={**AS_JSON, **headers})

    assert [(one.status_code, one.json()["error"]["code"]) for one in (entered, acted)] == [(403, "host_not_allowed")] * 2
    assert "set-cookie" not in entered.headers


async def test_a_form_of_another_site_cannot_cancel() -> None:
    async with open_desk() as desk:
        answer = await desk.client.post("/admin/requests/req_1/cancel", data={"a": "b"})

    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["req_of_mine", "team-7.turn_12"])
async def test_a_cancel_reaches_the_request_by_whatever_name_its_client_gave_it_and_is_told_with_its_peer(name: str) -> None:
    async with open_desk() as desk:
        exchange = Conversation(headers=[("x-request-id", name)]).exchange()
        path = f"/admin/requests/{quote(name, safe='')}/cancel"
        with desk.served.hub.live.entered(exchange, Record(exchange=exchange, observer=Seen())) as entry:
            answer = await desk.client.post(path, headers=AS_JSON)
            again = await desk.client.post(path, headers=AS_JSON)
        told = [fields for name, fields in desk.served.seen.events if name == "admin-action"]

    assert (answer.json()["result"], again.json()["result"], entry.outer.cancel_called) == ("cancelled", "ending", True)
    assert [(one["action"], one["request_id"], one["result"], one["peer"]) for one in told] == [
        ("cancel", name, "cancelled", "127.0.0.1"),
        ("cancel", name, "ending", "127.0.0.1"),
    ]


async def test_a_stream_is_never_kept_and_ends_when_the_daemon_stops() -> None:
    async with open_desk() as desk, desk.served.connect() as viewer:
        await viewer.send(STREAM)
        head = await viewer.read_until(b'"daemon"')
        desk.served.drain.begin()
        rest = await viewer.read_to_end()

    assert b"content-type: text/event-stream; charset=utf-8" in head
    assert b"cache-control: no-store, no-transform" in head
    assert b"event: bye" in rest


async def test_a_viewer_that_leaves_gives_its_place_back() -> None:
    async with open_desk() as desk:
        async with desk.served.connect() as viewer:
            await viewer.send(STREAM)
            await viewer.read_until(b"event: news")
            assert len(desk.served.hub.viewers) == 1
        with trio.fail_after(PATIENCE_S):
            while desk.served.hub.viewers:  # noqa: ASYNC110 - the server sees it in its own time
                await trio.sleep(0.01)


async def test_one_viewer_too_many_is_told_to_come_again() -> None:
    async with open_desk() as desk:
        for _ in range(MAX_VIEWERS):
            desk.served.hub.enter()
        answer = await desk.client.get("/dashboard/events")

    assert answer.status_code == 503


async def test_a_viewer_that_reads_nothing_holds_up_neither_the_others_nor_the_daemon() -> None:
    async with open_desk(tick_s=0.01) as desk, desk.served.connect() as stuck, desk.served.connect() as viewer:
        for one in (stuck, viewer):
            await one.send(STREAM)
        for start in range(0, EVENTS, KEPT):
            for number in range(start, start + KEPT):
                fields = {"number": number, "detail": "x" * 100}
                desk.served.hub.views.latest.told(Told(number, 0.0, logging.INFO, "request-complete", fields))
            viewer.received = b""
            await viewer.read_until(b"number=%d" % (start + KEPT - 1))
        (behind, ahead) = sorted(one.told for one in desk.served.hub.viewers)

    assert ahead == EVENTS
    assert behind < EVENTS  # its connection is full
