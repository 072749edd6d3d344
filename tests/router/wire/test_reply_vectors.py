"""Every reply vector of the two built dialects."""

from __future__ import annotations

from typing import Any

import pytest

from router.domain.request import DialectName
from router.wire.anthropic import reply as messages
from router.wire.dialect import Verdict
from router.wire.openai_chat import reply as chat
from tests import vectors
from tests.router.wire.drive import ANTHROPIC, CHAT, minting, options_of

FOLDERS = {"openai_to_anthropic": (CHAT, ANTHROPIC), "anthropic_to_openai": (ANTHROPIC, CHAT)}
NAMES = [(folder, name) for folder in FOLDERS for name in vectors.names(f"replies/{folder}")]
every_vector = pytest.mark.parametrize(("folder", "name"), NAMES)


def translate(body: dict[str, Any], source: DialectName, target: DialectName, case: dict[str, Any]) -> dict[str, Any]:
    options, ids = options_of(case), minting()
    decode = messages.decode_reply if source is ANTHROPIC else chat.decode_reply
    encode = messages.encode_reply if target is ANTHROPIC else chat.encode_reply
    return encode(decode(body, options, ids), options, ids)


@every_vector
def test_vector_gives_its_reply(folder: str, name: str) -> None:
    case = vectors.load(f"replies/{folder}/{name}.json")

    reply = translate(case["input"], *FOLDERS[folder], case)

    vectors.assert_matches(case["expected"], reply)


@every_vector
def test_verdict_is_content_unless_the_vector_says_nothing(folder: str, name: str) -> None:
    body = vectors.load(f"replies/{folder}/{name}.json")["input"]
    judge = messages.reply_verdict if FOLDERS[folder][0] is ANTHROPIC else chat.reply_verdict

    assert judge(body) is (Verdict.NEUTRAL if name == "05_length_and_empty" else Verdict.CONTENT)
