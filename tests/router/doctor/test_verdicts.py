from __future__ import annotations

import time
from typing import Any

import pytest

from router.config.redact import Redactor
from router.config.secret import Secret
from router.doctor import verdicts
from router.doctor.findings import Finding, Setting, Verdict, exit_code, presentable
from router.doctor.heard import Heard, Times, Trouble, heard_in
from router.doctor.leaks import filters_for
from router.doctor.questions import CANARY
from router.doctor.served import Served
from router.domain.events import SaidCall, StopReason, Usage
from router.errors import FailureReason
from router.onboarding.servers import ServerKind
from tests.router.doctor.cases import ARGUMENTS, a_case, can, said, settings

R = FailureReason
CALL = (SaidCall(id="c", name="report_status", json_text='{"word": "ready"}'),)
AS_TEXT = 'I will call it now.\n<tool_call>\n{"name": "report_status", "arguments": {"word": "ready"}}\n</tool_call>'
OLLAMA = Served(program=ServerKind.OLLAMA, most=40960)


def failed(reason: FailureReason, status: int | None = None, message: str = "no") -> Heard:
    return Heard(trouble=Trouble(reason=reason, status=status, message=message))


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (Heard(text="ready"), Verdict.OK),
        (Heard(), Verdict.OK),
        (failed(R.CONNECTION), Verdict.TRANSPORT_ERROR),
        (failed(R.TIMEOUT), Verdict.TRANSPORT_ERROR),
        (failed(R.AUTH, 401), Verdict.AUTH_FAIL),
        (failed(R.AUTH, 403), Verdict.AUTH_FAIL),
        (failed(R.AUTH), Verdict.AUTH_FAIL),
        (failed(R.CLIENT_ERROR, 404), Verdict.UNSUPPORTED),
        (failed(R.MODEL_MISSING, 400), Verdict.UNSUPPORTED),
        (failed(R.CLIENT_ERROR, 400), Verdict.TRANSPORT_ERROR),
        (failed(R.RATE_LIMIT, 429), Verdict.TRANSPORT_ERROR),
        (failed(R.UPSTREAM_5XX, 500), Verdict.TRANSPORT_ERROR),
        (failed(R.BAD_RESPONSE, 200), Verdict.TRANSPORT_ERROR),
        (failed(R.LOADING, 503), Verdict.TRANSPORT_ERROR),
    ],
)
def test_whether_it_answers_at_all(heard: Heard, verdict: Verdict) -> None:
    assert verdicts.chat(a_case(), heard).verdict is verdict


def test_a_key_that_is_refused_is_named_by_its_variable() -> None:
    assert "MY_KEY" in verdicts.chat(a_case(api_key_env="MY_KEY"), failed(R.AUTH, 401)).advice


@pytest.mark.parametrize(
    ("keys", "heard", "verdict", "mends"),
    [
        ({}, Heard(text=f"It is {CANARY}."), Verdict.OK, {}),
        ({"kind": "ollama"}, Heard(text="?"), Verdict.NEEDS_TUNING, {"max_context_tokens": 32768}),
        ({"kind": "ollama", "max_context_tokens": 4096}, Heard(text="?"), Verdict.NEEDS_TUNING, {"max_context_tokens": 32768}),
        ({"kind": "ollama", "max_context_tokens": 32768}, Heard(text="?"), Verdict.NEEDS_TUNING, {}),
        ({}, Heard(text="?"), Verdict.NEEDS_TUNING, {"kind": "ollama", "max_context_tokens": 32768}),
        ({}, failed(R.UPSTREAM_5XX, 500), Verdict.TRANSPORT_ERROR, {}),
    ],
)
def test_a_prompt_that_loses_its_head(keys: dict[str, Any], heard: Heard, verdict: Verdict, mends: dict[str, object]) -> None:
    finding = verdicts.num_ctx(a_case(OLLAMA, **keys), heard)

    assert (finding.verdict, settings(finding)) == (verdict, mends)


def test_no_larger_window_is_asked_for_than_the_model_was_made_for() -> None:
    small = Served(program=ServerKind.OLLAMA, most=8192)

    assert settings(verdicts.num_ctx(a_case(small, kind="ollama"), Heard(text="?"))) == {"max_context_tokens": 8192}


