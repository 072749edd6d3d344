"""Answers of many kinds, cut at random bytes of their stream, and a second provider that goes on with what it is sent.

    python -m tests.router.ingress.seams

prints how many of a thousand come to the client byte for byte, and how many end in an honest error."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import trio
from attrs import define, field, frozen

from router.domain.messages import Role, Text
from router.domain.request import DialectName
from router.ports import OpenInfo, UpstreamCall
from tests.builders import ANTHROPIC, CHAT, Script, ScriptedProvider, ScriptedReply, a_profile, anthropic_stream, chat_stream
from tests.router.ingress.rig import Rig, check_grammar, data_of

CUTS = 1_000
ANSWERS = (
    "A hash table maps keys to values. It computes an index from the key, and looks there first.",
    "Hier ist die Lösung: die Größe ändert sich, weil die Übergabe über Zeiger läuft. Schöne Grüße!",
    "递归是一种函数调用自身的方法。它需要一个终止条件。阶乘可以递归定义。斐波那契数列也可以。",
    "Emoji are fun 🎉🎉: 👩‍👩‍👧‍👦 is one family, 🇩🇪 one flag, and 👍🏽 a thumb. The end 🏁",
    "Use this:\n\n```python\ndef f(x: int) -> int:\n    if x == 0:\n        return 1\n    return x * f(x - 1)\n```\n\nYes.",
    "1. first\n2. second\n3. third\n4. fourth\n\n- a\n- b\n  - c\n  - d\n\nThat is all.  ",
    "| planet | km |\n| --- | --- |\n| Earth | 12756 |\n| Mars | 6792 |\n| Venus | 12104 |\n",
    "the the the the the the the the the the the the and then the the the the end",
    '{"name": "x", "list": [1, 2, 3], "nested": {"a": "\\"quoted\\"", "b": null}}\n\nThat is the JSON.',
    "Line one\r\nLine two\r\n\r\n\tindented\twith\ttabs\r\n   and   spaces   ",
    "مرحبا بالعالم. هذا نص عربي قصير لاختبار القطع في منتصف الكلمات والحروف.",
    "Привет, мир! Это короткий текст, который режется в любом месте, и ничего не теряется.",
)
PIECE = 7  # characters of a delta


@frozen(kw_only=True)
class Going:
    """How the second provider goes on: `speaks` gives its text from what it was sent, and the whole answer."""

    name: str
    speaks: Callable[[str, str], str]


def the_rest(prefill: str, whole: str) -> str:
    """Go on exactly."""
    return whole[len(prefill) :]


def all_again(prefill: str, whole: str) -> str:
    """Say what was sent again, then go on."""
    del prefill
    return whole


def something_else(prefill: str, whole: str) -> str:
    """Begin anew, and part from what was said soon after."""
    del prefill
    return whole[: len(whole) * 3 // 4] + "?!" + whole[::-1]


EXACT, AGAIN, ELSE = (Going(name=g.__name__, speaks=g) for g in (the_rest, all_again, something_else))


@define(kw_only=True)
class GoesOn:
    """A Provider that goes on with the started answer of its request, in pieces of any length."""

    name: str
    dialect: DialectName
    going: Going
    whole: str
    rng: random.Random
    calls: list[UpstreamCall] = field(factory=list)

    @asynccontextmanager
    async def open(self, call: UpstreamCall) -> AsyncIterator[ScriptedReply]:
        self.calls.append(call)
        await trio.lowlevel.checkpoint()
        assert call.neutral is not None
        last = call.neutral.messages[-1]
        sent = "".join(block.text for block in last.content if isinstance(block, Text)) if last.role is Role.ASSISTANT else ""
        chunks = stream_of(self.dialect, self.going.speaks(sent, self.whole), self.rng.randint(1, 12))
        yield ScriptedReply(script=Script(chunks=chunks), info=OpenInfo(status=200, headers=(), is_event_stream=True))


def stream_of(dialect: DialectName, text: str, piece: int = PIECE) -> list[bytes]:
    """Return the stream of a text, in deltas of so many characters."""
    deltas = [text[at : at + piece] for at in range(0, len(text), piece)]
    return chat_stream(*deltas) if dialect is CHAT else anthropic_stream(*deltas)


def cut_stream(dialect: DialectName, text: str, rng: random.Random) -> bytes:
    """Return the stream of a text, cut at a random byte behind the first character of it that is no blank."""
    stream = b"".join(stream_of(dialect, text))
    deltas = b'"content":"' if dialect is CHAT else b'"text_delta"'
    first = stream.index(b"\n\n", stream.index(deltas, stream.index(deltas) + 1 if dialect is CHAT else 0)) + 2
    return stream[: rng.randint(first, stream.rindex(deltas))]


async def joined(rng: random.Random, going: Going, upstream: DialectName, client: DialectName) -> tuple[str, str, bool]:
    """Return the answer as the second provider takes it to be, what the client has read, whether that ends in an error."""
    whole = rng.choice(ANSWERS)
    first = ScriptedProvider(name="a", dialect=upstream, scripts=[Script(chunks=[cut_stream(upstream, whole, rng)])])
    second = GoesOn(name="b", dialect=upstream, going=going, whole=whole, rng=rng)
    rig = Rig(
        providers=[first, second],  # type: ignore[list-item] # a provider all the same
        keys={"b": {"prefill": True}},
        profile=a_profile("a", "b", partial_stitch_action="continue"),
    )
    talk = await rig.ask(client, stream=True)
    check_grammar(client, talk.body)
    documents = [document for document in data_of(talk.body) if isinstance(document, dict)]
    meant = whole if going is not ELSE else something_else("", whole)
    return meant, "".join(map(_text, documents)), any("error" in document for document in documents)


def _text(document: dict[str, object]) -> str:
    read = orjson.loads(orjson.dumps(document))
    if "choices" in read:
        return "".join(choice["delta"].get("content") or "" for choice in read["choices"])
    return str(read.get("delta", {}).get("text", "")) if read.get("type") == "content_block_delta" else ""


async def outcomes(cuts: int, going: Going, seed: int = 1) -> Counter[str]:
    """Return how so many cuts came out: identical, error, or DIFFERENT, which must not be."""
    rng = random.Random(seed)  # noqa: S311 - the same cuts again for the same seed
    counts: Counter[str] = Counter()
    for _ in range(cuts):
        upstream, client = rng.choice((CHAT, ANTHROPIC)), rng.choice((CHAT, ANTHROPIC))
        whole, read, is_error = await joined(rng, going, upstream, client)
        counts["identical" if read == whole and not is_error else "error" if is_error else f"DIFFERENT: {read!r}"] += 1
    return counts


async def main() -> None:
    """Print the shares."""
    for going in (EXACT, AGAIN, ELSE):
        print(f"{going.name}: {dict(await outcomes(CUTS, going))}")


if __name__ == "__main__":
    trio.run(main)
