"""The table of keys that mean something for one kind only is what the code reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from attrs import define, field, fields

from router.config.out_of_place import KINDS_OF_KEY
from router.domain.request import DialectName, NeutralRequest
from router.providers.adapter import DIALECT_OF_KIND
from router.providers.headers import plan_headers
from router.providers.urls import provider_urls
from router.wire.dialect import UpstreamTarget
from router.wire.registry import DIALECTS
from tests.builders import a_provider
from tests.vectors import load, names

CLIENTS = {
    "anthropic": DialectName.ANTHROPIC,
    "openai": DialectName.OPENAI_CHAT,
    "responses": DialectName.OPENAI_RESPONSES,
    "gemini": DialectName.GEMINI,
}
# not read by an encoder
ELSEWHERE = {"base_url_exact", "allow_betas", "drop_betas", "vendor", "drop_message_fields", "keep_alive", "prefill"}
BEGUN = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one"}]
FOLDERS = ["anthropic_to_openai", "openai_to_anthropic", "responses_to_openai", "gemini_to_openai"]
# of every kind: each body goes through the lists that read `allow_fields`; an encoder looks only for `top_k` in it
OF_ALL = {"reasoning", "max_output_tokens", "allow_fields"}


@define
class ReadTarget:
    """A target that remembers what was read of it."""

    target: UpstreamTarget
    read: set[str] = field(factory=set)

    def __getattr__(self, name: str) -> object:
        self.read.add(name)
        return getattr(self.target, name)


def requests() -> Iterator[NeutralRequest]:
    """Yield every request vector of three dialects, and one without a limit whose answer is begun."""
    for folder in FOLDERS:
        client = DIALECTS[CLIENTS[folder.partition("_")[0]]]
        if client.name is not DialectName.GEMINI:
            yield client.decode_request({"messages": BEGUN, "input": BEGUN})
        for name in names(f"requests/{folder}"):
            yield client.decode_request(load(f"requests/{folder}/{name}.json")["input"])


def keys_read_by(dialect: DialectName) -> set[str]:
    """Return what the dialect's encoder reads of a provider over all these requests."""
    target = ReadTarget(UpstreamTarget(model="m", prefill=True))
    for request in requests():
        DIALECTS[dialect].encode_request(request, cast("UpstreamTarget", target))
    return target.read


def test_each_encoder_reads_the_keys_of_its_kind_and_none_of_the_others() -> None:
    by_kind = {kind: keys_read_by(dialect) for kind, dialect in DIALECT_OF_KIND.items() if dialect in DIALECTS}
    configured = {attribute.name for attribute in fields(UpstreamTarget)} - OF_ALL - ELSEWHERE
    readers = {key: {kind for kind, read in by_kind.items() if key in read} for key in configured}

    assert {key: kinds for key, kinds in readers.items() if kinds != by_kind.keys() and kinds} == {
        key: kinds & by_kind.keys() for key, kinds in KINDS_OF_KEY.items() if key not in ELSEWHERE
    }


def test_an_exact_address_means_something_for_chat_only() -> None:
    def url(kind: str, *, exact: bool) -> str:
        return provider_urls(a_provider(kind=kind, base_url="http://h", base_url_exact=exact)).complete

    assert url("openai_compat", exact=True) != url("openai_compat", exact=False)
    assert url("anthropic", exact=True) == url("anthropic", exact=False)


@pytest.mark.parametrize(("kind", "flags"), [("anthropic", ("b",)), ("openai_compat", ())])
def test_betas_go_to_anthropic_only(kind: str, flags: tuple[str, ...]) -> None:
    plan = plan_headers(a_provider(kind=kind, drop_betas=("a",)), credential=None, static={}, user_agent="t")

    assert plan.sent_betas({"anthropic-beta": "a,b"}) == flags
