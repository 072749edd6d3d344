"""The verdicts of the probes: what was heard against what the configuration says (supervision.md 19.1). Pure."""

from __future__ import annotations

from attrs import frozen

from router.config.schema import ProviderConfig
from router.doctor.findings import Finding, Setting, Verdict
from router.doctor.heard import Heard, Trouble
from router.doctor.leaks import filters_for
from router.doctor.questions import CANARY, ENOUGH_CHARS, TOOL
from router.doctor.served import Served
from router.domain.events import Stopped, StopReason, TextDelta, ToolStarted
from router.errors import FailureReason
from router.guards.repair_rules import RepairRules
from router.guards.tool_repair import ToolRepair
from router.ingress.staging import repair_mode
from router.providers.capabilities import Capabilities, asked_window

MIN_WINDOW = 8192  # a coding agent's first request alone is longer
WANTED_WINDOW = 32_768
WANTED_OUTPUT = 4096

CHAT, NUM_CTX, TOOLS, TOOL_STREAM = "chat", "num_ctx", "tool_calls", "tool-streaming"
THINKING, LEAK, STREAMING, CACHE = "thinking", "reasoning-leak", "streaming", "cache"
PROBES = (CHAT, NUM_CTX, TOOLS, THINKING, LEAK, STREAMING, CACHE)

_NOT_FOUND = frozenset({404, 405, 410, 501})
_SHOWN_CHARS = 60  # of an answer, in a finding


@frozen(kw_only=True)
class Case:
    """One provider as it is configured, as far as it is known, and as its server says."""

    config: ProviderConfig
    capabilities: Capabilities
    served: Served

    def finding(
        self, check: str, verdict: Verdict, seen: str, expected: str = "", advice: str = "", *settings: Setting
    ) -> Finding:
        """Return a finding about this provider."""
        return Finding(
            check=check,
            verdict=verdict,
            seen=seen,
            provider=self.config.name,
            expected=expected,
            advice=advice,
            settings=settings,
        )

    @property
    def thinks(self) -> bool:
        """Whether the model is known to think before it answers."""
        return self.capabilities.thinking.value is True


def chat(case: Case, heard: Heard) -> Finding:
    """Return whether the provider answers at all; where it does not, all other probes are skipped."""
    trouble = heard.trouble
    if trouble is None:
        return case.finding(CHAT, Verdict.OK, f"answers within {heard.total_s:.1f} s")
    return case.finding(CHAT, verdict_of(trouble), str(trouble), "an answer", _advice(case.config, trouble))


def verdict_of(trouble: Trouble) -> Verdict:
    """Return what a failed request says of its provider."""
    if trouble.reason is FailureReason.AUTH or trouble.status in (401, 403):
        return Verdict.AUTH_FAIL
    if trouble.status in _NOT_FOUND or trouble.reason is FailureReason.MODEL_MISSING:
        return Verdict.UNSUPPORTED
    return Verdict.TRANSPORT_ERROR


def num_ctx(case: Case, heard: Heard) -> Finding:
    """Return whether a server that cuts prompts unseen gets the head of a prompt of 5000 tokens."""
    if heard.trouble is not None:
        return case.finding(NUM_CTX, verdict_of(heard.trouble), str(heard.trouble), "an answer to a prompt of 5000 tokens")
    if CANARY in heard.text:
        return case.finding(NUM_CTX, Verdict.OK, "the first line of a prompt of 5000 tokens was read")
    asked = asked_window(case.config)
    if asked is None:
        seen = "the start of a prompt of 5000 tokens is lost, and no window is requested"
    elif asked < MIN_WINDOW:
        seen = f"the start of a prompt of 5000 tokens is lost: {asked} tokens are requested"
    else:
        seen = f"the start of a prompt of 5000 tokens is lost, though {asked} tokens are requested"
    advice = "request a larger window; if the server caps it, give it more memory or use a smaller model"
    return case.finding(NUM_CTX, Verdict.NEEDS_TUNING, seen, "the first line is read", advice, *window_settings(case))


def window_settings(case: Case) -> tuple[Setting, ...]:
    """Return the settings that ask an Ollama for a window that agents can work in; () where it is asked for already.

    Its OpenAI API has no word for the window, its own one has."""
    asked, most = asked_window(case.config), case.served.most
    wanted = max(asked or 0, WANTED_WINDOW) if most is None else min(max(asked or 0, WANTED_WINDOW), most)
    kind = (Setting(keys=("kind",), value="ollama"),) if case.config.kind == "openai_compat" else ()
    window = (Setting(keys=("max_context_tokens",), value=wanted),) if asked != wanted else ()
    return (*kind, *window)


