from __future__ import annotations

import ssl
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest
import trio

from router.providers.http import tls_context
from supervisors.process_probe import HttpProbe

Serve = Callable[[trio.SocketStream], Awaitable[None]]


async def status_from(
    nursery: trio.Nursery,
    answer: list[bytes],
    *,
    seen: list[bytes] | None = None,
    url: str = "http://127.0.0.1:{port}/health?full=1",
) -> int | None:
    async def serve(stream: trio.SocketStream) -> None:
        request = await stream.receive_some(4096)
        if seen is not None:
            seen.append(request)
        for chunk in answer:
            await stream.send_all(chunk)
            await trio.sleep(0.005)
        await stream.aclose()

    listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    return await HttpProbe()(url.format(port=port))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], 200),
        ([b"HTTP/1.0 503 Service Unavailable\r\n\r\n"], 503),
        ([b"HT", b"TP/1.1 20", b"4\r\n\r\n"], 204),
        ([b"HTTP/1.1 200\n"], 200),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], None),
        ([b"HTTP/1.1 OK\r\n"], None),
        ([b"x" * 5000], None),
        ([], None),
    ],
)
async def test_the_status_is_read_from_the_first_line(nursery: trio.Nursery, answer: list[bytes], status: int | None) -> None:
    with trio.fail_after(5):
        assert await status_from(nursery, answer) == status


async def test_the_request_is_plain_http_with_path_and_query(nursery: trio.Nursery) -> None:
    seen: list[bytes] = []
    await status_from(nursery, [b"HTTP/1.1 200 OK\r\n\r\n"], seen=seen)

    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"GET /health?full=1 HTTP/1.1"
    assert lines[1].startswith(b"Host: 127.0.0.1:")
    assert lines[2:] == [b"Connection: close", b"", b""]


async def test_nobody_there_is_no_status() -> None:
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()

    assert await HttpProbe()(f"http://127.0.0.1:{port}/") is None


async def test_a_path_that_is_not_ascii_is_asked_for_as_a_url_writes_it(nursery: trio.Nursery) -> None:
    seen: list[bytes] = []
    url = "http://127.0.0.1:{port}/größe/%41?a=b c"

    assert await status_from(nursery, [b"HTTP/1.1 200 OK\r\n\r\n"], seen=seen, url=url) == 200
    assert seen[0].split(b"\r\n")[0] == b"GET /gr%C3%B6%C3%9Fe/%41?a=b%20c HTTP/1.1"


async def test_a_host_that_is_not_ascii_is_no_crash() -> None:
    async def dial(host: str, port: int) -> trio.SocketStream:
        assert (host, port) == ("größe.example", 80)
        raise OSError

    assert await HttpProbe(dial=dial)("http://größe.example/") is None


async def test_https_is_spoken_where_the_url_says_so_and_a_server_that_does_not_is_no_answer(nursery: trio.Nursery) -> None:
    seen: list[bytes] = []
    with trio.fail_after(5):
        status = await status_from(nursery, [b"HTTP/1.1 200 OK\r\n\r\n"], seen=seen, url="https://127.0.0.1:{port}/")

    assert status is None
    assert seen[0].startswith(b"\x16\x03")  # a TLS hello


async def test_the_certificates_are_read_once_in_a_thread_and_never_for_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    read_in: list[bool] = []
    read = httpx.create_ssl_context

    def note(*, trust_env: bool) -> ssl.SSLContext:
        read_in.append(threading.current_thread() is threading.main_thread())
        return read(trust_env=trust_env)

    async def dial(_host: str, _port: int) -> trio.SocketStream:
        raise OSError

    monkeypatch.setattr(httpx, "create_ssl_context", note)
    tls_context.cache_clear()
    probe = HttpProbe(dial=dial)

    await probe("http://127.0.0.1/")
    read_before = list(read_in)
    answers = [await probe("https://127.0.0.1/") for _ in range(3)]

    assert (read_before, read_in) == ([], [False])
    assert answers == [None] * 3
