"""Texts that must come back as they were: nothing in them is meant as a call, however much it looks like one."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "repair"
MAX_FILE = 20_000  # characters of a source file
FILES = 160  # of this repository, and as many of the standard library

_SECTION = re.compile(r"^%%%% (?P<kind>.+)\n", re.MULTILINE)
_ALLOWED_FENCES = ("json", "", "text", "jsonc")
_BEFORE = (
    "Here is the file.\n\n",
    "Das steht in der Datei:\n\n",
    "内容如下。\n\n",
    "I found this in the repository:\n\n",
    "",
)
_AFTER = ("", "\n\nShall I go on?", "\n\nThat is all there is.\n")
# texts that quote calls without any word about it, for other tests: no text as such
_TESTS_OF_REPAIR = ("repair_corpus", "test_repair", "test_tool_repair", "test_forced")


def sections(name: str) -> list[tuple[str, str]]:
    """Return (kind, text) of one file of `fixtures/repair`."""
    _, *parts = _SECTION.split((FIXTURES / f"{name}.txt").read_text(encoding="utf-8"))
    return [(kind, text.removesuffix("\n")) for kind, text in zip(parts[::2], parts[1::2], strict=True)]


def of_kind(name: str, *kinds: str) -> tuple[str, ...]:
    """Return the texts of some kinds of one file."""
    return tuple(text for kind, text in sections(name) if kind in kinds)


PROSE = of_kind("prose", "prose")
TAGGED = of_kind("quotes", "tagged")
JSON_CALLS = of_kind("quotes", "plain")
PLAIN = of_kind("quotes", "plain", "named", "syntax")


def texts() -> Iterator[tuple[str, str]]:
    """Yield (kind, text)."""
    yield from (("prose", text) for text in PROSE)
    yield from _told()
    yield from _quoted()
    yield from _code()
    yield from _documents()
    yield from _files("router", ROOT / "router")
    yield from _files("tests", ROOT / "tests")
    yield from _files("standard library", Path(sysconfig.get_path("stdlib")))


def _told() -> Iterator[tuple[str, str]]:
    """Yield calls that a text shows, forbids or reports."""
    calls = cycle(JSON_CALLS)
    for sentence in of_kind("quotes", "told in a line"):
        yield "told in a line", sentence.replace("{}", next(calls))
        yield "told in a line", f"Before.\n\n{sentence.replace('{}', next(calls))}\n\nAfter."
    told, denied = of_kind("quotes", "told above"), of_kind("quotes", "denied above")
    for line, call in zip(told * 2, cycle((*PLAIN, *TAGGED)), strict=False):
        yield "shown below a line", f"{line}\n\n{call}\n"
    for line, call in zip(told * 2, cycle(PLAIN), strict=False):
        yield "shown in a fence", f"{line}\n\n```json\n{call}\n```\n"
    for line in of_kind("quotes", "reported above"):
        for call in (*JSON_CALLS, f"```json\n{JSON_CALLS[0]}\n```"):
            yield "reported", f"{line}\n\n{call}\n\nThat is all."
    for line, call in zip(denied * 2, cycle(PLAIN), strict=False):
        yield "denied", f"{line}\n{call}\n\nThat is all."
    for call in TAGGED:
        flat = call.replace("\n", " ")
        yield "tagged, told in a line", f"For example, the model says {flat} and waits."
        yield "tagged, told in a line", f"Never write {flat} by hand; do not use {flat} either."


def _quoted() -> Iterator[tuple[str, str]]:
    """Yield calls behind a shield."""
    for call in (*PLAIN, *TAGGED):
        flat = call.replace("\n", " ").replace("```", "'''")
        yield "inline code", f"Qwen writes `{flat}` where others write JSON."
        yield "inline code", f"- `{flat}`: the old form\n- ``{flat}``: the same"
        yield "quoted", f'The model wrote "{call}" and stopped.'
        yield "quoted", f"| model | form |\n|---|---|\n| Hermes | {flat} |\n"
        yield "quoted", "\n".join(f"> {line}" for line in call.split("\n")) + "\nso it failed."
        yield "source fence", f"```python\ntext = '''{call}'''\n```"
        yield "source fence", f"~~~markdown\n{call}\n~~~"
        yield "reasoning", f"<think>I could write {call} here.\n{call}\n</think>\nDone."
        yield "reasoning", f"<reasoning>\n{call}"


def _code() -> Iterator[tuple[str, str]]:
    before = cycle(_BEFORE)
    for language, code in sections("code"):
        yield f"code: {language}", code
        yield f"code: {language}", f"{next(before)}```{language}\n{code}\n```\n"
        indented = code.replace("\n", "\n   ")
        yield f"code: {language}", f"1. First\n\n   ```{language}\n   {indented}\n   ```\n2. Then"


def _documents() -> Iterator[tuple[str, str]]:
    fences, before, after = cycle(_ALLOWED_FENCES), cycle(_BEFORE), cycle(_AFTER)
    for kind, text in sections("documents"):
        yield kind, text
        yield kind, f"{next(before)}{text}{next(after)}"
        yield f"{kind} in a fence", f"{next(before)}```{'diff' if kind == 'diff' else next(fences)}\n{text}\n```{next(after)}"


def _files(kind: str, root: Path) -> Iterator[tuple[str, str]]:
    paths = [path for path in sorted(root.rglob("*.py")) if not path.name.startswith(_TESTS_OF_REPAIR)]
    for path in paths[:: max(1, len(paths) // FILES)]:
        text = path.read_text(encoding="utf-8", errors="ignore")[:MAX_FILE]
        if text:
            yield kind, text
