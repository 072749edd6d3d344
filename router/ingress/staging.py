"""The text stages of one answer: filters and tool repair, as its provider and its request ask for them (wire.md 14, 15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import define, evolve, field, frozen

from router.config.schema import ProviderConfig
from router.config.schema_provider import ProviderKind
from router.domain.messages import ChoiceMode, Tool
from router.domain.request import NeutralRequest, OutputSchema
from router.guards.filters import THINKING, THINKING_PREFILLED, FilterRules, filter_stages
from router.guards.forced_call import ForcedCall, forced_schema
from router.guards.repair_rules import RepairRules
from router.guards.stages import Chain, Stage
from router.guards.tool_repair import ToolRepair
from router.guards.whole_arguments import WholeArguments
from router.ports import Observer

_OFF = "off"
_MADE_OF_TEXT: tuple[ProviderKind, ...] = ("openai_compat", "ollama")  # behind these are local models, which write calls as text


@frozen(kw_only=True)
class StageRules:
    """What an attempt's stages are made of; made once per attempt. `forced` are the tools of which one must be called."""

    repair: RepairRules | None = None
    forced: tuple[Tool, ...] = ()
    filters: FilterRules | None = None
    whole_arguments: bool = False

    def any(self) -> bool:
        """Tell whether there is a stage at all."""
        return self.repair is not None or bool(self.forced) or self.filters is not None or self.whole_arguments


@define(eq=False, kw_only=True)
class Staging:
    """The stages of one answer, made as they are needed: a chat answer with several choices has some for each."""

    rules: StageRules
    _repairs: list[ToolRepair] = field(factory=list)
    _filters: list[Stage] = field(factory=list)

    def new(self, *, has_call: bool = False) -> Stage:
        """Return a fresh chain; the fixed order is byte fallback, thinking, repair, markers, tool XML.

        `has_call`: the answer is known to hold a call of the model's own, so that no text beside it is one (wire.md 14.2)."""
        early, late = (None, None) if self.rules.filters is None else filter_stages(self.rules.filters)
        whole = WholeArguments() if self.rules.whole_arguments else None
        stages: list[Stage] = [stage for stage in (early, self._call_stage(has_call=has_call), late, whole) if stage is not None]
        self._filters += [stage for stage in (early, late) if stage is not None]
        return stages[0] if len(stages) == 1 else Chain(tuple(stages))

    def tell(self, observer: Observer, *, request_id: str, provider: str, is_stream: bool) -> None:
        """Tell what the stages have changed."""
        about = {"request_id": request_id, "provider": provider}
        forms = sum((repair.forms for repair in self._repairs), Counter[str]())
        if forms:
            observer.event("tool-call-repaired", {**about, "forms": dict(forms), "count": forms.total()})
        if any(repair.gave_up for repair in self._repairs):
            observer.event("tool-repair-gave-up", about)
        names = list(dict.fromkeys(name for stage in self._filters for name in getattr(stage, "applied", ())))
        if names:
            observer.event("output-filter-applied", {**about, "filters": names, "streaming": is_stream})

    def _call_stage(self, *, has_call: bool) -> Stage | None:
        if self.rules.forced:
            return ForcedCall(self.rules.forced)
        if self.rules.repair is None or has_call:
            return None
        self._repairs.append(ToolRepair(self.rules.repair))
        return self._repairs[-1]


def repair_mode(config: ProviderConfig) -> str:
    """Return how an answer of this provider is repaired; local servers write calls as text, vendors do not (routing.md 5.4)."""
    return config.tool_repair or ("balanced" if config.kind in _MADE_OF_TEXT else _OFF)


def forced_tools(offer: NeutralRequest) -> tuple[Tool, ...]:
    """Return the tools of which the model must call one: none where it may do without."""
    choice = offer.tool_choice
    if choice is None or choice.mode not in (ChoiceMode.REQUIRED, ChoiceMode.NAMED):
        return ()
    tools = functions(offer)
    return tools if choice.mode is ChoiceMode.REQUIRED else tuple(tool for tool in tools if tool.name == choice.name)


def forced_request(request: NeutralRequest, tools: Sequence[Tool]) -> NeutralRequest:
    """Return the request for a server that cannot be told to call a tool: its answer is held to the schema of a call.

    What the tools are for is said in words, since a schema alone does not reach every model."""
    told = "\n".join(f"- {tool.name}: {tool.description or ''}".rstrip(": ") for tool in tools)
    words = f"Answer with one JSON object that calls one of these tools, and with nothing else:\n{told}"
    schema = OutputSchema(schema=forced_schema(tools), name="tool_call", strict=True)
    return evolve(request, tools=(), tool_choice=None, parallel_tools=None, output_schema=schema, system=(*request.system, words))


def functions(offer: NeutralRequest) -> tuple[Tool, ...]:
    """Return the tools that a model calls by a name and arguments."""
    tools: Sequence[Tool | None] = [tool if isinstance(tool, Tool) else tool.function for tool in offer.tools]
    return tuple(tool for tool in tools if tool is not None)


def may_call(offer: NeutralRequest) -> bool:
    """Tell whether a call in the answer can be meant: tools are offered, and the client has not forbidden them."""
    choice = offer.tool_choice
    return bool(offer.tools) and (choice is None or choice.mode is not ChoiceMode.NONE)


def filter_rules(config: ProviderConfig, thinking: str, *, goes_on: bool = False) -> FilterRules | None:
    """Return the filters of a provider, None without one. `thinking` is what its reasoning becomes for this client.

    An answer that `goes_on` with what was said does not begin inside its thinking, whatever the provider's others do."""
    if not config.output_filters:  # `extra_markers` are more for one of them
        return None
    names = tuple(THINKING if goes_on and name == THINKING_PREFILLED else name for name in config.output_filters)
    is_convert = thinking == "convert"
    return FilterRules(names=names, extra_markers=config.extra_markers, thinking_to_events=is_convert, provider=config.name)
