"""Everything that is decided for one request before anything is sent, as values: `explain` shows it (routing.md 10.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen

from router.config.schema import ProfileConfig, ProviderConfig
from router.domain.request import Note
from router.domain.spend import CapScope
from router.errors import GuardRejected, InvalidRequest
from router.guards.context_budget import BudgetVerdict
from router.guards.tool_loop import ToolVerdict
from router.providers.capabilities import Capabilities
from router.routing.capability_gate import Fit, Needs
from router.routing.chain import Plan
from router.routing.cost import Price
from router.routing.profile import ProfileChoice
from router.routing.session import AgentTag
from router.wire.anthropic.deferred_tools import Deferral


class Way(StrEnum):
    """How a request is put to a provider."""

    RELAYED = "relayed"  # the client's own bytes, spliced
    TRANSLATED = "translated"
    FORCED = "forced"  # translated, with a schema for its answer in the place of the tools


@frozen(kw_only=True)
class Putting:
    """How the request is put to one provider, and what becomes of its answer.

    `notes` are what is dropped or replaced, `forced` names the tools of which the answer must be a call. `thinking` is what
    its reasoning becomes for the client. `repair` is the mode of tool repair, "" where this answer needs none. `deferral` is
    what becomes of deferred tools, None where there are none. `slot` is the one of a llama.cpp server."""

    way: Way
    sent_bytes: int
    notes: tuple[Note, ...] = ()
    forced: tuple[str, ...] = ()
    thinking: str
    repair: str = ""
    filters: tuple[str, ...] = ()
    deferral: Deferral | None = None
    slot: int | None = None


@frozen(kw_only=True)
class Costing:
    """What an attempt would reserve, in USD, and the caps that it is under, in USD. What is spent of them is not known here."""

    price: Price
    reserved_usd: float
    caps: Mapping[CapScope, float] = field(factory=dict)


@frozen(kw_only=True)
class ProviderView:
    """One provider of the profile. `putting` or `refused` is there: `refused` is why it cannot be asked this at all.

    `budget` is None where the profile looks at no window. `usable` is how many tokens a prompt may have for it. `goes_on`: it
    would go on with the answer to this request that another provider has begun (`prefill = true`)."""

    config: ProviderConfig
    capabilities: Capabilities
    fit: Fit
    usable: int
    budget: BudgetVerdict | None
    putting: Putting | None
    refused: InvalidRequest | None
    costing: Costing
    keys: int
    goes_on: bool = False


@frozen(kw_only=True)
class Explanation:
    """The decisions for one request. `views` are in the order in which providers are asked, those left out at the end.

    `rejected` ends the request before anybody is asked. `session` is the key of the conversation, None where nothing of the
    configuration asks for it. `keeps_text`: what was said before a stream broke may be kept (`partial_stitch_action`), which
    several answers at once, say, rule out."""

    route: str
    choice: ProfileChoice
    profile: ProfileConfig
    agent: AgentTag
    session: str | None
    is_stream: bool
    keeps_text: bool
    tokens: int
    offered_tools: int
    needs: Needs
    calls: int
    verdict: ToolVerdict
    rejected: GuardRejected | None
    plan: Plan
    views: tuple[ProviderView, ...]
