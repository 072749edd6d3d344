"""What looks like a key goes, what only resembles one stays."""

from __future__ import annotations

import time

import pytest

from router.config.key_forms import without_key_forms

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nq83v==\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w"


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
    ],
)
def test_what_looks_like_a_key_goes(text: str, clean: str) -> None:
    assert without_key_forms(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "task-ist-eine-lange-bezeichnung",
        "toolu_01A09q90qw90lq917835lq9",
        "d41d8cd98f00b204e9800998ecf8427e",
        "http://127.0.0.1:8080/v1?page=12345&alt=sse",
        "the bearer of news",
        "mailto someone@example.org",
    ],
)
def test_what_only_resembles_a_key_stays(text: str) -> None:
    assert without_key_forms(text) == text


@pytest.mark.parametrize(
    "piece", ["-eyJaaaaaaaa", "eyJaaaaaaaa.", "sk-", "://a:", "?key=", "-----BEGIN PRIVATE KEY-----", "bearer ", "A", "\\", "@"]
)
def test_hostile_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    began = time.process_time()

    without_key_forms(text)

    assert time.process_time() - began < 0.1
