"""What the documents say of limits and events is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.schema import ServerConfig
from router.guards.repair_scan import MAX_CALLS
from router.guards.tool_repair import MAX_TEXT
from router.ingress.body import BODY_SILENCE_S
from router.observers.events import EVENTS
from router.providers.failures import MAX_ERROR_BYTES
from router.providers.h1 import MAX_HEAD_BYTES
from router.providers.reply import MAX_BODY_BYTES
from router.routing.auto_facts import MAX_SEARCHED
from router.routing.dispatch import MAX_CONTINUATIONS
from router.routing.gate import MAX_HELD_BYTES, MAX_HELD_FRAMES, MAX_MALFORMED
from router.routing.sticky import MAX_SESSIONS
from router.wire.intake import MAX_DEPTH
from router.wire.shape import MAX_MESSAGES, MAX_TOOLS
from router.wire.sse import MAX_EVENT_BYTES, MAX_LINE_BYTES
from supervisors.ingress import HEADER_BYTES, IDLE_CONNECTION_S

DOCS = Path(__file__).parents[2] / "docs"
SERVER = ServerConfig()
KIB, MIB = 1024, 1024 * 1024


def section(document: str, title: str) -> str:
    """Return a section of a document, up to the next one."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


LIMITS = [
    ("its head", f"{HEADER_BYTES // KIB} KiB"),
    ("its body, unfolded where it is gzip", f"`max_body_bytes`, {SERVER.max_body_bytes // MIB} MiB"),
    ("silence while its body is waited for", f"{BODY_SILENCE_S:g} s"),
    ("levels of arrays and objects", f"{MAX_DEPTH}"),
    ("`messages`", f"{MAX_MESSAGES:,}"),
    ("`tools`, `functions`", f"{MAX_TOOLS:,}"),
    ("requests at once", f"`max_in_flight`, {SERVER.max_in_flight}"),
    (
        "requests in progress, in all and of one session",
        f"`max_running`, and `session_max_in_flight`, {SERVER.session_max_in_flight}",
    ),
    (
        "requests that wait, and for how long",
        f"`queue_max`, {SERVER.queue_max}, and `queue_timeout_s`, {SERVER.queue_timeout_s:g} s",
    ),
    ("the text that a pattern of `[auto_router]` sees", f"{MAX_SEARCHED:,} characters"),
    ("a client that reads nothing of its answer", f"`write_timeout_s`, {SERVER.write_timeout_s:g} s"),
    ("a connection between two requests", f"{IDLE_CONNECTION_S:g} s"),
    ("its head", f"{MAX_HEAD_BYTES // KIB} KiB"),
    ("a whole answer", f"{MAX_BODY_BYTES // MIB} MiB"),
    ("one line, one event of a stream", f"{MAX_LINE_BYTES // MIB} MiB, {MAX_EVENT_BYTES // MIB} MiB"),
    ("broken frames in a row", f"{MAX_MALFORMED}"),
    ("the body of an error", f"{MAX_ERROR_BYTES // KIB} KiB are kept"),
    ("what is held back before the first content", f"{MAX_HELD_FRAMES} events, {MAX_HELD_BYTES // KIB} KiB"),
    ("text that tool repair reads", f"{MAX_TEXT:,} characters, {MAX_CALLS} calls"),
    ("providers that continue one broken answer", f"{MAX_CONTINUATIONS}"),
]


def test_the_table_of_limits_has_the_limits_of_the_code() -> None:
    text = section("guarantees.md", "Limits")
    rows = re.findall(r"^\| (?!Of |---)(.+?) \| (.+?) \| .+ \|$", text, re.MULTILINE)

    assert rows == LIMITS
    assert f"{MAX_SESSIONS:,} sessions" in text


@pytest.mark.parametrize("event", [name for name, spec in EVENTS.items() if "request_id" in spec.fields])
def test_every_event_of_a_request_stands_in_the_document(event: str) -> None:
    assert f"`{event}`" in section("operations.md", "What the log says of a request")


def test_no_event_is_in_the_document_that_nobody_tells() -> None:
    named = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", section("operations.md", "What the log says of a request"))

    assert [name for name in named if name not in EVENTS] == []
