"""The operators' pages on a real socket: what acts, what is refused, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from attrs import define

from router.domain.control import ReloadVerdict
from router.ingress.exchange import Exchange
from tests.e2e.front_harness import Operators, Served, open_front

pytestmark = pytest.mark.e2e

AS_JSON = {"content-type": "application/json"}


async def no_model(exchange: Exchange) -> None:
    await exchange.respond(500, [])


@define
class Desk:
    """A front with its operators, and a client of it."""

    served: Served
    operators: Operators
    client: httpx.AsyncClient

    async def post(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.post(path, headers=AS_JSON if headers is None else headers)

    def told(self) -> list[dict[str, object]]:
        return [fields for name, fields in self.served.seen.events if name == "admin-action"]


@asynccontextmanager
async def open_desk(admin_token: str | None = None) -> AsyncIterator[Desk]:
    operators = Operators()
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(open_front(no_model, operators=operators, admin_token=admin_token))
        client = httpx.AsyncClient(base_url=served.address.url, trust_env=False)
        yield Desk(served, operators, await stack.enter_async_context(client))


async def test_each_action_reaches_the_control_and_is_told_with_its_peer() -> None:
    async with open_desk() as desk:
        answers = [await desk.post(f"/admin/providers/local/{action}") for action in ("exclude", "hold", "restore", "probe")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert desk.operators.asked == ["exclude local", "hold local", "restore local", "probe local"]
    assert answers[0].json()["action"] == "exclude"
    assert answers[0].json()["health"]["admission"] == "admitted"  # of the report's own provider, which nobody touched
    assert (answers[3].json()["verdict"], answers[3].json()["cls"]) == ("ok", "models")
    assert [(fields["action"], fields["provider"], fields["result"], fields["peer"]) for fields in desk.told()] == [
        ("exclude", "local", "done", "127.0.0.1"),
        ("hold", "local", "done", "127.0.0.1"),
        ("restore", "local", "done", "127.0.0.1"),
        ("probe", "local", "ok", "127.0.0.1"),
    ]


async def test_a_reload_answers_what_became_of_it() -> None:
    async with open_desk() as desk:
        applied = await desk.post("/admin/reload")
        desk.operators.result = ReloadVerdict.REJECTED
        rejected = await desk.post("/admin/reload")

    assert (applied.status_code, applied.json()) == (200, {"result": "applied", "generation": 2, "messages": []})
    assert (rejected.status_code, rejected.json()["result"]) == (422, "rejected")
    assert [fields["result"] for fields in desk.told()] == ["applied", "rejected"]


async def test_the_tree_comes_with_the_number_of_tasks_that_live() -> None:
    async with open_desk() as desk:
        body = (await desk.client.get("/admin/tree")).json()

    assert body["tree"]["name"] == "root"
    assert body["tasks_living"] > 5


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code", "words"),
    [
        ("POST", "/admin/providers/far/exclude", AS_JSON, 404, "not_found", "configured: local"),
        ("POST", "/admin/providers/a/b/exclude", AS_JSON, 404, "not_found", "no provider a/b"),
        ("POST", "/admin/providers/local/kill", AS_JSON, 404, "not_found", "there are exclude, restore, hold, probe"),
        ("GET", "/admin/providers/local/exclude", AS_JSON, 405, "method_not_allowed", "GET is not supported"),
        ("GET", "/admin/reload", AS_JSON, 405, "method_not_allowed", "GET is not supported"),
        ("POST", "/admin/tree", AS_JSON, 405, "method_not_allowed", "POST is not supported"),
        (
            "POST",
            "/admin/reload",
            {"content-type": "text/plain"},
            415,
            "unsupported_media_type",
            "require content-type: application/json",
        ),
        ("POST", "/admin/reload", {**AS_JSON, "host": "evil.test"}, 403, "host_not_allowed", "allowed_hosts"),
        ("POST", "/admin/reload", {**AS_JSON, "x-forwarded-for": "10.1.1.1"}, 401, "invalid_api_key", "admin_token_env"),
        ("POST", "/admin/nowhere", AS_JSON, 404, "not_found", "no route"),
        ("POST", "/admin/providers/foo", AS_JSON, 404, "not_found", "no route"),
        ("POST", "/admin/providers/foo/", AS_JSON, 404, "not_found", "no route"),
        ("GET", "/v1/models//", AS_JSON, 404, "not_found", "no route"),
    ],
)
async def test_a_refusal_says_in_json_what_to_do(  # noqa: PLR0917 - one row of the table
    method: str, path: str, headers: dict[str, str], status: int, code: str, words: str
) -> None:
    async with open_desk() as desk:
        answer = await desk.client.request(method, path, headers=headers)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert (desk.operators.asked, desk.told()) == ([], [])


async def test_with_an_admin_token_only_it_opens() -> None:
    async with open_desk(admin_token="admin-token") as desk:
        without = await desk.post("/admin/reload")
        wrong = await desk.post("/admin/reload", {**AS_JSON, "authorization": "Bearer wrong"})
        right = await desk.post("/admin/reload", {**AS_JSON, "authorization": "Bearer admin-token"})

    assert [answer.status_code for answer in (without, wrong, right)] == [401, 401, 200]
