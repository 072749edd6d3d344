from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from attrs import define, field

from router.config.secret import Secret
from router.reports.daemon import Answer, DaemonClient, DaemonUnreachableError
from tests.router.config.texts import SMALL, read

PATIENCE_S = 5.0


@define
class Canned:
    """A server that answers one request with fixed bytes, and keeps the request."""

    url: str
    requests: list[bytes] = field(factory=list)


@contextmanager
def canned(answer: bytes) -> Iterator[Canned]:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        listener.settimeout(PATIENCE_S)
        server = Canned(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                request = connection.recv(65_536)
                if b"content-length: 2" in request.lower() and not request.endswith(b"{}"):
                    request += connection.recv(2)
                server.requests.append(request)
                connection.sendall(answer)

        served = threads.submit(serve)
        yield server
        served.result()


def an_answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(body), body)


REFUSED = an_answer(b'{"error":{"message":"no"}}', b"403 No")


@pytest.mark.e2e
def test_it_returns_status_and_object() -> None:
    with canned(an_answer(b'{"result":"rejected","generation":1}', b"422 No")) as server:
        answer = DaemonClient(url=server.url).ask("POST", "/admin/reload")

    assert answer == Answer(status=422, body={"result": "rejected", "generation": 1})
    assert not answer.is_success


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("method", "path", "token"), [("GET", "/v1/models", b"client-token"), ("POST", "/admin/reload", b"admin-token")]
)
def test_each_path_gets_its_own_token_and_an_action_says_that_it_is_json(method: str, path: str, token: bytes) -> None:
    with canned(REFUSED) as server:
        client = DaemonClient(url=server.url, client_token=Secret("client-token"), admin_token=Secret("admin-token"))
        client.ask(method, path)

    (request,) = server.requests
    assert request.startswith(f"{method} {path} HTTP/1.1".encode())
    assert b"authorization: Bearer " + token + b"\r\n" in request
    assert b"content-type: application/json\r\n" in request


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("path", "metrics_token", "admin_token", "token"),
    [
        ("/metrics.json", Secret("m"), Secret("a"), b"m"),
        ("/metrics.json", None, Secret("a"), b"a"),
        ("/metrics.json", None, None, b"client"),
        ("/status", Secret("m"), Secret("a"), b"m"),
        ("/status", None, None, b"client"),
        ("/admin/tree", Secret("m"), None, b"m"),
        ("/admin/requests", Secret("m"), None, b"m"),
    ],
)
def test_a_look_is_asked_for_with_the_token_that_opens_them_from_elsewhere(
    path: str, metrics_token: Secret | None, admin_token: Secret | None, token: bytes
) -> None:
    with canned(REFUSED) as server:
        client = DaemonClient(url=server.url, client_token=Secret("client"), admin_token=admin_token, metrics_token=metrics_token)
        client.ask("GET", path)

    assert b"authorization: Bearer " + token + b"\r\n" in server.requests[0]


@pytest.mark.e2e
def test_a_daemon_that_does_not_answer_in_time_counts_as_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = DaemonClient(url=f"http://127.0.0.1:{listener.getsockname()[1]}", answer_s=0.05)
        with pytest.raises(DaemonUnreachableError, match=r"the router at \S+ does not answer within 0\.05 s"):
            client.ask("GET", "/status")


@pytest.mark.e2e
@pytest.mark.parametrize("answer", [an_answer(b"<html>"), an_answer(b"[1]"), b"SSH-2.0-x\r\n", b""])
def test_who_is_no_router_counts_as_not_there(answer: bytes) -> None:
    with canned(answer) as server, pytest.raises(DaemonUnreachableError) as caught:
        DaemonClient(url=server.url).ask("GET", "/status")

    assert server.url in str(caught.value)


@pytest.mark.e2e
@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"ok"}',
        b'{"version":1,"providers":[]}',
        b'{"version":"1","providers":["a"]}',
        b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}',  # as llama.cpp says it
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/status"),
        ("GET", "/metrics.json"),
        ("GET", "/admin/tree"),
        ("GET", "/admin/requests"),
        ("POST", "/admin/requests/r1/cancel"),
        ("POST", "/admin/providers/a/hold"),
        ("POST", "/admin/providers/a/probe"),
        ("POST", "/admin/reload"),
    ],
)
def test_another_program_that_answers_with_json_is_no_router(method: str, path: str, body: bytes) -> None:
    for status in (b"200 OK", b"404 No"):
        with canned(an_answer(body, status)) as server, pytest.raises(DaemonUnreachableError) as caught:
            DaemonClient(url=server.url).ask(method, path)

        assert f"what answers at {server.url} is not a Nursery Router" in str(caught.value)


@pytest.mark.e2e
def test_nobody_at_the_address_is_told_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(DaemonUnreachableError, match=f"no router answers at {url}: Connection refused"):
        DaemonClient(url=url).ask("GET", "/status")


@pytest.mark.parametrize("url", ["", "127.0.0.1:8088", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_an_address_that_is_none_is_a_mistake_of_the_caller(url: str) -> None:
    with pytest.raises(ValueError, match="http://"):
        DaemonClient.of(None, url)


@pytest.mark.e2e
def test_a_router_that_does_not_know_a_name_is_one() -> None:
    with canned(an_answer(b'{"error":{"message":"no provider b","code":"not_found"}}', b"404 No")) as server:
        assert DaemonClient(url=server.url).ask("POST", "/admin/providers/b/hold").refusal == "no provider b"


@pytest.mark.parametrize("url", ["http://me:hunter22@127.0.0.1:18311", "http://me:hunter22@127.0.0.1:x", "http://hunter22@"])
def test_an_address_with_a_password_is_refused_and_printed_nowhere(url: str) -> None:
    with pytest.raises(ValueError, match="is not a base URL") as caught:
        DaemonClient.of(None, url)

    assert "hunter22" not in str(caught.value)


def test_the_configuration_gives_address_and_tokens() -> None:
    text = SMALL + '[server]\nport = 9001\nclient_token_env = "CLIENT"\nadmin_token_env = "ADMIN"\n'
    loaded = read(text, environ={"CLIENT": "one, two", "ADMIN": "three"})

    assert DaemonClient.of(loaded, None) == DaemonClient(
        url="http://127.0.0.1:9001", client_token=Secret("one"), admin_token=Secret("three")
    )


def test_a_port_that_only_the_daemon_knows_has_to_be_given() -> None:
    loaded = read(SMALL + "[server]\nport = 0\n")

    with pytest.raises(ValueError, match="use --url"):
        DaemonClient.of(loaded, None)
    assert DaemonClient.of(loaded, "http://127.0.0.1:9001/").url == "http://127.0.0.1:9001"
    assert DaemonClient.of(loaded, "http://127.0.0.1:9001/metrics.json").url == "http://127.0.0.1:9001"


def test_an_error_is_told_in_the_daemons_own_words() -> None:
    assert Answer(status=404, body={"error": {"message": "no provider x"}}).refusal == "no provider x"
    assert Answer(status=200, body={}).refusal == ""
    assert Answer(status=404, body={"error": {"message": "no \x1b[2J"}}).refusal == r"no \x1b[2J"