def tool_calls(case: Case, heard: Heard, whole: Heard | None) -> tuple[Finding, ...]:
    """Return whether the model calls a tool as the configuration says, and whether the call comes as a stream.

    `whole` is the same question without a stream, None where that was not asked."""
    trouble = heard.trouble
    if trouble is not None and not trouble.is_refusal and not heard.has_call:
        return (case.finding(TOOLS, verdict_of(trouble), str(trouble), "an answer to a question with a tool"),)
    if heard.has_call:
        return _called(case), _streamed(case, heard)
    if whole is not None and whole.has_call:
        buffered = Setting(keys=("tool_stream",), value="buffered")
        seen, advice = "calls come only in whole answers, not in a stream", "request whole answers when tools are offered"
        missing = case.finding(TOOL_STREAM, Verdict.NEEDS_TUNING, seen, "a call in a stream", advice, buffered)
        return _called(case), missing
    return (_not_called(case, heard, whole),)


def _called(case: Case) -> Finding:
    declared = case.capabilities.tools
    if declared.value is not False:
        return case.finding(TOOLS, Verdict.OK, "calls the tool")
    yes = Setting(keys=("capabilities", "tools"), value=True)
    expected = f"no call: tools = false ({declared.origin})"
    return case.finding(TOOLS, Verdict.NEEDS_TUNING, "calls the tool", expected, "declare that it can", yes)


def _streamed(case: Case, heard: Heard) -> Finding:
    if not heard.is_stream:
        return case.finding(TOOL_STREAM, Verdict.INFORMATION, "the answer is not a stream; it contains the whole call")
    if heard.pieces > 1:
        return case.finding(TOOL_STREAM, Verdict.OK, f"the call streams, in {heard.pieces} pieces")
    return case.finding(TOOL_STREAM, Verdict.OK, "the call streams, in one piece")


def _not_called(case: Case, heard: Heard, whole: Heard | None) -> Finding:
    declared = case.capabilities.tools
    mode = repair_mode(case.config)
    if _is_repaired(heard.text, mode):
        seen = f"the call comes as text; tool_repair = {mode} turns it into a call"
        return case.finding(TOOLS, Verdict.INFORMATION, seen)
    better = next((other for other in ("balanced", "eager") if _is_repaired(heard.text, other)), None)
    if better is not None and declared.value is not False:
        setting = Setting(keys=("tool_repair",), value=better)
        seen = f"the call comes as text, which tool_repair = {mode} leaves alone"
        return case.finding(TOOLS, Verdict.NEEDS_TUNING, seen, "a call", "let the router repair it", setting)
    again = "" if whole is None else f"; without a stream, {_said(whole)}"
    seen = f"asked to call the tool {TOOL.name}; {_said(heard)}{again}"
    if declared.value is not True:
        return case.finding(TOOLS, Verdict.OK if declared.value is False else Verdict.INFORMATION, seen)
    no = Setting(keys=("capabilities", "tools"), value=False)
    expected = f"a call: tools = true ({declared.origin})"
    advice = "declare that it cannot, or use a model or chat template that can"
    return case.finding(TOOLS, Verdict.NEEDS_TUNING, seen, expected, advice, no)


def _said(heard: Heard) -> str:
    """Return what came in the place of a call."""
    if heard.trouble is not None:
        return f"refused: {heard.trouble}"
    if text := heard.text.strip():
        return f"answered in text: {text[:_SHOWN_CHARS]!r}{' ...' if len(text) > _SHOWN_CHARS else ''}"
    return "reasoned, but gave no answer" if heard.thinking else "gave no answer"


def _is_repaired(text: str, mode: str) -> bool:
    """Tell whether the router would make a call of the text in that mode."""
    if mode == "off" or not text:
        return False
    repair = ToolRepair(RepairRules.of((TOOL,), mode=mode))
    events = (*repair.feed(TextDelta(text)), *repair.feed(Stopped(reason=StopReason.END)))
    return any(isinstance(event, ToolStarted) for event in events)


