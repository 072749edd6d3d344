from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest
import trio
from attrs import define, field

from router.config.redact import Redactor
from router.config.secret import Secret
from router.errors import UnknownProfile
from router.ingress.asgi import Front
from router.ingress.asgi_types import ASGIApp, Message
from router.ingress.drain import Drain
from router.ingress.exchange import Exchange
from router.ingress.front_cold import ColdApp
from router.ingress.front_gate import FrontGate
from router.ingress.routes import ModelRoute
from router.observers.families import AT_THE_DOOR
from tests.router.ingress.memory import Conversation, Seen


@define(kw_only=True)
class Bench:
    """A front with a model handler that answers at once, and what it was asked."""

    tokens: tuple[str, ...] = ()
    max_in_flight: int = 2
    drain: Drain = field(factory=Drain)
    seen: Seen = field(factory=Seen)
    asked: list[ModelRoute] = field(factory=list)

    redact: Callable[[str], str] = str
    counted: list[int] = field(factory=list)  # in flight, as each model request saw it

    async def answer_model(self, exchange: Exchange, route: ModelRoute) -> None:
        self.asked.append(route)
        self.counted.append(self.drain.in_flight)
        await exchange.read_body(1000)
        await exchange.respond(200, [], b"model")

    @property
    def front(self) -> Front:
        return Front(
            gate=FrontGate.of(bind_host="127.0.0.1", allowed_hosts=(), tokens=self.tokens),
            drain=self.drain,
            observer=self.seen,
            answer_model=self.answer_model,
            cold=ColdApp(no_pages),
            max_in_flight=self.max_in_flight,
            version="9.9",
            is_canary=lambda headers: headers.get("x-canary") == "yes",
            hop="us",
            redact=self.redact,
        )

    async def ask(self, method: str, path: str, *headers: tuple[str, str], query: str = "") -> Conversation:
        talk = Conversation(method, path, headers=headers, query=query)
        await self.front(talk.scope, talk.receive, talk.send)
        return talk


def no_pages() -> ASGIApp:
    raise ModuleNotFoundError("quart")


def kind_of(talk: Conversation) -> str:
    error = orjson.loads(talk.body)["error"]
    return str(error.get("code") or error["type"])


async def test_model_routes_reach_the_model_handler() -> None:
    bench = Bench()

    talk = await bench.ask("POST", "/v1/messages", query="beta=true")

    assert (talk.status, talk.body) == (200, b"model")
    assert [route.dialect for route in bench.asked] == ["anthropic"]
    assert bench.drain.in_flight == 0


@pytest.mark.parametrize("drain", [Drain(), Drain(is_started=True)])
async def test_the_canary_is_answered_whatever_the_load_and_does_not_count(drain: Drain) -> None:
    bench = Bench(max_in_flight=0, drain=drain)

    talk = await bench.ask("POST", "/v1/messages", ("x-canary", "yes"))

    assert (talk.status, bench.counted) == (200, [0])


async def test_the_canary_needs_the_token_as_everybody_does() -> None:
    talk = await Bench(tokens=("token",)).ask("POST", "/v1/messages", ("x-canary", "yes"))

    assert talk.status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/", 200, b'{"service":"router","version":"9.9"}'),
        ("HEAD", "/", 200, b'{"service":"router","version":"9.9"}'),
        ("GET", "/livez", 200, b'{"status":"alive"}'),
        ("GET", "/readyz", 200, b'{"status":"ready"}'),
        ("HEAD", "/api/hello", 200, b"{}"),
        ("POST", "/api/event_logging/batch", 200, b"{}"),
    ],
)
async def test_small_pages_are_answered_without_quart_and_without_a_word(
    method: str, path: str, status: int, body: bytes
) -> None:
    bench = Bench(tokens=("token",))

    talk = await bench.ask(method, path)

    assert (talk.status, talk.body, bench.seen.events) == (status, body, [])


