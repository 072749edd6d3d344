"""What servers say of themselves, over real sockets, in recorded shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config.schema import LoadedConfig
from router.config.secret import Secrets
from router.doctor.asking import open_asker
from router.doctor.examine import reach
from router.doctor.findings import Verdict
from router.doctor.served import Served, look
from router.domain.health import Unconfigured
from router.onboarding.servers import ServerKind
from tests.builders import a_config, a_provider
from tests.router.onboarding.local_servers import LLAMA_CPP, LM_STUDIO, OLLAMA, VLLM, Pages, open_server


async def looked_at(pages: Pages, **keys: object) -> Served:
    async with open_server(pages) as url, open_asker(a_provider("p", base_url=url, **keys), Secrets()) as asker:
        return await look(asker.provider)


@pytest.mark.parametrize(
    ("pages", "keys", "program", "window", "most", "slots"),
    [
        (LLAMA_CPP, {"model": "whatever"}, ServerKind.LLAMA_CPP, 65536, 131072, 4),
        ({**LLAMA_CPP, "/props": 404, "/slots": [{}, {}]}, {"model": "model.gguf"}, ServerKind.LLAMA_CPP, None, 131072, 2),
        (VLLM, {"model": "Qwen/Qwen3-Coder-30B"}, ServerKind.VLLM, 40960, None, None),
        (VLLM, {"model": "another"}, ServerKind.VLLM, None, None, None),
        (LM_STUDIO, {"model": "qwen2.5-coder-7b"}, ServerKind.LM_STUDIO, 16384, 131072, None),
        (OLLAMA, {"kind": "ollama", "model": "qwen3-coder:30b"}, ServerKind.OLLAMA, None, 262144, None),
        (
            {**OLLAMA, "/api/ps": {"models": [{"name": "qwen3-coder:30b", "context_length": 4096}]}},
            {"kind": "ollama", "model": "qwen3-coder:30b"},
            ServerKind.OLLAMA,
            4096,
            262144,
            None,
        ),
        ({}, {"model": "m"}, None, None, None, None),
        ({"/v1/models": b"<html>"}, {"model": "m"}, None, None, None, None),
    ],
)
async def test_what_each_server_tells(  # noqa: PLR0917 - a row of a table
    pages: Pages,
    keys: dict[str, object],
    program: ServerKind | None,
    window: int | None,
    most: int | None,
    slots: int | None,
) -> None:
    served = await looked_at(pages, **keys)

    assert (served.program, served.window, served.most, served.slots) == (program, window, most, slots)


@pytest.mark.parametrize(
    ("pages", "model", "verdict", "words"),
    [
        (VLLM, "Qwen/Qwen3-Coder-30B", Verdict.OK, "lists 1 models"),
        (VLLM, "another", Verdict.OK, "but not another"),
        ({"/v1/models": 401}, "m", Verdict.WARN, "lists no models"),
        ({"/v1/models": b"<html>"}, "m", Verdict.WARN, "lists no models"),
    ],
)
async def test_who_is_elsewhere_is_only_asked_for_its_models(pages: Pages, model: str, verdict: Verdict, words: str) -> None:
    async with open_server(pages) as url:
        config = a_provider("p", base_url=url, model=model)
        loaded = LoadedConfig(config=a_config(config), secrets=Secrets(), warnings=(), path=Path("router.toml"))
        finding = await reach(loaded, config)

    assert (finding.verdict, words in finding.seen) == (verdict, True)


async def test_who_has_no_key_is_not_asked_for_its_models() -> None:
    config = a_provider("p", model="m")
    secrets = Secrets(unconfigured={"p": Unconfigured(reason="missing-credential", detail="no key")})
    loaded = LoadedConfig(config=a_config(config), secrets=secrets, warnings=(), path=Path("router.toml"))

    assert (await reach(loaded, config)).verdict is Verdict.SKIP
