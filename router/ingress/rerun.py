"""Recorded requests, asked again of two providers for real, side by side, for no more than a given sum.

Nothing of a running daemon is used but its recordings: providers and their keys come from the configuration. The two answers to
a request are waited for together; `concurrency` requests are under way at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from math import ceil
from typing import Self

import orjson
import trio
from attrs import define, field, frozen

from router.config.schema import LoadedConfig, ProviderConfig
from router.domain.rerun import Answered, Pair, Rerun
from router.errors import InvalidRequest
from router.guards.tool_loop import rejection
from router.ingress.dry_run import DryRun, Letter, route_of
from router.ingress.guarding import tool_verdict
from router.ingress.rerun_ask import Asking, most_usd
from router.ingress.rerun_limit import LimitedBodies
from router.ingress.turn import Turn
from router.routing.cost import Price, costs_money, price_of
from router.wire.intake import ROUTER_KEYS

CLOSE_S = 1.0  # for the goodbyes of connections, which nobody waits for
_PROFILE = "x-router-profile"
_SLACK_USD = 1e-12  # of sums of floats
_CENTS = 100

Part = tuple[ProviderConfig, float, Callable[[float], None]]  # whom to ask, the most it may cost, who hears what it did cost


class CannotRerunError(Exception):
    """The two providers cannot be asked; the text says why. `is_mistake`: they are not what the configuration has."""

    def __init__(self, message: str, *, is_mistake: bool = False) -> None:
        super().__init__(message)
        self.is_mistake = is_mistake


@frozen(kw_only=True)
class Rules:
    """How the requests are asked. Seconds, for each answer; USD, for all of them."""

    max_usd: float = 1.0
    concurrency: int = 1
    timeout_s: float = 120.0
    may_pay: bool = False  # besides what `allow_paid` says


@frozen(kw_only=True)
class Recorded:
    """One recorded request, ready to be asked."""

    request_id: str
    turn: Turn


@define(eq=False)
class Purse:
    """What was spent, and what is held for requests under way; their sum never passes `max_usd`. Written by the run's tasks."""

    max_usd: float
    spent_usd: float = 0.0
    held_usd: float = 0.0
    _settled: trio.Event = field(factory=trio.Event)

    def fits(self, usd: float) -> bool:
        """Tell whether so much can be held."""
        return not usd or self.spent_usd + self.held_usd + usd <= self.max_usd + _SLACK_USD

    async def wait_settled(self) -> None:
        """Wait until something that was held is free again."""
        await self._settled.wait()

    def hold(self, usd: float) -> Callable[[float], None]:
        """Hold a sum; return what is called once, with what of it was spent."""
        self.held_usd += usd
        return partial(self._settle, usd)

    def _settle(self, held: float, spent: float) -> None:
        self.held_usd = max(self.held_usd - held, 0.0)
        self.spent_usd += spent
        self._settled.set()
        self._settled = trio.Event()