@pytest.mark.parametrize(
    ("declared", "heard", "keys", "verdict", "mends"),
    [
        (True, Heard(calls=CALL, is_stream=True, pieces=3), {}, Verdict.OK, {}),
        (None, Heard(calls=CALL, is_stream=True, pieces=1), {}, Verdict.OK, {}),
        (False, Heard(calls=CALL, is_stream=True), {}, Verdict.NEEDS_TUNING, {"capabilities.tools": True}),
        (True, Heard(text="No."), {}, Verdict.NEEDS_TUNING, {"capabilities.tools": False}),
        (None, Heard(text="No."), {}, Verdict.INFORMATION, {}),
        (False, Heard(text="No."), {}, Verdict.OK, {}),
        (True, Heard(text=AS_TEXT), {}, Verdict.INFORMATION, {}),
        (True, Heard(text=AS_TEXT), {"tool_repair": "off"}, Verdict.NEEDS_TUNING, {"tool_repair": "balanced"}),
        (False, Heard(text=AS_TEXT), {"tool_repair": "off"}, Verdict.OK, {}),
        (True, Heard(text=AS_TEXT), {"kind": "anthropic"}, Verdict.NEEDS_TUNING, {"tool_repair": "balanced"}),
        (True, failed(R.CLIENT_ERROR, 400, "does not support tools"), {}, Verdict.NEEDS_TUNING, {"capabilities.tools": False}),
        (False, failed(R.CLIENT_ERROR, 400), {}, Verdict.OK, {}),
        (True, failed(R.TIMEOUT), {}, Verdict.TRANSPORT_ERROR, {}),
        (True, failed(R.AUTH, 401), {}, Verdict.AUTH_FAIL, {}),
        (True, failed(R.RATE_LIMIT, 429), {}, Verdict.TRANSPORT_ERROR, {}),
    ],
)
def test_tools(*, declared: bool | None, heard: Heard, keys: dict[str, Any], verdict: Verdict, mends: dict[str, object]) -> None:
    case = a_case(capabilities=can() if declared is None else can(tools=declared), **keys)

    finding = verdicts.tool_calls(case, heard, None)[0]

    assert (finding.verdict, settings(finding)) == (verdict, mends)


@pytest.mark.parametrize(
    ("heard", "whole", "words"),
    [
        (Heard(text="No."), None, "answered in text: 'No.'"),
        (Heard(text="x" * 99), None, f"answered in text: '{'x' * 60}' ..."),
        (Heard(thinking="Hm."), None, "reasoned, but gave no answer"),
        (Heard(), Heard(text="No."), "gave no answer; without a stream, answered in text: 'No.'"),
        (failed(R.CLIENT_ERROR, 400, "no tools"), None, "refused: status 400, client-error: no tools"),
    ],
)
def test_what_came_in_the_place_of_a_call_is_told(heard: Heard, whole: Heard | None, words: str) -> None:
    (finding,) = verdicts.tool_calls(a_case(), heard, whole)

    assert finding.seen == f"asked to call the tool report_status; {words}"


@pytest.mark.parametrize(("pieces", "words"), [(("{", '"word": 1}'), "in 2 pieces"), (('{"word": 1}',), "in one piece")])
def test_how_a_call_streams_is_told(pieces: tuple[str, ...], words: str) -> None:
    heard = heard_in(list(said(call=pieces)), Times(first_s=0.1, gap_s=0, total_s=1), is_stream=True, trouble=None, dropped=())

    assert words in verdicts.tool_calls(a_case(), heard, None)[1].seen


@pytest.mark.parametrize(
    ("declared", "heard", "verdict", "mends"),
    [
        (True, Heard(), Verdict.OK, {}),
        (False, Heard(), Verdict.NEEDS_TUNING, {"capabilities.thinking": True}),
        (True, failed(R.CLIENT_ERROR, 400), Verdict.NEEDS_TUNING, {"capabilities.thinking": False}),
        (True, Heard(dropped=("thinking",)), Verdict.NEEDS_TUNING, {"capabilities.thinking": False}),
        (False, failed(R.CLIENT_ERROR, 400), Verdict.OK, {}),
        (None, Heard(), Verdict.INFORMATION, {}),
        (True, failed(R.OVERLOADED, 529), Verdict.TRANSPORT_ERROR, {}),
    ],
)
def test_thinking(*, declared: bool | None, heard: Heard, verdict: Verdict, mends: dict[str, object]) -> None:
    case = a_case(kind="anthropic", model="unheard-of", capabilities=can() if declared is None else can(thinking=declared))

    finding = verdicts.thinking(case, heard)

    assert (finding.verdict, settings(finding)) == (verdict, mends)


@pytest.mark.parametrize(
    ("text", "have", "verdict", "filters"),
    [
        ("42", (), Verdict.OK, None),
        ("<think>hm</think>42", (), Verdict.NEEDS_TUNING, ["strip_thinking"]),
        ("hm</think>42", (), Verdict.NEEDS_TUNING, ["strip_thinking_prefilled"]),
        ("42<|im_end|>", ("strip_thinking",), Verdict.NEEDS_TUNING, ["strip_thinking", "strip_stop_markers"]),
        ("<0xE2><0x82><0xAC>", (), Verdict.NEEDS_TUNING, ["repair_byte_fallback"]),
        ("<think>hm</think>42", ("strip_thinking",), Verdict.OK, None),
    ],
)
def test_what_leaks_into_the_text(text: str, have: tuple[str, ...], verdict: Verdict, filters: list[str] | None) -> None:
    finding = verdicts.leak(a_case(output_filters=have), (Heard(text="ready"), Heard(text=text)))

    assert (finding.verdict, settings(finding)) == (verdict, {} if filters is None else {"output_filters": filters})


