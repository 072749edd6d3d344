"""What the status and the words of an error mean: phrases that servers really use, read as reasons (routing.md 11.2, 14.1).

The one place for it: an error that is the answer and one inside a stream or a 200 body are read by the same table.

A status alone says too little: a full context, an unknown field and a bad request are all 400, and a model that is
being loaded, one that does not fit into memory and a crash are all 500 or 503. The texts behind each pattern stand in
tests/router/wire/test_error_words.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from router.errors import FailureReason
from router.wire.error_body import ErrorText

_I = re.IGNORECASE

# Memory is what a clause begins with, at most after words that say whose: a prompt that an error echoes has other words there.
_CLAUSE = r"(?:^|[\n:;.,()\[\]>|-]|\\?\"(?:message|error|detail)\\?\":\s?\\?\")\s{0,8}+"
_WHOSE = (
    r"(?:(?:the|this|a|an|your|its|cuda|metal|rocm|hip|vulkan|sycl|mps|gpu|cpu|host|device|system|server|model|runner|worker|process"
    r"|instance|has|is|was|ran|run|runs|went|due|to|error|killed|by)\s{1,4}+){0,6}+"
)
_MEMORY = (
    r"(?:(?:error)?out ?of ?(?:(?:device|host|gpu|video|system) ?)?memory|(?:insufficient|not enough) (?:\w{1,16} )?memory"
    r"|requires more (?:system )?memory|(?:failed|unable) to allocate|cannot allocate memory)"
)
_OUT_OF_MEMORY = re.compile(rf"{_CLAUSE}{_WHOSE}{_MEMORY}|\bggml_cuda_host_malloc\b|\boom(?:killed)?\b", _I)
_LOAD_FAILED = re.compile(r"failed to load (?:the )?model|model failed to load|error loading model|unable to load model", _I)
_LOADING = re.compile(r"loading (?:the )?model|model (?:is |\S+ is )?(?:still |currently |being )?load(?:ing|ed right now)\b", _I)
_NO_MONEY = re.compile(r"credit balance is too low|insufficient (?:credits?|balance|funds|quota)|exceeded your current quota", _I)
_OVERLOADED = re.compile(r"\boverloaded\b|at capacity|slow down", _I)
_BAD_KEY = re.compile(r"incorrect api key provided|api key not valid", _I)  # xAI and Gemini say so with 400
_CRASHED = re.compile(r"\bmodel (?:has )?crashed\b", _I)  # LM Studio, to whatever was asked
_MISSING = re.compile(
    r"model\b.{0,120}?(?:not found|does not exist|is not available|not loaded|unknown)|(?:unknown|invalid|no such) model"
    r"|is not a valid model|no endpoints found|try pulling it first|no models? loaded",
    _I | re.DOTALL,
)
_UNSUPPORTED = re.compile(
    r"(?:unsupported|unknown|unrecognized|unexpected|unpermitted)[ _]"
    r"(?:parameter|field|name|argument|key|value|request argument|property|keyword)"
    r"|extra inputs are not permitted|extraneous key|cannot find field|invalid beta flag"
    r"|(?:does not|doesn't|do not) support|(?:is|are) (?:not supported|unsupported|not permitted)"
    r"|not supported (?:with|by|for|on|in)|unexpected value\(s\)",
    _I,
)
_UNSUPPORTED_WORDS = frozenset(
    {"unsupported_parameter", "unsupported_value", "unknown_parameter", "extra_forbidden", "unsupported_content_type"}
)

_OVERFLOW = re.compile(
    r"(?:prompt|input|request|message|conversation)s?\b[^.]{0,60}\btoo long"
    r"|(?:maximum|available|max|model'?s|exceeds?(?: the| limit)?|of only \d+) (?:context|model) (?:length|size|window|limit)"
    r"|context (?:length|size|window|limit)[^.]{0,30}(?:exceed|overflow|reached|is only)"
    r"|exceed(?:s|ed)?[^.]{0,40}context (?:length|size|window|limit)"
    r"|(?:longer|greater|larger) than the[^.]{0,30}(?:context|maximum model) (?:length|size|window)"
    r"|cannot truncate prompt with n_keep"
    r"|maximum prompt length|prompt exceeds max length|exceeded model token limit|context the overflows"
    r"|(?:input )?token count[^.]{0,30} exceeds the maximum|too many (?:input )?tokens|exceeds the maximum number of tokens"
    r"|`inputs` (?:tokens \+|must have less than)|range of input length",
    _I,
)
_OVERFLOW_WORDS = frozenset({"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"})

# Is it the prompt that does not fit, or the prompt together with the room asked for the answer? (wire.md 17.2)
_COMPLETION = re.compile(r"max_(?:completion_|output_|new_)?tokens|(?:in|for) the (?:completion|output)|completion tokens", _I)
_LIMIT = re.compile(
    r"(?:maximum (?:context|prompt|model) length(?: of| is)?|must be <=|context limit:[\d +,]*>|length (?:of|is) only)"
    r"\D{0,12}(\d[\d,]{0,18})",
    _I,
)
_PROMPT = re.compile(
    r"(\d[\d,]{0,18}) (?:tokens )?(?:in the (?:messages|prompt|input)|of text input|from the input|input tokens|`inputs` tokens)"
    r"|context limit: (\d[\d,]{0,18}) \+",
    _I,
)

# {a code or type: the status that it stands for}, the first that an error names counts
_STATUS_OF_WORD: Mapping[str, int] = {
    **dict.fromkeys(("insufficient_quota", "billing_error", "billing_not_active", "insufficient_balance"), 402),
    **dict.fromkeys(("overloaded_error", "overloaded", "server_is_overloaded", "engine_overloaded", "slow_down"), 529),
    **dict.fromkeys(("rate_limit_error", "rate_limit_exceeded", "too_many_requests"), 429),
    **dict.fromkeys(("authentication_error", "invalid_api_key"), 401),
    "permission_error": 403,
    **dict.fromkeys(("model_not_found", "not_found_error", "model_not_available"), 404),
    "request_too_large": 413,
    **dict.fromkeys(("timeout_error", "timeout"), 504),
    **dict.fromkeys(sorted(_OVERFLOW_WORDS | _UNSUPPORTED_WORDS), 400),
}
_REFUSAL_WORDS = frozenset({"invalid_request_error", "badrequesterror"})  # a 400, unless a status is stated


def _words_of(status: int) -> frozenset[str]:
    return frozenset(word for word, meant in _STATUS_OF_WORD.items() if meant == status)


_NO_MONEY_WORDS, _OVERLOADED_WORDS, _MISSING_WORDS = _words_of(402), _words_of(529), _words_of(404)

_BY_STATUS = {
    401: FailureReason.AUTH,
    402: FailureReason.PAYMENT_REQUIRED,
    403: FailureReason.AUTH,
    408: FailureReason.TIMEOUT,
    425: FailureReason.UPSTREAM_5XX,
    504: FailureReason.TIMEOUT,
    508: FailureReason.LOOP_DETECTED,
    529: FailureReason.OVERLOADED,
}
# the same request would fail there again, now or in a minute
_PERMANENT = frozenset(
    {
        FailureReason.AUTH,
        FailureReason.PAYMENT_REQUIRED,
        FailureReason.MODEL_MISSING,
        FailureReason.MODEL_LOAD_FAILED,
        FailureReason.TOO_LARGE,
        FailureReason.CONTEXT_OVERFLOW,
        FailureReason.UNSUPPORTED_PARAMETER,
        FailureReason.REDIRECT,
        FailureReason.CLIENT_ERROR,
        FailureReason.LOOP_DETECTED,
    }
)

_Rule = tuple[FailureReason, frozenset[str], re.Pattern[str]]
_MODEL_RULES: tuple[_Rule, ...] = (
    (FailureReason.MODEL_LOAD_FAILED, frozenset(), _LOAD_FAILED),
    (FailureReason.LOADING, frozenset(), _LOADING),
)
_SERVER_RULES: tuple[_Rule, ...] = ((FailureReason.OUT_OF_MEMORY, frozenset(), _OUT_OF_MEMORY), *_MODEL_RULES)
_FAULT_RULES: tuple[_Rule, ...] = (*_SERVER_RULES, (FailureReason.OVERLOADED, _OVERLOADED_WORDS, _OVERLOADED))
_REFUSAL_RULES: tuple[_Rule, ...] = (
    *_MODEL_RULES,
    (FailureReason.AUTH, frozenset(), _BAD_KEY),
    (FailureReason.PAYMENT_REQUIRED, _NO_MONEY_WORDS, _NO_MONEY),
    (FailureReason.MODEL_MISSING, _MISSING_WORDS, _MISSING),
    (FailureReason.UPSTREAM_5XX, frozenset(), _CRASHED),
    (FailureReason.UNSUPPORTED_PARAMETER, _UNSUPPORTED_WORDS, _UNSUPPORTED),
)


def is_transient(reason: FailureReason) -> bool:
    """Tell whether the same request may succeed at the same provider later."""
    return reason not in _PERMANENT


def reason_of(status: int, text: ErrorText) -> FailureReason:
    """Return why an answer with this status and these words is no success."""
    if status < HTTPStatus.BAD_REQUEST:
        return FailureReason.REDIRECT
    if status == HTTPStatus.TOO_MANY_REQUESTS:  # the pace, or an account that is empty
        return FailureReason.PAYMENT_REQUIRED if is_out_of_money(text) else FailureReason.RATE_LIMIT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == HTTPStatus.NOT_FOUND:  # some servers say so while they load the model, or cannot
        return server_state(status, text) or FailureReason.MODEL_MISSING
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return FailureReason.CONTEXT_OVERFLOW if overflows(text) else FailureReason.TOO_LARGE
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return fault_reason(text) or (FailureReason.CONTEXT_OVERFLOW if overflows(text) else FailureReason.UPSTREAM_5XX)
    if status == HTTPStatus.FAILED_DEPENDENCY and (state := server_state(status, text)) is not None:
        return state
    return refusal_reason(text) or FailureReason.CLIENT_ERROR


def named_status(error: ErrorText, stated: int | None) -> int | None:
    """Return the HTTP status that an error inside a 200 stands for: by its code or type, else as it states it."""
    if (word := next((word for word in _STATUS_OF_WORD if word in error.words), None)) is not None:
        return _STATUS_OF_WORD[word]
    if stated is None and error.words & _REFUSAL_WORDS:
        return HTTPStatus.BAD_REQUEST
    return stated


def server_state(status: int, error: ErrorText) -> FailureReason | None:
    """Return `model-load-failed` or `loading` if the text says so; `out-of-memory` only beside a fault of the server.

    What a client did wrong may be told with the client's own words (supervision.md 22, W16). 424 is a fault: TGI's
    word for a model that failed under the request."""
    is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.FAILED_DEPENDENCY
    return _first(_SERVER_RULES if is_fault else _MODEL_RULES, error)


def fault_reason(error: ErrorText) -> FailureReason | None:
    """Return what the words of a 5xx say beyond its status, None where they say nothing."""
    return _first(_FAULT_RULES, error)


def refusal_reason(error: ErrorText) -> FailureReason | None:
    """Return what the words of a 400 or 422 say, None for a plain mistake in the request."""
    if overflows(error):
        return FailureReason.CONTEXT_OVERFLOW
    if is_completion_overflow(error):
        return None  # the client has to ask for less: a shorter prompt or another provider is no cure
    return _first(_REFUSAL_RULES, error)


def is_out_of_money(error: ErrorText) -> bool:
    """Tell whether a 429 means an empty account rather than a pace."""
    return bool(error.words & _NO_MONEY_WORDS)


def overflows(error: ErrorText) -> bool:
    """Tell whether the prompt does not fit into the context, so that a shorter one would help."""
    return _is_about_context(error) and not is_completion_overflow(error)


def is_completion_overflow(error: ErrorText) -> bool:
    """Tell whether the prompt fits and only the room asked for the answer does not."""
    if not _is_about_context(error):
        return False
    limit, prompt = _number(_LIMIT, error.text), _number(_PROMPT, error.text)
    if limit is not None and prompt is not None:
        return prompt < limit
    return _COMPLETION.search(error.text) is not None


def _is_about_context(error: ErrorText) -> bool:
    return bool(error.words & _OVERFLOW_WORDS) or _OVERFLOW.search(error.text) is not None


def _first(rules: tuple[_Rule, ...], error: ErrorText) -> FailureReason | None:
    for reason, words, pattern in rules:
        if error.words & words or pattern.search(error.text):
            return reason
    return None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    if (found := pattern.search(text)) is None:
        return None
    return int(next(group for group in found.groups() if group).replace(",", ""))
