"""The decision for a request that is not sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from router.__main__ import main

CONFIG = """
[routing]
default_profile = "coding"
[[providers]]
name = "near"
base_url = "http://127.0.0.1:9/v1"
model = "near-1"
[[providers]]
name = "dear"
kind = "anthropic"
base_url = "https://dear.example"
model = "dear-1[1m]"
paid = true
[[profiles]]
name = "coding"
providers = ["near", "dear"]
"""


def explained(folder: Path, *args: str, body: str | None = None, config: str = CONFIG) -> tuple[int, str]:
    (folder / "router.toml").write_text(config)
    words = ["explain", "--config", str(folder / "router.toml"), *args]
    result = CliRunner().invoke(main, [*words, "--body", "-"] if body is not None else words, input=body)
    return result.exit_code, result.output


def lines_of(said: str) -> list[str]:
    return [" ".join(line.split()) for line in said.splitlines()]


def test_it_tells_who_answers_how_and_why_the_others_do_not(tmp_path: Path) -> None:
    code, said = explained(tmp_path, body='{"model":"near-1","messages":[{"role":"user","content":"hi"}]}')

    assert code == 0
    assert lines_of(said)[:7] == [
        "profile coding (by model, a provider's model), /v1/messages, not streamed",
        "tokens: about 7, before any provider's correction; needs: nothing special",
        "session not named: no provider and no slot is kept for it; agent unknown",
        "when an answer breaks off: nothing of it is sent, and the next provider is asked",
        "place provider model how why",
        "1 near near-1 translated to openai_compat its place in the profile",
        "- dear dear-1[1m] left out paid-gate: paid, and allow_paid is off",
    ]


def test_each_provider_is_told_with_its_facts_and_where_they_come_from(tmp_path: Path) -> None:
    _, said = explained(tmp_path)

    near = lines_of(said)[lines_of(said).index("near") :]
    assert near[1:6] == [
        "can do cache_control no (heuristic), not known: thinking tools vision tool_choice",
        "window 128,000 tokens (default), 126,976 for the prompt: the request fits",
        "sent 98 bytes",
        "answer reasoning not shown",
        "",
    ]


def test_what_only_the_daemon_knows_is_named(tmp_path: Path) -> None:
    _, said = explained(tmp_path, "--set", "profiles.coding.sticky=true", "--set", "profiles.coding.adaptive=true")

    last = lines_of(said)[-1]
    assert last.startswith("known to the running daemon only (nursery-router status): health and rests")
    assert last.endswith("which provider has this session, which providers are slow or failing")


def test_a_header_is_read_as_a_client_would_send_it(tmp_path: Path) -> None:
    flags = ("--set", "profiles.coding.sticky=true", "--header", "X-Claude-Code-Session-Id=abc")
    _, said = explained(tmp_path, *flags, "--header", "x-claude-code-agent-id=a7")

    assert "session abc:subagent:a7: stays with the provider that answers; agent subagent a7" in lines_of(said)


def test_a_session_that_only_fairness_asks_for_is_told(tmp_path: Path) -> None:
    _, said = explained(tmp_path, "--header", "X-Router-Session=mine", "--header", "x-claude-code-agent-id=a7")

    assert "session mine: no provider and no slot is kept for it; agent subagent a7" in lines_of(said)


def test_a_header_without_a_value_is_a_usage_error(tmp_path: Path) -> None:
    assert explained(tmp_path, "--header", "nonsense") == (2, "--header nonsense: is not NAME=VALUE\n")


def test_a_loop_that_ends_the_request_is_told(tmp_path: Path) -> None:
    call = '{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}'
    result = '{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x"}]}'
    turns = ",".join(['{"role":"user","content":"go"}', *[call, result] * 3])
    body = f'{{"model":"m","max_tokens":5,"tools":[{{"name":"Bash","input_schema":{{}}}}],"messages":[{turns}]}}'

    code, said = explained(tmp_path, "--set", "profiles.coding.tool_loop_action=break", body=body)

    assert code == 0
    assert "tools: 1 offered, 3 calls since the user's last message" in lines_of(said)
    assert "tool loop: Bash 3 times (limit 3), so the request ends" in lines_of(said)
    assert any(line.startswith("no provider is asked: tool_loop: tool loop: Bash was called") for line in lines_of(said))


def test_a_full_window_is_told_with_what_becomes_of_it(tmp_path: Path) -> None:
    words = "word " * 3000
    flags = ("--set", "providers.near.max_context_tokens=2000", "--set", "profiles.coding.context_budget_action=reject")

    _, said = explained(tmp_path, *flags, body=f'{{"messages":[{{"role":"user","content":"{words}"}}]}}')

    row = next(line for line in lines_of(said) if line.startswith("1 near"))
    budget = next(line for line in lines_of(said) if line.startswith("budget "))
    assert row == "1 near near-1 skipped does not fit its window"
    assert budget.startswith("budget reject: ")
    assert "not asked, prompt is too long: " in budget


def test_prices_limits_and_caps_are_told(tmp_path: Path) -> None:
    priced = CONFIG.replace(
        'model = "near-1"\n',
        'model = "near-1"\nmax_concurrency = 2\n'
        "cost = { input_tokens_per_million = 1.0, output_tokens_per_million = 2.0, monthly_budget_usd = 5.0 }\n"
        "limits = { requests_per_minute = 20 }\n",
    )

    _, said = explained(tmp_path, config=priced)

    assert "cost 1 in and 2 out, USD per million tokens; an attempt reserves 0.002055 USD; caps: provider 5 USD" in lines_of(said)
    assert "limits 20 requests per minute, 2 at once" in lines_of(said)


def test_the_route_decides_who_is_relayed_as_it_is(tmp_path: Path) -> None:
    _, said = explained(tmp_path, "--route", "/v1/chat/completions")

    assert "relayed unchanged" in said


def breaking(folder: Path, action: str, *flags: str, more: str = "") -> str:
    """Return what is said of a stream that breaks."""
    body = f'{{"stream":true,{more}"messages":[{{"role":"user","content":"hi"}}]}}'
    free = ("--set", "providers.dear.paid=false", "--set", f"profiles.coding.partial_stitch_action={action}")
    _, said = explained(folder, *free, *flags, body=body)
    return next(line for line in lines_of(said) if line.startswith("when the stream breaks"))


FAR = ("--set", "providers.dear.prefill=true")
NEAR = ("--set", "providers.near.prefill=true")


@pytest.mark.parametrize(
    ("action", "flags", "told"),
    [
        ("off", FAR, "it ends in an error"),
        ("surface", FAR, "it ends properly, cut short"),
        ("continue", FAR, "dear may continue it, 2 at most; otherwise it ends in an error"),
        (
            "continue",
            NEAR,
            "no later provider can continue it (prefill = true, for such a request), so it ends in an error",
        ),
        ("continue", (*FAR, "--set", "profiles.coding.max_attempts=1"), "no later provider can continue it"),
    ],
)
def test_what_becomes_of_a_broken_stream_is_told(tmp_path: Path, action: str, flags: tuple[str, ...], told: str) -> None:
    line = breaking(tmp_path, action, *flags)

    assert line.startswith(f"when the stream breaks after its first word (partial_stitch_action {action}): {told}")


def test_a_request_that_nobody_goes_on_with_is_told_so(tmp_path: Path) -> None:
    schema = '"response_format":{"type":"json_object"},'
    chat = ("--route", "/v1/chat/completions")

    assert "no later provider can continue it" in breaking(tmp_path, "continue", *FAR, *chat, more=schema)
    assert "(several answers are asked for): it ends in an error" in breaking(tmp_path, "continue", *FAR, *chat, more='"n":2,')


TOKENS = CONFIG + '[server]\nclient_token_env = "NO_SUCH_TOKEN"\nadmin_token_env = "NOR_THIS"\n'


def test_nothing_is_sent_so_no_token_has_to_be_there(tmp_path: Path) -> None:
    keyed = ("--set", "providers.near.api_key_env=NOR_THIS_KEY")

    assert explained(tmp_path, config=TOKENS)[0] == 0
    assert "left out missing-credential: api_key_env: the variable NOR_THIS_KEY is not set" in " ".join(
        lines_of(explained(tmp_path, *keyed, config=TOKENS)[1])
    )


def test_a_check_still_asks_for_the_tokens(tmp_path: Path) -> None:
    (tmp_path / "router.toml").write_text(TOKENS)

    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "router.toml")])

    assert result.exit_code == 78


def test_the_command_that_is_named_is_one(tmp_path: Path) -> None:
    _, said = explained(tmp_path)
    (command,) = re.findall(r"\((nursery-router \w+)\)", said)

    assert CliRunner().invoke(main, [*command.split()[1:], "--help"]).exit_code == 0


def test_an_unknown_profile_is_a_usage_error(tmp_path: Path) -> None:
    code, said = explained(tmp_path, "--profile", "nope")

    assert (code, "available: coding" in said) == (2, True)


def test_a_body_that_is_no_json_is_a_usage_error(tmp_path: Path) -> None:
    code, said = explained(tmp_path, body="{")

    assert (code, "not valid JSON" in said) == (2, True)


def test_a_profile_that_is_no_text_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    assert explained(tmp_path, body='{"profile": 5}') == (2, "profile: must be a string\n")


def test_a_body_of_the_wrong_shape_is_a_usage_error_that_names_the_field(tmp_path: Path) -> None:
    code, said = explained(tmp_path, body='{"messages": [{"role": "user"}]}')

    assert (code, said) == (2, "messages[0].content: is required\n")


def test_the_keys_of_a_vendor_are_told_with_who_says_each(tmp_path: Path) -> None:
    config = CONFIG.replace('model = "near-1"', 'model = "near-1"\nvendor = "groq"\ndrop_fields = ["n"]')

    _, said = explained(tmp_path, config=config)

    assert "vendor Groq: drop_message_fields (vendor), drop_fields (provider)" in lines_of(said)


def test_of_a_vendor_that_wants_nothing_changed_that_is_told_and_of_none_nothing(tmp_path: Path) -> None:
    _, known = explained(tmp_path, config=CONFIG.replace('model = "near-1"', 'model = "near-1"\nvendor = "ollama"'))
    _, unknown = explained(tmp_path)

    assert "vendor Ollama (/v1): nothing is changed" in lines_of(known)
    assert not any(line.startswith("vendor") for line in lines_of(unknown))


def test_a_geminis_address_is_taken_as_its_clients_ask_it(tmp_path: Path) -> None:
    code, said = explained(tmp_path, "--route", "/v1beta/models/near-1:streamGenerateContent?alt=sse")

    assert code == 0
    assert lines_of(said)[0].endswith(", /v1beta/models/near-1:streamGenerateContent, streamed")
