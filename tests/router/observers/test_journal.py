"""Lines of the audit file and of the request journal: which there are, and what is in none of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from attrs import define, field

from router.domain.told import Told
from router.observers.events import AUDITED, EVENTS, level_of
from router.observers.journal import AuditListener, JournalListener, crash_of, journal_record

NOW = 1767323045.678
SECRET = "sk-ant-0123456789"
ORIGINAL_KEYS = {  # of a line of CodeRouter's journal (supervision.md 14)
    "ts",
    "provider",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "cost_savings_usd",
    "streaming",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "outcome",
}
QUOTED = {  # decision 042: what may hold words of an upstream, or of a server of this machine
    "drift-reload-attempted": "detail",
    "fallback-occurred": "detail",
    "memory-pressure-detected": "error",
    "process-ended": "tail",
    "process-start-failed": "message",
    "provider-failed-midstream": "error",
    "self-healing-exclude": "error",
    "self-healing-hold": "error",
    "self-healing-recovery-probe": "error",
    "self-healing-restart": "error tail",
}
OF_OURS = {  # under such a name, but in our words or the system's
    *("config-reload", "ingress-bind-failed", "process-log-failed", "self-healing-restart-suppressed", "state-degraded"),
    *("state-store-failed", "stop-requested", "supervisor-child-ended"),
}
WORDY = {"error", "detail", "message", "tail"}
OUR_KEYS = {
    *("seq", "request_id", "session", "request_class", "profile", "model", "dialect", "status", "why", "chain"),
    *("ttft_ms", "total_ms", "estimated"),
}


@define
class Kept:
    is_on: bool = True
    lines: list[bytes] = field(factory=list)

    def put(self, line: bytes) -> None:
        self.lines.append(line)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.lines]


def tell(name: str, fields: Mapping[str, object], seq: int = 1) -> Told:
    return Told(seq, NOW, level_of(name, fields), name, fields)


def audited(event: str, /, **fields: object) -> list[dict[str, Any]]:
    kept = Kept()
    AuditListener(kept, lambda text: text.replace(SECRET, "***")).told(tell(event, fields))
    return kept.records


def journalled(event: str, /, **fields: object) -> list[dict[str, Any]]:
    kept = Kept()
    JournalListener(kept, lambda text: text.replace(SECRET, "***")).told(tell(event, fields))
    return kept.records


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_event_is_a_line_of_the_audit_file_where_the_registry_says_so(name: str) -> None:
    fields = {one: f"the {one}" for one in EVENTS[name].fields if one != EVENTS[name].quiet_if}
    kept = {one: value for one, value in fields.items() if one != "exc_info"}
    for one in QUOTED.get(name, "").split():
        del kept[one]

    lines = audited(name, **fields)

    assert len(lines) == (name in AUDITED)
    for line in lines:
        assert line.items() >= {"ts": "2026-01-02T03:04:05.678Z", "seq": 1, "event": name, **kept}.items()
        assert line.keys() - kept.keys() - {"crash"} == {"ts", "seq", "level", "event"}
        assert line["level"] == logging.getLevelName(EVENTS[name].level).lower()


def test_a_detail_is_none() -> None:
    assert audited("fallback-occurred", absent=True) == []


def test_nothing_is_made_of_an_event_while_the_file_is_off() -> None:
    kept = Kept(is_on=False)

    AuditListener(kept, str).told(tell("router-startup", {}))
    JournalListener(kept, str).told(tell("request-complete", {}))

    assert kept.lines == []


@pytest.mark.parametrize("name", sorted(QUOTED))
def test_what_may_quote_a_prompt_is_left_out_of_what_is_kept(name: str) -> None:
    (line,) = audited(name, **dict.fromkeys(WORDY, "words of a prompt"), reason="timeout")

    assert "words of a prompt" not in str(line)
    assert line["reason"] == "timeout"


def test_of_each_audited_event_with_words_it_is_settled_whose_they_are() -> None:
    wordy = {name for name in AUDITED if WORDY & set(EVENTS[name].fields)}

    assert wordy == QUOTED.keys() | OF_OURS


def test_a_crash_is_told_by_its_class_and_place_without_its_message() -> None:
    def broken() -> None:
        raise ValueError("words of a prompt")

    with pytest.raises(ValueError, match="words") as raised:
        broken()
    group = ExceptionGroup("many", [ExceptionGroup("inner", [raised.value]), OSError("later")])

    (line,) = audited("router-crashed", exc_info=group)

    assert line["crash"].startswith("ValueError at broken:")
    assert "words" not in str(line)
    assert crash_of(True) == "unknown"  # noqa: FBT003 - what logging takes for the exception at hand


def test_no_secret_gets_into_a_line() -> None:
    (line,) = audited("config-reload", result="refused", detail=f"not {SECRET}")
    (row,) = journalled("request-complete", outcome="ok", model=SECRET)

    assert (line["detail"], row["model"]) == ("not ***", "***")


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: object()}, b"\xff", "\x00\n"])
def test_a_line_is_one_line_whatever_it_holds(value: object) -> None:
    kept = Kept()

    AuditListener(kept, str).told(tell("admin-action", {"action": value}))

    (line,) = kept.lines
    assert b"\n" not in line
    assert orjson.loads(line)["event"] == "admin-action"


def test_a_row_has_the_ten_keys_of_coderouter_and_ours() -> None:
    (row,) = journalled("request-complete", outcome="ok", stream=True)

    assert row.keys() >= ORIGINAL_KEYS | OUR_KEYS
    assert row["streaming"] is True


@pytest.mark.parametrize(
    ("word", "chain", "outcome", "reason"),
    [
        ("ok", ["a:ok"], "ok", None),
        ("failed", ["a:timeout"], "failed", "failed"),
        ("cancelled-midstream", ["a:cut"], "cancelled", "cancelled-midstream"),
        ("invalid-request", [], "refused", "invalid-request"),
        ("internal", [], "failed", "internal"),
    ],
)
def test_an_outcome_is_one_of_four(word: str, chain: list[str], outcome: str, reason: str | None) -> None:
    row = journal_record(tell("request-complete", {"outcome": word, "chain": chain}))

    assert (row["outcome"], row["reason"]) == (outcome, reason)


def test_a_request_that_was_refused_at_the_door_is_a_row_and_a_page_that_is_not_there_is_none() -> None:
    refused = {"request_id": "id", "method": "POST", "path": "/v1/messages", "kind": "unauthorized", "status": 401}
    (row,) = journalled("request-refused", **refused, dialect="anthropic")

    assert (row["request_id"], row["dialect"], row["outcome"], row["reason"]) == ("id", "anthropic", "refused", "unauthorized")
    assert row["status"] == 401
    assert journalled("request-refused", **{**refused, "path": "/dashboard/login"}) == []
