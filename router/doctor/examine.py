"""One provider, examined: what its server tells, then the seven probes in their order (supervision.md 19.1).

What would make it answer is tried at once, so that one visit finds what stands behind the first mistake, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, evolve, field

from router.config.capability_table import read_builtin
from router.config.schema import LoadedConfig, ProviderConfig
from router.config.schema_provider import ProviderKind
from router.doctor import questions, verdicts, windows
from router.doctor.asking import Asker, open_asker
from router.doctor.findings import Finding, Setting, Verdict
from router.doctor.heard import Heard
from router.doctor.mends import addresses, likely_model, longer_limits, mended, other_port, profile_limits
from router.doctor.questions import Question
from router.doctor.served import Served, is_like_ollama, is_near, look, model_names, page
from router.doctor.verdicts import Case
from router.errors import FailureReason
from router.onboarding.servers import TITLES, ServerKind
from router.providers.capabilities import resolve_capabilities
from router.providers.urls import provider_urls

Tell = Callable[[Finding], None]

BACKEND, TIME_LIMIT = "backend", "time-limit"
MAX_MENDS = 3  # in a row: an address, a model, a time limit
LEAKY_KINDS: tuple[ProviderKind, ...] = ("openai_compat", "ollama", "openai_responses")
_NOT_HERE = frozenset({FailureReason.MODEL_MISSING, FailureReason.BAD_RESPONSE, FailureReason.REDIRECT})
_NO_ROUTE = frozenset({404, 405})
_MANAGED = "the router starts its server on demand; send it a request, then run doctor again"
_SHOWN = 6  # names of models in an advice


@define(kw_only=True)
class Examination:
    """The visit to one provider; `config` changes with what is mended on the way."""

    loaded: LoadedConfig
    config: ProviderConfig
    tell: Tell

    async def run(self) -> None:
        """Ask everything and tell each finding as it comes."""
        answers: list[Heard] = []
        await self._ask_all(answers)
        case = self._case(Served())
        for name, limit_s, wanted_s in profile_limits(self.loaded.config, self.config, answers):
            seen = f"an answer took {max(one.total_s for one in answers):.1f} s, longer than {name}, which is {limit_s:g} s"
            advice = f"raise {name} to {wanted_s:g}, or use a faster provider there"
            self.tell(case.finding(TIME_LIMIT, Verdict.NEEDS_TUNING, seen, "a complete answer", advice))

    async def _ask_all(self, answers: list[Heard]) -> None:
        why = self.loaded.secrets.unconfigured.get(self.config.name)
        if why is not None:
            unseen = self._case(Served())
            verdict = Verdict.AUTH_FAIL if why.reason == "missing-credential" else Verdict.UNSUPPORTED
            self.tell(unseen.finding(verdicts.CHAT, verdict, why.detail, "a usable provider", "set what is missing"))
            self._tell_all(verdicts.skipped(unseen, "it cannot be used", but=(verdicts.CHAT,)))
            return
        case = await self._first_answer(answers)
        if case is None:
            return
        async with open_asker(self.config, self.loaded.secrets) as asker:
            await _ask_the_rest(case, Patient(case=case, asker=asker, tell=self.tell, answers=answers), self.tell)

    async def _first_answer(self, answers: list[Heard]) -> Case | None:
        """Return the case once the provider has answered, with what had to be mended for it; None where it does not."""
        for _ in range(MAX_MENDS + 1):
            async with open_asker(self.config, self.loaded.secrets) as asker:
                heard = await asker.ask(questions.echo(stream=self.config.capabilities.streaming))
                served = await look(asker.provider) if is_near(self.config) else Served()
                case = self._case(served)
                finding = verdicts.chat(case, heard)
                if heard.trouble is None:
                    self.tell(finding)
                    answers.append(heard)
                    return case
                settings, advice = await self._mend(asker, heard)
            if heard.trouble.reason is FailureReason.CONNECTION and not settings and self._is_managed():
                self._tell_all(verdicts.skipped(case, _MANAGED))
                return None
            if heard.trouble.reason is FailureReason.TIMEOUT and settings:
                finding = evolve(finding, verdict=Verdict.NEEDS_TUNING, advice="give it more time")
            self.tell(evolve(finding, settings=settings, advice=advice or finding.advice))
            if not settings:
                break
            self.config = mended(self.config, settings)
        self._tell_all(verdicts.skipped(self._case(Served()), "it does not answer", but=(verdicts.CHAT,)))
        return None

    async def _mend(self, asker: Asker, heard: Heard) -> tuple[tuple[Setting, ...], str]:
        """Return the settings that make it answer, () for none, and an advice, "" for the usual one."""
        trouble = heard.trouble
        if trouble is None:
            return (), ""
        if trouble.reason is FailureReason.TIMEOUT:
            patient = await asker.ask(questions.echo(stream=self.config.capabilities.streaming), is_unhurried=True)
            if patient.trouble is not None:
                return (), ""
            return longer_limits(self.config, patient, waited_s=0.0 if heard.first_s is not None else heard.total_s), ""
        if trouble.reason is FailureReason.CONNECTION:
            other = other_port(self.config)
            if other is not None and (await self._names_at(other)):
                return (_base_url(other),), f"llama.cpp's server listens at {other}"
            return (), ""
        if trouble.status in _NO_ROUTE or trouble.reason in _NOT_HERE:
            return await self._mend_the_place(asker)
        return (), ""

    async def _mend_the_place(self, asker: Asker) -> tuple[tuple[Setting, ...], str]:
        names = model_names(await page(asker.provider, asker.provider.urls.models))
        if names is None:
            for other in addresses(self.config):
                if await self._names_at(other):
                    return (_base_url(other),), f"its API is at {other}"
            return (), ""
        model = likely_model(self.config.model, names)
        if model is not None:
            return (Setting(keys=("model",), value=model),), f"it has {model}"
        return (), f"it has {', '.join(names[:_SHOWN])}" if names and self.config.model not in names else ""

    async def _names_at(self, base_url: str) -> tuple[str, ...]:
        """Return the models that an API at this base URL lists."""
        async with open_asker(evolve(self.config, base_url=base_url), self.loaded.secrets) as asker:
            return model_names(await page(asker.provider, asker.provider.urls.models)) or ()

    def _is_managed(self) -> bool:
        return self.config.restart is not None and self.config.restart.mode == "managed"

    def _case(self, served: Served) -> Case:
        rules = self.loaded.config.capability_rules
        return Case(config=self.config, capabilities=resolve_capabilities(self.config, rules, read_builtin()), served=served)

    def _tell_all(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.tell(finding)


@define(kw_only=True)
class Patient:
    """Asks without the provider's time limits once one of them was too short, and tells by how much.

    `answers` gets all that come."""

    case: Case
    asker: Asker
    tell: Tell
    answers: list[Heard] = field(factory=list)
    _is_unhurried: bool = False

    async def ask(self, question: Question) -> Heard:
        """Return the answer, also a slow one; a limit that it broke is a finding of its own."""
        heard = await self.asker.ask(question, is_unhurried=self._is_unhurried)
        waited_s = 0.0
        if heard.trouble is not None and heard.trouble.reason is FailureReason.TIMEOUT and not self._is_unhurried:
            self._is_unhurried = True
            waited_s = heard.total_s if heard.first_s is None else 0.0
            heard = await self.asker.ask(question, is_unhurried=True)
        settings = (
            longer_limits(self.case.config, heard, waited_s=waited_s) if heard.trouble is None and self._is_unhurried else ()
        )
        if settings:
            names = ", ".join(one.keys[-1] for one in settings)
            seen = f"an answer took {waited_s + heard.total_s:.1f} s, longer than {names}"
            self.tell(
                self.case.finding(TIME_LIMIT, Verdict.NEEDS_TUNING, seen, "a complete answer", "give it more time", *settings)
            )
            self.case = evolve(self.case, config=mended(self.case.config, settings))
        if heard.trouble is None:
            self.answers.append(heard)
        return heard


async def reach(loaded: LoadedConfig, config: ProviderConfig) -> Finding:
    """Return whether a provider elsewhere lists its models: free of charge, so it may be asked unasked."""
    case = Case(config=config, capabilities=resolve_capabilities(config, loaded.config.capability_rules, ()), served=Served())
    if (why := loaded.secrets.unconfigured.get(config.name)) is not None:
        return case.finding(BACKEND, Verdict.SKIP, f"cannot be used: {why.detail}")
    async with open_asker(config, loaded.secrets) as asker:
        url = provider_urls(config).models
        names = model_names(await page(asker.provider, url))
    if names is None:
        advice = f"check base_url and its key; `--check-model {config.name}` sends it a question"
        return case.finding(BACKEND, Verdict.WARN, "lists no models", "a list of models", advice)
    is_named = not names or config.model in names
    seen = f"answers, and lists {len(names)} models"
    return case.finding(BACKEND, Verdict.OK, seen if is_named else f"{seen}, but not {config.model}")


async def _ask_the_rest(case: Case, asker: Patient, tell: Tell) -> None:
    """Tell what is found behind the first answer."""
    config, served, is_exact = case.config, case.served, is_near(case.config)
    if is_exact:
        tell(windows.context_size(case))
        tell(windows.queue(case))
        if (kept := windows.keep_alive(case)) is not None:
            tell(kept)
    if is_like_ollama(config, served):
        tell(verdicts.num_ctx(case, await asker.ask(questions.canary(thinks=case.thinks, is_exact=is_exact))))
    else:
        tell(case.finding(verdicts.NUM_CTX, Verdict.SKIP, _not_of_ollama(case)))
    heard = await asker.ask(questions.tool_call(thinks=case.thinks, is_exact=is_exact, stream=config.capabilities.streaming))
    for finding in verdicts.tool_calls(case, heard, await _whole(case, asker, heard)):
        tell(finding)
    if config.kind == "anthropic":
        tell(await _thinking(case, asker))
    else:
        tell(case.finding(verdicts.THINKING, Verdict.SKIP, f"not checked: only for kind anthropic, and this is {config.kind}"))
    if config.kind in LEAKY_KINDS:
        tell(verdicts.leak(case, (heard, await asker.ask(questions.sum_of_two(is_exact=is_exact)))))
    else:
        tell(case.finding(verdicts.LEAK, Verdict.SKIP, f"not checked: kind {config.kind} has a field for reasoning"))
    if is_like_ollama(config, served):
        tell(verdicts.streaming(case, await asker.ask(questions.counting(thinks=case.thinks))))
    else:
        tell(case.finding(verdicts.STREAMING, Verdict.SKIP, _not_of_ollama(case)))
    tell(await _cache(case, asker))


async def _whole(case: Case, asker: Patient, streamed: Heard) -> Heard | None:
    """Return the question with a tool, asked again without a stream, where a stream was empty: servers lose calls in it."""
    is_empty = streamed.trouble is None and not (streamed.has_call or streamed.text)
    if not is_empty or not streamed.is_stream or case.capabilities.tools.value is False:
        return None
    return await asker.ask(questions.tool_call(thinks=case.thinks, is_exact=is_near(case.config), stream=False))


async def _thinking(case: Case, asker: Patient) -> Finding:
    heard = await asker.ask(questions.thinking("enabled"))
    if heard.trouble is not None and heard.trouble.is_refusal:
        heard = await asker.ask(questions.thinking("adaptive"))
    return verdicts.thinking(case, heard)


async def _cache(case: Case, asker: Patient) -> Finding:
    flag = case.capabilities.cache_control
    if case.config.kind != "anthropic" or flag.value is not True or flag.origin == "heuristic":
        return case.finding(verdicts.CACHE, Verdict.SKIP, "not checked: only for kind anthropic with prompt_cache = true")
    first = await asker.ask(questions.cached())
    return verdicts.cache(case, first, await asker.ask(questions.cached()))


def _not_of_ollama(case: Case) -> str:
    """Return why what only an Ollama gets wrong is not asked: nothing is known of how this server does it."""
    program = case.served.program
    told = "" if program in (None, ServerKind.OTHER) else f", at {TITLES[program]}"
    return f"not checked: only for Ollama, and this is {case.config.kind}{told}"


def _base_url(url: str) -> Setting:
    return Setting(keys=("base_url",), value=url)