def thinking(case: Case, heard: Heard) -> Finding:
    """Return whether a Messages provider thinks when asked to, against what is declared."""
    trouble, declared = heard.trouble, case.capabilities.thinking
    if trouble is not None and not trouble.is_refusal:
        return case.finding(THINKING, verdict_of(trouble), str(trouble), "an answer to a question with thinking")
    is_taken = trouble is None and "thinking" not in heard.dropped
    seen = "accepts a request to think" if is_taken else f"refuses a request to think{'' if trouble is None else f': {trouble}'}"
    if declared.value is None or declared.value is is_taken:
        return case.finding(THINKING, Verdict.INFORMATION if declared.value is None else Verdict.OK, seen)
    setting = Setting(keys=("capabilities", "thinking"), value=is_taken)
    expected = f"thinking = {str(declared.value).lower()} ({declared.origin})"
    return case.finding(THINKING, Verdict.NEEDS_TUNING, seen, expected, "declare what it does", setting)


def leak(case: Case, heard: tuple[Heard, ...]) -> Finding:
    """Return whether anything stands in the text of the answers that an output filter takes out and none does."""
    trouble = heard[-1].trouble
    if trouble is not None and not trouble.is_refusal:
        return case.finding(LEAK, verdict_of(trouble), str(trouble), "an answer")
    found = filters_for(tuple(one.text for one in heard))
    have = case.config.output_filters
    missing = tuple(name for name in found if name not in have)
    if missing:
        signs = ", ".join(found[name] for name in missing)
        setting = Setting(keys=("output_filters",), value=[*have, *missing])
        return case.finding(LEAK, Verdict.NEEDS_TUNING, f"in the text: {signs}", "only the answer", "filter it out", setting)
    if found:
        return case.finding(LEAK, Verdict.OK, f"output_filters remove {', '.join(found.values())}")
    if any(one.thinking for one in heard):
        seen = f"reasoning comes in its own field; reasoning = {case.config.reasoning}"
        return case.finding(LEAK, Verdict.INFORMATION, seen)
    return case.finding(LEAK, Verdict.OK, "nothing but the answer in the text")


def streaming(case: Case, heard: Heard) -> Finding:
    """Return whether a longer answer is cut off by a limit of the server's."""
    if heard.trouble is not None:
        return case.finding(STREAMING, verdict_of(heard.trouble), str(heard.trouble), "a streamed answer")
    chars = len(heard.text) + len(heard.thinking)
    is_cut = heard.stop is StopReason.LENGTH and chars < ENOUGH_CHARS
    if heard.deltas and not is_cut:
        return case.finding(STREAMING, Verdict.OK, f"streams, in {heard.deltas} pieces")
    seen = f"cut off by length after {chars} characters" if heard.deltas else "an empty stream"
    setting = Setting(keys=("extra_body", "options", "num_predict"), value=WANTED_OUTPUT)
    return case.finding(STREAMING, Verdict.NEEDS_TUNING, seen, "thirty numbers", "allow longer answers", setting)


def cache(case: Case, first: Heard, second: Heard) -> Finding:
    """Return whether a prefix is read from the cache when it is sent again."""
    trouble = first.trouble or second.trouble
    if trouble is not None:
        return case.finding(CACHE, verdict_of(trouble), str(trouble), "two answers with the same prefix")
    read = second.usage.cache_read or 0
    if read > 0:
        return case.finding(CACHE, Verdict.OK, f"{read} tokens read from the cache")
    setting = Setting(keys=("capabilities", "prompt_cache"), value=False)
    written = first.usage.cache_write or 0
    seen = f"nothing read from the cache ({written} tokens written)"
    return case.finding(CACHE, Verdict.NEEDS_TUNING, seen, "the prefix", "declare that it has no prompt cache", setting)


def skipped(case: Case, why: str, *, but: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """Return the probes that are not made."""
    return tuple(case.finding(name, Verdict.SKIP, why) for name in PROBES if name not in but)


def _advice(config: ProviderConfig, trouble: Trouble) -> str:
    match trouble.reason:
        case FailureReason.AUTH:
            variable = config.api_key_env or ", ".join(config.api_key_envs)
            return f"check the key in {variable}" if variable else "name the variable of its key in api_key_env"
        case FailureReason.CONNECTION:
            return f"start its server, or correct base_url, which is {config.base_url}"
        case FailureReason.TIMEOUT:
            return "give it more time, or find out why it does not answer"
        case FailureReason.LOADING:
            return "its model is loading: try again in a minute"
        case FailureReason.MODEL_MISSING:
            return f"load the model {config.model}, or configure another one"
        case FailureReason.RATE_LIMIT | FailureReason.OVERLOADED | FailureReason.PAYMENT_REQUIRED:
            return "its account or machine has no capacity left now: try again later, or check the account"
        case _:
            return "check base_url and kind" if trouble.status in _NOT_FOUND else "check the log of its server"