async def test_telemetry_is_read_to_its_end_and_thrown_away() -> None:
    bench, talk = Bench(), Conversation("POST", "/api/event_logging/batch", headers=[("content-length", "6")])
    talk.part(b"abc", more=True)
    talk.part(b"def")

    await bench.front(talk.scope, talk.receive, talk.send)

    assert (talk.status, talk.headers.get("connection")) == (200, None)


@pytest.mark.parametrize("path", ["/v1/models", "/status", "/v1/chat/completions"])
async def test_the_token_is_asked_for_where_something_is_told(path: str) -> None:
    method = "POST" if path.endswith("completions") else "GET"

    talk = await Bench(tokens=("token",)).ask(method, path)

    assert (talk.status, kind_of(talk)) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", ["/status", "/metrics.json", "/admin/tree", "/admin/requests", "/dashboard/events", "/metrics"])
@pytest.mark.parametrize("tokens", [(), ("token",)])
async def test_from_elsewhere_a_look_needs_a_token_of_its_own(path: str, tokens: tuple[str, ...]) -> None:
    bench = Bench(tokens=tokens)

    talk = await bench.ask("GET", path, ("x-forwarded-for", "192.0.2.7"), ("authorization", "Bearer token"))

    assert (talk.status, kind_of(talk)) == (401, "invalid_api_key")


async def test_the_order_of_refusals_is_target_host_route_token() -> None:
    bench = Bench(tokens=("token",))
    absolute = Conversation("GET", "http://evil.test/status")
    absolute.scope["headers"] = [(b"host", b"evil.test")]
    await bench.front(absolute.scope, absolute.receive, absolute.send)
    foreign = Conversation("GET", "/nowhere")
    foreign.scope["headers"] = [(b"host", b"evil.test")]
    await bench.front(foreign.scope, foreign.receive, foreign.send)

    assert absolute.status == 400
    assert (foreign.status, kind_of(foreign)) == (403, "host_not_allowed")
    assert kind_of(await bench.ask("GET", "/nowhere")) == "not_found"
    assert kind_of(await bench.ask("POST", "/v1/messages")) == "authentication_error"


async def test_a_refusal_is_told_once_with_its_kind_and_without_the_query() -> None:
    bench = Bench()

    await bench.ask("GET", "/v1/messages", ("x-request-id", "mine"), query="key=secret")

    facts = {
        "request_id": "mine",
        "method": "GET",
        "path": "/v1/messages",
        "kind": "method_not_allowed",
        "status": 405,
        "peer": "",
    }
    assert bench.seen.events == [("request-refused", facts)]


