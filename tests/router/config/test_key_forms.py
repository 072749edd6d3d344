"""What looks like a key goes, what only resembles one stays."""

from __future__ import annotations

import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.key_forms import FORMS, holds_key_form, without_key_forms

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nq83v==\n-----END RSA PRIVATE KEY-----"
ENCRYPTED = PEM.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", 1)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w"

HEX = "0123456789abcdef0123456789abcdef"
KEYS = [
    f"{prefix}{HEX}"
    for prefix in (
        *(
            "sk-",
            "sk-ant-api03-",
            "sk-proj-",
            "sk-or-v1-",
            "sk_live_",
            "pk_test_",
            "rk_live_",
            "pk-lf-",
            "gsk_",
            "xai-",
            "nvapi-",
        ),
        *("hf_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AIza"),
    )
] + ["AKIAIOSFODNN7EXAMPLE", JWT]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("the key sk-ant-api03-AbCdEf0123456789 is mine", "the key *** is mine"),
        ("token ghp_0123456789abcdefABCDEF", "token ***"),
        ("AIzaSyA0123456789abcdefg", "***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        (f"cookie={JWT};", "cookie=***;"),
        ("Authorization: Bearer abc.def-0123456", "Authorization: ***"),
        ("GET /v1?key=AbCd1234&alt=sse", "GET /v1?***&alt=sse"),
        ("postgres://user:hunter22@db/x", "postgres://***@db/x"),
        (f"before\n{PEM}\nafter", "before\n***\nafter"),
        *((f"is {key}.", "is ***.") for key in KEYS),
        (r"a line\nsk-AbCdEf0123456789", r"a line\n***"),
        ("?q=%22sk-AbCdEf0123456789%22", "?q=%22***%22"),
        (r"\u003csk-AbCdEf0123456789\u003e \fsk-AbCdEf0123456789", r"\u003c***\u003e \f***"),
        (f"before\n{ENCRYPTED}\nafter", "before\n***\nafter"),
        (orjson.dumps(ENCRYPTED).decode(), '"***"'),
        ("wss://user:p@ss@host/x", "wss://***@host/x"),
    ],
)
def test_what_looks_like_a_key_goes(text: str, clean: str) -> None:
    assert without_key_forms(text) == clean
    assert holds_key_form(text)
    assert not holds_key_form(clean)


@pytest.mark.parametrize(
    "text",
    [
        "task-ist-eine-lange-bezeichnung",
        "task-list-of-2026-01-02-and-more",
        "ask-me-anything-about-12345678",
        "req_011CSHoEeqs5C35K2UUqR7Fy",
        "msg_01XFDUDYJgAACzvnptvVoYEL",
        "toolu_01A09q90qw90lq917835lq9",
        "call_9pw1qnYScqvGrCH58HWCvFH6",
        "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "gen-1734523200-AbCdEf0123456789",
        "0b6f7a0e-4d5b-4f6f-9c3e-5f1f0a9d7c21",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "sha256:2c26b46b68ffc68ff99b453c1d304134",
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "claude-sonnet-4-5-20250929",
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        "hf.co/unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF:Q4_K_M",
        "x-ai/grok-4-fast",
        "xai-grok-code-fast-1",
        "nvidia/nemotron-nano-9b-v2:free",
        "/home/someone/.local/share/nursery-router/state/processes/local.log.1",
        "/v1beta/models/gemini-3-pro:streamGenerateContent",
        'File "site-packages/huggingface_hub/file_download.py", line 1, in hf_hub_download_with_retries',
        "constraint pk_orders_customer_and_more",
        "locale sk-SK",
        "Bearer authentication is required",
        "Bearer authorization_required",
        "send it as a bearer token",
        "git@github.com:someone/nursery-router.git",
        "ssh://git@github.com/someone/nursery-router.git",
        "http://[::1]:8080/v1 said someone@example.org",
        "monkey=12345678 in text?monkey=12345678",
        "http://127.0.0.1:8080/v1?page=12345&alt=sse",
        "the bearer of news",
        "mailto someone@example.org",
    ],
)
def test_what_only_resembles_a_key_stays(text: str) -> None:
    assert without_key_forms(text) == text
    assert not holds_key_form(text)


@given(
    before=st.text('\\"\n :a1=?&/@-', max_size=6),
    key=st.sampled_from(
        [
            *KEYS,
            PEM,
            PEM[:60],
            ENCRYPTED,
            ENCRYPTED[:60],
            "https://h/?key=AbCd1234",
            "https://a:hunter22@h",
            "Bearer abc.def-0123456",
        ]
    ),
    after=st.text('\\"\n :a1=?&/@-', max_size=6),
)
def test_a_line_of_json_stays_one(before: str, key: str, after: str) -> None:
    line = orjson.dumps({"error": f"{before}{key}{after}", "next": [f'"{key}"', key]}).decode()

    masked = orjson.loads(without_key_forms(line))

    assert masked.keys() == {"error", "next"}
    assert masked["next"][1] == without_key_forms(key)


@given(st.text(), st.sampled_from([*KEYS, PEM, "?key=AbCd1234", "://a:b@", "bearer\t\t12345678"]), st.text())
def test_a_needle_is_found_wherever_its_form_is(before: str, key: str, after: str) -> None:
    text = f"{before}{key}{after}"

    expected = text
    for form in FORMS:
        expected = form.form.sub("***", expected)

    assert without_key_forms(text) == expected


@pytest.mark.parametrize(
    "piece", ["-eyJaaaaaaaa", "eyJaaaaaaaa.", "sk-", "://a:", "?key=", "-----BEGIN PRIVATE KEY-----", "bearer ", "A", "\\", "@"]
)
def test_hostile_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    began = time.process_time()

    without_key_forms(text)

    assert time.process_time() - began < 0.1