def test_reasoning_in_a_field_of_its_own_is_no_leak() -> None:
    finding = verdicts.leak(a_case(), (Heard(text="42", thinking="hm"),))

    assert (finding.verdict, finding.settings) == (Verdict.INFORMATION, ())


@pytest.mark.parametrize("character", ["<", "<think", "<0x", "<|"])
def test_leaks_are_looked_for_in_linear_time(character: str) -> None:
    began = time.perf_counter()

    filters_for((character * (65_536 // len(character)),))

    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (Heard(text="1\n2\n3", deltas=5, stop=StopReason.END), Verdict.OK),
        (Heard(text="1\n2\n3", deltas=5, stop=StopReason.LENGTH), Verdict.NEEDS_TUNING),
        (Heard(text="1\n" * 60, deltas=60, stop=StopReason.LENGTH), Verdict.OK),
        (Heard(), Verdict.NEEDS_TUNING),
        (failed(R.STREAM_TRUNCATED, 200), Verdict.TRANSPORT_ERROR),
    ],
)
def test_a_longer_answer_is_not_cut_off(heard: Heard, verdict: Verdict) -> None:
    finding = verdicts.streaming(a_case(OLLAMA), heard)

    assert finding.verdict is verdict
    expected = {"extra_body.options.num_predict": 4096} if verdict is Verdict.NEEDS_TUNING else {}
    assert settings(finding) == expected


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (Heard(usage=Usage(cache_read=1400)), Verdict.OK),
        (Heard(usage=Usage(cache_read=0)), Verdict.NEEDS_TUNING),
        (Heard(), Verdict.NEEDS_TUNING),
        (failed(R.OVERLOADED, 529), Verdict.TRANSPORT_ERROR),
    ],
)
def test_the_cache(second: Heard, verdict: Verdict) -> None:
    assert verdicts.cache(a_case(kind="anthropic"), Heard(usage=Usage(cache_write=1400)), second).verdict is verdict


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ((), 0),
        ((Verdict.OK, Verdict.SKIP, Verdict.INFORMATION), 0),
        ((Verdict.OK, Verdict.NEEDS_TUNING), 2),
        ((Verdict.WARN,), 2),
        ((Verdict.NEEDS_TUNING, Verdict.UNSUPPORTED), 1),
        ((Verdict.AUTH_FAIL, Verdict.WARN), 1),
        ((Verdict.TRANSPORT_ERROR,), 1),
        ((Verdict.ERROR, Verdict.NEEDS_TUNING, Verdict.OK), 1),
    ],
)
def test_w39_what_blocks_is_never_hidden_by_what_is_to_be_tuned(seen: tuple[Verdict, ...], code: int) -> None:
    assert exit_code(Finding(check="x", verdict=verdict, seen="") for verdict in seen) == code


def test_no_secret_is_told_or_written_into_a_patch() -> None:
    redactor = Redactor.of((Secret("s3cret-s3cret"),))
    keys = (Setting(keys=("base_url",), value="http://h/v1?key=s3cret-s3cret"), Setting(keys=("model",), value="m"))
    finding = Finding(check="x", verdict=Verdict.ERROR, seen="a s3cret-s3cret", advice="at s3cret-s3cret", settings=keys)

    told = presentable(finding, redactor)

    assert "s3cret" not in repr(told)
    assert settings(told) == {"model": "m"}


def test_what_a_server_says_cannot_act_on_the_terminal() -> None:
    finding = Finding(check="x", verdict=Verdict.ERROR, seen="bad\x1b[2J\r\nworse\u2028x")

    assert presentable(finding, Redactor.of(())).seen == "bad [2J worse x"


def test_an_answer_of_pieces_is_read_as_one() -> None:
    events = [*said("ready", thinking="hm")][:-1]  # cut before its end
    heard = heard_in(events, Times(first_s=0.2, gap_s=0.1, total_s=0.5), is_stream=True, trouble=None, dropped=())

    assert (heard.text, heard.thinking, heard.stop, heard.deltas) == ("ready", "hm", None, 2)
    assert (
        heard_in(
            list(said(call=ARGUMENTS)), Times(first_s=0, gap_s=0, total_s=0), is_stream=True, trouble=None, dropped=()
        ).pieces
        == 2
    )