@pytest.mark.parametrize(
    ("method", "path", "dialect"),
    [
        ("POST", "/v1/messages", "anthropic"),
        ("POST", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/responses", "openai_responses"),
        ("POST", "/v1beta/models/m:generateContent", "gemini"),
        ("POST", "/api/chat", "ollama"),
        ("GET", "/v1/messages", None),
        ("POST", "/v1/messages/count_tokens", None),
        ("POST", "/v1/models/m:embedContent", None),
        ("POST", "/foo", None),
        ("POST", "/dashboard/login", None),
        ("POST", "/admin/providers/a/exclude", None),
    ],
)
async def test_a_refusal_tells_the_dialect_of_a_request_to_a_model_only(method: str, path: str, dialect: str | None) -> None:
    bench = Bench(tokens=("token",))

    await bench.ask(method, path, ("host", "evil.test"))

    ((_, facts),) = bench.seen.events
    assert facts.get("dialect") == dialect
    assert facts["kind"] in AT_THE_DOOR


async def test_a_wrong_method_names_the_right_ones() -> None:
    talk = await Bench().ask("GET", "/v1/messages")

    assert (talk.status, talk.headers["allow"]) == (405, "POST")


async def test_a_refusal_tells_no_half_of_a_secret() -> None:
    bench = Bench(redact=Redactor.of([Secret("plain-key-4711")]).redact)

    await bench.ask("M" * 195 + "plain-key-4711", f"/{'p' * 194}plain-key-4711{'p' * 300}")

    ((_, told),) = bench.seen.events
    assert (told["method"], told["path"]) == ("M" * 195 + "***", f"/{'p' * 194}***pp")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/chat/completions", "/api/chat"])
async def test_a_request_that_this_router_has_sent_itself_is_refused_and_told(path: str) -> None:
    bench = Bench(max_in_flight=0)

    talk = await bench.ask("POST", path, ("x-router-hops", "another, us, one-more"))

    assert (talk.status, talk.headers["x-should-retry"], bench.asked) == (508, "false", [])
    assert [(name, fields["kind"]) for name, fields in bench.seen.events] == [("request-refused", "loop_detected")]


async def test_a_request_through_too_many_others_is_refused_in_words_of_its_own() -> None:
    talk = await Bench().ask("POST", "/v1/messages", ("x-router-hops", ",".join(f"w{place}" for place in range(16))))

    assert talk.status == 508
    assert b"x-router-hops names 16 routers" in talk.body
    assert b"base_url" not in talk.body


async def test_a_request_of_another_router_is_answered() -> None:
    assert (await Bench().ask("POST", "/v1/messages", ("x-router-hops", "another"))).status == 200


async def test_a_full_daemon_says_so_to_models_only() -> None:
    bench = Bench(max_in_flight=1)
    with bench.drain.counted():
        refused = await bench.ask("POST", "/v1/chat/completions")
        page = await bench.ask("GET", "/livez")

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert page.status == 200
    assert (await bench.ask("POST", "/v1/chat/completions")).status == 200


async def test_a_stopping_daemon_takes_no_new_request_but_answers_its_probes() -> None:
    bench = Bench()
    bench.drain.begin()

    refused = await bench.ask("POST", "/v1/messages")
    ready = await bench.ask("GET", "/readyz")
    alive = await bench.ask("GET", "/livez")

    assert (refused.status, refused.headers["retry-after"], refused.headers["connection"]) == (503, "5", "close")
    assert (ready.status, alive.status) == (503, 200)
    assert bench.asked == []


async def test_an_error_of_the_model_handler_is_answered_for_it() -> None:
    class Failing(Bench):
        async def answer_model(self, exchange: Exchange, route: ModelRoute) -> None:  # noqa: ARG002 - a protocol's
            await exchange.read_body(1000)
            raise UnknownProfile(message="unknown profile 'x'")

    talk = await Failing().ask("POST", "/v1/chat/completions")

    assert (talk.status, kind_of(talk)) == (400, "unknown_profile")


async def test_pages_that_cannot_be_loaded_are_a_500_in_the_dialect() -> None:
    bench = Bench()

    talk = await bench.ask("GET", "/v1/models")

    assert (talk.status, kind_of(talk), bench.seen.names()) == (500, "internal_error", ["request-crashed"])


async def test_the_front_answers_the_lifespan_by_itself(nursery: trio.Nursery) -> None:
    to_app, from_server = trio.open_memory_channel[Message](2)
    sent: list[str] = []

    async def send(message: Message) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message["type"])

    to_app.send_nowait({"type": "lifespan.startup"})
    to_app.send_nowait({"type": "lifespan.shutdown"})
    await Bench().front({"type": "lifespan"}, from_server.receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(("host", "status"), [(b"localhost", 426), (b"evil.test", 403)])
async def test_a_websocket_is_denied_with_a_json_error(host: bytes, status: int) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        await trio.lowlevel.checkpoint()
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/responses", "headers": [(b"host", host), (b"x-request-id", b"mine")]}
    await Bench().front(scope, trio.sleep_forever, send)

    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", status)
    assert (b"x-request-id", b"mine") in sent[0]["headers"]
    assert "error" in orjson.loads(sent[1]["body"])