@define(kw_only=True, eq=False)
class Rerunning:
    """One run. `pairs` grows while it goes; `report` tells it at any time, after a cancellation too."""

    dry: DryRun
    names: tuple[str, str]
    rules: Rules
    purse: Purse
    on_pair: Callable[[Pair], None] = lambda _pair: None
    pairs: list[Pair] = field(factory=list)
    left_out: Counter[str] = field(factory=Counter)
    ended: str = ""

    @classmethod
    def of(cls, loaded: LoadedConfig, names: tuple[str, str], rules: Rules) -> Self:
        """Return a run that has not begun. Raises CannotRerunError for providers that cannot be asked, or may not."""
        for name in names:
            _check(loaded, name, rules)
        dry = DryRun.of(loaded)
        for name in dict.fromkeys(names):  # one that is asked twice is limited once
            _limit(dry, name)
        return cls(dry=dry, names=names, rules=rules, purse=Purse(rules.max_usd))

    def read(self, record: Mapping[str, object]) -> Recorded | None:
        """Return a recorded request as this configuration takes it, None for one that is left out, and counted."""
        why = record.get("left_out")
        body, path, query = record.get("body"), record.get("path"), record.get("query")
        if isinstance(why, str):
            self.left_out[why] += 1
            return None
        route = route_of(path, query if isinstance(query, str) else "") if isinstance(path, str) else None
        if route is None or not isinstance(body, dict) or not isinstance(path, str):
            self.left_out["no-request"] += 1
            return None
        request_id = str(record.get("request_id"))
        letter = Letter(path=path, route=route, headers=self._headers(record), request_id=request_id)
        plain = orjson.dumps({key: value for key, value in body.items() if key not in ROUTER_KEYS})
        try:
            turn = Turn.read(self.dry.generation, letter, route, plain)
            turn.dialect.check_request(turn.document)
        except InvalidRequest:
            self.left_out["invalid-request"] += 1
            return None
        if turn.asks_for_several:
            self.left_out["several-answers"] += 1
            return None
        verdict = tool_verdict(turn)
        if rejection(verdict, turn.profile.name) is not None:
            self.left_out["guard-rejected"] += 1
            return None
        turn.hints = verdict.hints
        return Recorded(request_id=request_id, turn=turn)

    async def run(self, requests: Iterable[Recorded]) -> None:
        """Ask them all, in order; returns when the last is answered, or the next might pass the cap."""
        limit, asked = trio.Semaphore(self.rules.concurrency), tuple(requests)
        try:
            async with trio.open_nursery() as nursery:
                for place, request in enumerate(asked):
                    await limit.acquire()
                    most = self._most(request)
                    if not await self._has_room(sum(most)):
                        self.ended = self._cap_words(asked[place:])
                        break
                    settles = tuple(map(self.purse.hold, most))  # at once: the next request is weighed against it
                    ask = partial(self._ask_both, request, tuple(zip(self._configs(), most, settles, strict=True)))
                    nursery.start_soon(partial(self._in_turn, ask, limit), name=f"rerun/{request.request_id}")
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                for name in dict.fromkeys(self.names):
                    await self.dry.providers[name].aclose()

    def report(self, *, bad_records: int = 0) -> Rerun:
        """Return what was done so far."""
        return Rerun(
            providers=self.names,
            pairs=tuple(self.pairs),
            left_out=dict(self.left_out),
            bad_records=bad_records,
            spent_usd=self.purse.spent_usd,
            max_usd=self.rules.max_usd,
            ended=self.ended,
        )

    def _most(self, request: Recorded) -> tuple[float, ...]:
        """Return the most that the answer of each provider may cost, USD."""
        return tuple(most_usd(request.turn, config, self._price(config)) for config in self._configs())

    def _cap_words(self, left: Sequence[Recorded]) -> str:
        """Return why the run ends before these requests, and which cap would have been enough for all of them."""
        most, purse = [sum(self._most(request)) for request in left], self.purse
        enough = ceil((purse.spent_usd + sum(most)) * _CENTS) / _CENTS
        return (
            f"the next of {len(left)} remaining requests may cost up to ${most[0]:.6f}, but only "
            f"${purse.max_usd - purse.spent_usd:.6f} of --max-usd is left; --max-usd {enough:.2f} would have covered all"
        )

    async def _has_room(self, usd: float) -> bool:
        """Wait until a sum can be held; False where it cannot be, with nothing under way that could set some free."""
        while not self.purse.fits(usd):
            if not self.purse.held_usd:
                return False
            await self.purse.wait_settled()
        return True

    async def _in_turn(self, ask: Callable[[], Awaitable[None]], limit: trio.Semaphore) -> None:
        try:
            await ask()
        finally:
            limit.release()

    async def _ask_both(self, request: Recorded, parts: tuple[Part, ...]) -> None:
        answers: dict[int, Answered] = {}
        async with trio.open_nursery() as nursery:
            for place, part in enumerate(parts):
                nursery.start_soon(partial(self._ask, request.turn, part, answers, place), name=part[0].name)
        pair = Pair(request_id=request.request_id, first=answers[0], second=answers[1])
        self.pairs.append(pair)
        self.on_pair(pair)

    async def _ask(self, turn: Turn, part: Part, answers: dict[int, Answered], place: int) -> None:
        config, most, settle = part
        asking = Asking(
            turn=turn,
            provider=self.dry.providers[config.name],
            config=config,
            price=self._price(config),
            most=most,
            timeout_s=self.rules.timeout_s,
        )
        answer: Answered | None = None
        try:
            answer = answers[place] = await asking.answer()
        finally:  # cancelled after it was sent: nobody tells what it has cost
            settle(answer.cost_usd if answer is not None else most if asking.is_sent else 0.0)

    def _configs(self) -> tuple[ProviderConfig, ...]:
        return tuple(self.dry.generation.upstreams.configs[name] for name in self.names)

    def _price(self, config: ProviderConfig) -> Price:
        return price_of(config, self.dry.generation.config.prices)

    def _headers(self, record: Mapping[str, object]) -> dict[str, str]:
        """Return the recorded headers, and the profile that was chosen then, where there still is one of that name."""
        found = record.get("headers")
        headers = {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
        profile = record.get("profile")
        kept = {name: value for name, value in headers.items() if not name.endswith(("-profile", "-mode"))}
        return {**kept, _PROFILE: profile} if isinstance(profile, str) and profile in self.dry.generation.profiles else kept


def _check(loaded: LoadedConfig, name: str, rules: Rules) -> None:
    config = loaded.config
    provider = next((one for one in config.providers if one.name == name), None)
    if provider is None:
        known = ", ".join(one.name for one in config.providers)
        raise CannotRerunError(f"{name!r} is not a configured provider; configured: {known}", is_mistake=True)
    if (why := loaded.secrets.unconfigured.get(name)) is not None:
        raise CannotRerunError(f"{name} cannot be used: {why.detail}")
    price = price_of(provider, config.prices)
    is_paid = costs_money(provider, price)
    if is_paid and price.is_free:
        raise CannotRerunError(f"{name} costs money and has no configured price: no cap can be enforced")
    if is_paid and not (config.routing.allow_paid or rules.may_pay):
        raise CannotRerunError(f"{name} costs money: use --paid, or set [routing].allow_paid")


def _limit(dry: DryRun, name: str) -> None:
    """Let no request reach a provider with a price but with its limit. Raises CannotRerunError where none would."""
    provider = dry.providers[name]
    if price_of(provider.config, dry.generation.config.prices).is_free:
        return
    bodies = LimitedBodies.of(provider.bodies, name)
    if not bodies.sends_limits():
        raise CannotRerunError(
            f"{name} costs money, and its drop_fields or rename_fields remove the limit on the answer's length: "
            "no cap can be enforced"
        )
    provider.bodies = bodies
