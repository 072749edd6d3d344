from __future__ import annotations

import time

import pytest

from router.errors import FailureReason
from router.wire.error_body import ErrorText, read_error
from router.wire.error_words import fault_reason, is_completion_overflow, reason_of, refusal_reason

OVERFLOWS = {
    "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "openai": (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens. "
        "Please reduce the length of the messages."
    ),
    "openai, the messages alone": (
        "This model's maximum context length is 4096 tokens. However, you requested 5100 tokens "
        "(5000 in the messages, 100 in the completion). Please reduce the length of the messages or completion."
    ),
    "openai responses": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "vllm, engine": (
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. "
        "Make sure that `max_model_len` is no smaller than the number of text tokens."
    ),
    "vllm": (
        "This model's maximum context length is 32768 tokens. However, your request has 40000 input tokens. "
        "Please reduce the length of the input messages."
    ),
    "llama.cpp": "request (6024 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "llama.cpp, older": (
        "the request exceeds the available context size. try increasing the context size or enable context shift"
    ),
    "ollama": "the input length exceeds the context length",
    "ollama, newer": "prompt too long; exceeded max context length by 12 tokens",
    "openrouter": (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens "
        "(140000 of text input, 10000 in the output). Please reduce the length of either one."
    ),
    "gemini": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "mistral": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "tgi": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`",
    "tgi, inputs": "`inputs` must have less than 4096 tokens. Given: 5000",
    "lm studio": (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough."
    ),
    "lm studio, other": "The number of tokens to keep from the initial prompt is greater than the context length.",
    "bedrock": "Input is too long for requested model.",
    "xai": "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    "cohere": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
    "sglang": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "sglang, total": (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
        "5500 tokens: 5000 tokens from the input messages and 500 tokens for the completion."
    ),
    "dashscope": "Range of input length should be [1, 30720]",
    "kimi": "Your request exceeded model token limit: 8192 (requested: 9000)",
    "zhipu": "Prompt exceeds max length",
    "fireworks": "The prompt is too long: 5000, model maximum context length: 4096",
}
COMPLETIONS = {
    "anthropic": (
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, "
        "decrease input length or `max_tokens` and try again"
    ),
    "openai": (
        "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens "
        "(1000 in the messages, 4000 in the completion). Please reduce the length of the messages or completion."
    ),
    "vllm": (
        "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 "
        "tokens and your request has 1200 input tokens (32000 > 32768 - 1200)."
    ),
    "openrouter": (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens "
        "(100000 of text input, 50000 in the output)."
    ),
    "tgi": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 500 `inputs` tokens and 4000 `max_new_tokens`",
    "sglang": (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
        "5500 tokens: 3000 tokens from the input messages and 2500 tokens for the completion."
    ),
}
REFUSALS = [
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "u"),
    ("Unknown parameter: 'foo'.", "u"),
    ("Unrecognized request argument supplied: foo", "u"),
    ("context_management: Extra inputs are not permitted", "u"),
    ("Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header.", "u"),
    ("invalid beta flag", "u"),
    ("property 'foo' is unsupported", "u"),
    ('Invalid JSON payload received. Unknown name "foo": Cannot find field.', "u"),
    ("registry.ollama.ai/library/gemma:2b does not support tools", "u"),
    ("Argument not supported on this model: presence_penalty", "u"),
    ("adaptive thinking is not supported on this model", "u"),
    ('model "llama9" not found, try pulling it first', "m"),
    ("The model `gpt-9` does not exist or you do not have access to it.", "m"),
    ("some/name is not a valid model ID", "m"),
    ("Incorrect API key provided: sk***YA. You can obtain an API key from https://console.x.ai.", "a"),
    ("API key not valid. Please pass a valid API key.", "a"),
    ("Your credit balance is too low to access the Anthropic API.", "p"),
    ("messages: at least one message is required", None),
    ("messages.0.content: Input should be a valid list", None),
    ("Invalid 'messages[1].content': string too long. Expected a string with maximum length 10485760", None),
    ("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for this model", None),
    ("`tool_use` ids were found without `tool_result` blocks immediately after: toolu_01", None),
    ("a room without a broom is a bloom", None),
]
KINDS = {
    "u": FailureReason.UNSUPPORTED_PARAMETER,
    "m": FailureReason.MODEL_MISSING,
    "p": FailureReason.PAYMENT_REQUIRED,
    "a": FailureReason.AUTH,
    None: None,
}
FAULTS = [
    ("model requires more system memory (8.0 GiB) than is available (3.1 GiB)", FailureReason.OUT_OF_MEMORY),
    ("CUDA error: out of memory", FailureReason.OUT_OF_MEMORY),
    ("Metal out of memory", FailureReason.OUT_OF_MEMORY),
    ("insufficient memory to run", FailureReason.OUT_OF_MEMORY),
    ("failed to allocate buffer for kv cache", FailureReason.OUT_OF_MEMORY),
    ("ggml_cuda_host_malloc: failed", FailureReason.OUT_OF_MEMORY),
    ("killed by OOM", FailureReason.OUT_OF_MEMORY),
    ("failed to load model: out of memory", FailureReason.OUT_OF_MEMORY),
    ("CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.65 GiB total capacity)", FailureReason.OUT_OF_MEMORY),
    ("torch.OutOfMemoryError: CUDA out of memory.", FailureReason.OUT_OF_MEMORY),
    ("llama runner process has terminated: cudaMalloc failed: out of memory", FailureReason.OUT_OF_MEMORY),
    (
        "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv cache",
        FailureReason.OUT_OF_MEMORY,
    ),
    ("command buffer 0 failed with status 5\nerror: Insufficient Memory (00000008)", FailureReason.OUT_OF_MEMORY),
    ("vk::Device::allocateMemory: ErrorOutOfDeviceMemory", FailureReason.OUT_OF_MEMORY),
    ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes", FailureReason.OUT_OF_MEMORY),
    ("OOM when allocating tensor with shape[8,4096]", FailureReason.OUT_OF_MEMORY),
    ("container OOMKilled", FailureReason.OUT_OF_MEMORY),
    ("the server ran out of memory", FailureReason.OUT_OF_MEMORY),
    ("[Errno 12] Cannot allocate memory", FailureReason.OUT_OF_MEMORY),
    ('Provider returned error: {\\"error\\":{\\"message\\":\\"CUDA out of memory\\"}}', FailureReason.OUT_OF_MEMORY),
    ("model failed to load, this may be due to resource limitations or an internal error", FailureReason.MODEL_LOAD_FAILED),
    ("Failed to load model 'x'", FailureReason.MODEL_LOAD_FAILED),
    ("Loading model", FailureReason.LOADING),
    ("Model meta/x is currently loading", FailureReason.LOADING),
    ("The model is overloaded. Please try again later.", FailureReason.OVERLOADED),
    ("there is no room in the broom cupboard", None),
    ("zoom and bloom went boom", None),
    ('template failed at "explain why my program runs out of memory"', None),
    ("cannot parse {'cmd': 'grep -r insufficient memory log'}", None),
    ("the handler that has to deal with programs out of memory crashed", None),
    ("Internal server error", None),
]
BY_STATUS = [
    (500, "CUDA error: out of memory", FailureReason.OUT_OF_MEMORY),
    (503, "model requires more system memory (8.0 GiB) than is available (3.1 GiB)", FailureReason.OUT_OF_MEMORY),
    (424, "Request failed during generation: Server error: CUDA out of memory.", FailureReason.OUT_OF_MEMORY),
    (424, "Request failed during generation: Server error", FailureReason.CLIENT_ERROR),
    (400, "messages[3]: cannot read: out of memory", FailureReason.CLIENT_ERROR),
    (422, "out of memory", FailureReason.CLIENT_ERROR),
    (404, "no such room: out of memory", FailureReason.MODEL_MISSING),
    (404, "failed to load model: out of memory", FailureReason.MODEL_LOAD_FAILED),
    (400, "Failed to load model 'x'", FailureReason.MODEL_LOAD_FAILED),
    (500, "Failed to load model 'x'", FailureReason.MODEL_LOAD_FAILED),
    (500, "zoom", FailureReason.UPSTREAM_5XX),
    (500, "no room", FailureReason.UPSTREAM_5XX),
    (429, "out of memory", FailureReason.RATE_LIMIT),
]


@pytest.mark.parametrize("text", OVERFLOWS.values(), ids=OVERFLOWS)
def test_a_prompt_that_does_not_fit_is_an_overflow_in_every_servers_words(text: str) -> None:
    assert refusal_reason(ErrorText(text=text)) is FailureReason.CONTEXT_OVERFLOW


@pytest.mark.parametrize("text", COMPLETIONS.values(), ids=COMPLETIONS)
def test_an_answer_that_does_not_fit_beside_the_prompt_is_the_clients_to_change(text: str) -> None:
    error = ErrorText(text=text)

    assert is_completion_overflow(error)
    assert refusal_reason(error) is None


def test_a_vendors_code_says_overflow_whatever_the_text() -> None:
    error = ErrorText(
        text="Please reduce the length of the messages or completion.", words=frozenset({"context_length_exceeded"})
    )

    assert refusal_reason(error) is FailureReason.CONTEXT_OVERFLOW


@pytest.mark.parametrize(("text", "kind"), REFUSALS)
def test_a_refusal_is_read_from_its_words(text: str, kind: str | None) -> None:
    assert refusal_reason(ErrorText(text=text)) is KINDS[kind]


@pytest.mark.parametrize(("text", "reason"), FAULTS)
def test_a_fault_is_read_from_its_words(text: str, reason: FailureReason | None) -> None:
    assert fault_reason(ErrorText(text=text)) is reason


@pytest.mark.parametrize(("status", "text", "reason"), BY_STATUS)
def test_only_a_fault_of_the_server_tells_of_its_memory(status: int, text: str, reason: FailureReason) -> None:
    assert reason_of(status, ErrorText(text=text)) is reason


@pytest.mark.parametrize("fill", [":", "\n", " ", ":\n", "the ", "insufficient ", "a", '"message":"'])
def test_a_hostile_text_costs_no_more_than_its_length(fill: str) -> None:
    error = ErrorText(text=fill * (65_536 // len(fill)))
    begin = time.process_time()

    assert fault_reason(error) is None
    assert time.process_time() - begin < 1  # some hundredths; each character looked at again for each would take minutes


def test_memory_is_looked_for_in_the_first_8_kib_of_a_body() -> None:
    near, far = (b'{"error":{"message":"%b: out of memory"}}' % (b"x" * size) for size in (8_000, 8_192))

    assert reason_of(500, read_error(near)) is FailureReason.OUT_OF_MEMORY
    assert reason_of(500, read_error(far)) is FailureReason.UPSTREAM_5XX
