"""Malformed calls of every documented form, made by rule from a seed: what a model writes, and what it meant."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any

from attrs import frozen

from tests.router.guards.repair_json import as_json, as_object, as_strict

Call = tuple[str, dict[str, Any]]

SEED = 4
PER_FORM = 40

TEXTS = (
    "ls -la",
    "/srv/app/main.py",
    "src/größe/日本語.txt",
    "cd /x && echo \"it's done\" | grep -v '^#' > out.txt",
    "def f(x):\n    if x < 3 and x > 1:\n        return {'a': [1, 2]}\n",
    'print("hello")\nfor i in range(3):\n\tprint(i)',
    "SELECT * FROM t WHERE name = 'O''Brien' AND x <> 4;",
    "no such {brace and a [bracket",
    "closing } and ] alone",
    "C:\\temp\\new\\file.txt",
    "^\\d+\\s*$",
    "emoji 😀 and ümlaut, „quoted“ text",
    "",
    "true",
    "42",
    "null",
    "[not, a, list]",
    "a, b: c = d",
    "tab\there",
    "https://example.org/a?b=c&d=e#f",
    "line one\nline two\n\nline four",
    "`code` and **bold** and <b>tags</b>",
    '{"json": "inside"}',
)
PATHS = ("/srv/app/main.py", "src/größe/日本語.txt", "a b.txt")
BEFORE = (
    "",
    "Let me look at that.\n",
    "I'll check the configuration first, then run the tests:\n\n",
    "Ich lese zuerst die Datei.\n\n",
    "先看一下文件。\n",
    "Voyons ce que dit le fichier :\n",
    "Now the next step (2 of 3).\n\n- one\n- two\n\n",
    "Plan:\n```python\nprint(1)\n```\n",
    "<think>What would fit? Perhaps a look at it.</think>\n",
    "\n\n",
)
AFTER = ("", "\n", "\nThen I go on.", "\n\nI will wait for the result.\n", "  \n")
_JSON_FENCE = re.compile(r"```\w*\s*\[?\s*\{")
CUT_OFF = ""  # what follows a form that only the end of the text closes


@frozen(kw_only=True)
class Case:
    """`text` means `calls`; `form` is the row of the table of forms."""

    form: str
    text: str
    calls: tuple[Call, ...]


def cases(seed: int = SEED, per_form: int = PER_FORM) -> Iterator[Case]:
    """Yield the corpus, the same for the same seed."""
    for form, write in WRITERS.items():
        rng = random.Random(f"{seed} {form}")  # noqa: S311 -- test data from a seed
        for number in range(per_form):
            yield case(form, write, rng, number)


def case(form: str, write: Writer, rng: random.Random, number: int) -> Case:
    """Return one case: one to three calls between texts."""
    count = rng.choice((1, 1, 1, 2, 3)) if form not in ONE_ONLY else 1
    calls: list[Call] = []
    while len(calls) < count:
        call = some_call(rng, form)
        if call not in calls:
            calls.append(call)
    body, is_closed = write(rng, tuple(calls), number)
    after = rng.choice(AFTER) if is_closed else CUT_OFF
    before = rng.choice(BEFORE)
    if form == "P1" and not _JSON_FENCE.match(body) and before.rstrip().endswith(":"):
        before = ""  # a line that ends in a colon announces code (wire.md 14.8)
    return Case(form=form, text=before + body + after, calls=tuple(calls))


def some_call(rng: random.Random, form: str) -> Call:
    """Return a call of one of the tools, with arguments that fit its schema."""

    def text() -> str:
        return rng.choice(TEXTS)

    def path() -> str:
        return rng.choice(PATHS)

    whole = rng.randrange(1, 9000)
    calls: list[Call] = [
        ("Bash", {"command": text() or "ls", "timeout": whole}),
        ("Bash", {"command": text() or "pwd", "background": rng.random() < 0.5}),
        ("Read", {"file_path": path()}),
        ("Read", {"file_path": path(), "offset": whole, "limit": 0}),
        ("Edit", {"file_path": path(), "old": text(), "new": text(), "all": rng.random() < 0.5}),
        ("get_weather", {"city": "São Paulo", "days": whole, "scale": whole / 8}),
        ("run", {"code": text(), "options": {"deep": {"list": [1, "two", None, {"x": True}]}, "text": text()}}),
        ("TodoWrite", {"todos": [{"task": text(), "done": False}, {"task": text(), "done": True}]}),
        ("mcp__git__log", {"n": whole, "paths": ["a", "b c"]}),
        ("mcp__git__log", {"n": whole, "since": None}),
    ]
    if form != "N1":  # `search` is an element of HTML
        calls.append(("search", {"query": text(), "tags": ["x", text()], "limit": whole}))
    return rng.choice(calls)


def spelled(rng: random.Random, name: str) -> str:
    """Return the name as a model may write it."""
    spellings = (
        name,
        name,
        name,
        name.lower(),
        name.upper(),
        f"functions.{name}",
        f"default_api.{name}",
        f"tools.{name}",
        f"ns/{name}",
    )
    return rng.choice((*spellings, name.replace("_", "-"), name.replace("_", "")))


def as_text(value: object) -> str:
    """Return an argument as it stands between tags."""
    if isinstance(value, bool) or value is None:
        return str(value) if value is not None else "null"
    return value if isinstance(value, str) else as_strict(value)


Writer = Callable[[random.Random, tuple[Call, ...], int], tuple[str, bool]]


def t1(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    tag = ("tool_call", "tool_calls", "tool", "function_call")[number % 4]
    objects = [as_object(rng, spelled(rng, name), arguments) for name, arguments in calls]
    if number % 5 == 0 and len(objects) == 1:  # cut: a bracket and the closing tag are missing
        plain = as_strict({"name": calls[0][0], "arguments": calls[0][1]})
        return f"<{tag}>\n{plain[: -rng.choice((1, 1, 2))]}", False
    if number % 5 == 1:
        return f"<{tag}>[" + ", ".join(objects) + f"]</{tag}>", True
    if number % 5 == 2:
        return f"<{tag}>\n" + "\n".join(objects) + f"\n</{tag}>", True
    if number % 5 == 3:
        return f"<{tag}>\n```json\n{objects[0]}\n```\n</{tag}>" + "".join(f"\n<{tag}>{one}</{tag}>" for one in objects[1:]), True
    return "\n".join(f"<{tag}>\n{one}\n</{tag}>" for one in objects), True


def t2(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    parts = []
    for name, arguments in calls:
        pairs = (f"<parameter={key}>\n{as_text(value)}\n</parameter>\n" for key, value in arguments.items())
        parts.append(f"<function={spelled(rng, name)}>\n" + "".join(pairs))
    if number % 4 == 0:  # nothing is closed
        return "".join(parts).rstrip("\n").removesuffix("</parameter>") + "\n" * (number % 8 == 0), False
    if number % 4 == 1:
        return "\n".join(f"<tool_call>\n{part}</function>\n</tool_call>" for part in parts), True
    return "\n".join(f"{part}</function>" for part in parts) + ("\n</tool_call>" if number % 4 == 2 else ""), True


def t3(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    tag = "function" if number % 3 == 0 else "invoke"
    parts = []
    for name, arguments in calls:
        pairs = (
            f'<parameter name="{key}">{_shielded(escape(as_text(value), quote=False))}</parameter>\n'
            for key, value in arguments.items()
        )
        parts.append(f'<{tag} name="{spelled(rng, name)}">\n' + "".join(pairs) + f"</{tag}>")
    body = "\n".join(parts)
    return (f"<function_calls>\n{body}\n</function_calls>" if number % 2 else body), True


def _shielded(text: str) -> str:
    """Put a text that begins or ends with a line break on lines of its own, since one on either side is layout."""
    return f"\n{text}\n" if text[:1] == "\n" or text[-1:] == "\n" else text


def t4(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    tag = ("function", "tool", "invoke", "tool_call")[number % 4]
    key = rng.choice(("arguments", "args", "parameters", "input"))
    parts = []
    for name, arguments in calls:
        strict = as_strict(arguments)
        value = f'"{escape(strict)}"' if number % 3 == 0 else f"'{strict}'"
        parts.append(f'<{tag} name="{spelled(rng, name)}" {key}={value}/>')
    return "\n".join(parts), True


def t5(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    array = "[" + ",".join(as_object(rng, spelled(rng, name), arguments) for name, arguments in calls) + "]"
    match number % 4:
        case 0:
            return "[TOOL_CALLS]" + " " * (number % 8 == 0) + array, True
        case 1:
            named = (f"[TOOL_CALLS]{spelled(rng, name)}[ARGS]{as_json(rng, arguments)}" for name, arguments in calls)
            return "".join(named), True
        case 2:
            return "functools" + array, True
    return f"<|tool_call|>{array}<|/tool_call|>", True


def t6(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    end = ("<|eom_id|>", "<|eot_id|>", "")[number % 3]
    if number % 2:
        return f"<|python_tag|>[{', '.join(_called(rng, call) for call in calls)}]{end}", True
    name, arguments = calls[0]
    return f"<|python_tag|>{as_object(rng, spelled(rng, name), arguments)}{end}", True


def t7(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    bar, gap = (("\uff5c", "\u2581"), ("|", "_"), ("\uff5c", "_"))[number % 3]

    def mark(words: str) -> str:
        return f"<{bar}{words.replace(' ', gap)}{bar}>"

    parts = []
    for name, arguments in calls:
        begin, separator, end = mark("tool call begin"), mark("tool sep"), mark("tool call end")
        if number % 2:
            parts.append(f"{begin}function{separator}{spelled(rng, name)}\n```json\n{as_json(rng, arguments)}\n```{end}")
        else:
            parts.append(f"{begin}{spelled(rng, name)}{separator}{as_json(rng, arguments)}{end}")
    return mark("tool calls begin") + "\n".join(parts) + mark("tool calls end"), True


def t8(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    line = "\n" * (number % 3 != 0)
    parts = []
    for name, arguments in calls:
        pairs = (
            f"<arg_key>{key}</arg_key>{line}<arg_value>{_shielded(as_text(value))}</arg_value>{line}"
            for key, value in arguments.items()
        )
        parts.append(f"<tool_call>{spelled(rng, name)}\n{''.join(pairs)}</tool_call>")
    return "\n".join(parts), True


def t9(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    constrain = ("", " <|constrain|>json", " json")[number % 3]
    end = "<|call|>" * (number % 2)
    parts = (
        f"<|channel|>commentary to=functions.{name}{constrain}<|message|>{as_json(rng, arguments)}{end}"
        for name, arguments in calls
    )
    return "\n".join(parts), True


def n1(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    name, arguments = calls[0]
    name = name.lower() if number % 3 == 0 else name
    flat = all(isinstance(value, str | int | float) for value in arguments.values())
    if number % 2 and flat and not any('"' in str(value) for value in arguments.values()):
        return f"<{name} " + " ".join(f'{key}="{as_text(value)}"' for key, value in arguments.items()) + " />", True
    return f"<{name}>{as_json(rng, arguments)}</{name}>", True


def p1(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    objects = [as_object(rng, spelled(rng, name), arguments) for name, arguments in calls]
    info = ("json", "", "tool_call", "jsonc", "tool_code", "text")[number % 6]
    body = ("\n".join(objects), "[" + ",\n".join(objects) + "]", "\n".join(_called(rng, call) for call in calls))[number % 3]
    return f"```{info}\n{body}" + ("" if number % 10 == 0 else "\n```"), number % 10 != 0


def p2(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    objects = [as_object(rng, spelled(rng, name), arguments) for name, arguments in calls]
    if number % 4 == 0:
        return ("So: " if number % 8 else "我来调用\uff1a") + objects[0] + "".join(f"\n{one}" for one in objects[1:]), True
    return ("\n".join(objects) if number % 2 else "[" + ", ".join(objects) + "]"), True


def p3(rng: random.Random, calls: tuple[Call, ...], number: int) -> tuple[str, bool]:
    if number % 3 == 0:
        return "[" + ", ".join(_called(rng, call) for call in calls) + "]", True
    return "\n".join(
        f"print(default_api.{_called(rng, call)})" if number % 3 == 1 else _called(rng, call) for call in calls
    ), True


def _called(rng: random.Random, call: Call) -> str:
    name, arguments = call
    name = rng.choice((name, name, name.lower(), f"functions.{name}"))
    style = rng.randrange(3)
    if style == 0:
        return f"{name}({as_json(rng, arguments)})"
    mark = "=" if style == 1 else ": "
    write = repr if rng.random() < 0.5 else as_strict
    return f"{name}({', '.join(f'{key}{mark}{write(value)}' for key, value in arguments.items())})"


ONE_ONLY = frozenset({"T6", "N1"})
WRITERS: dict[str, Writer] = {
    "T1": t1,
    "T2": t2,
    "T3": t3,
    "T4": t4,
    "T5": t5,
    "T6": t6,
    "T7": t7,
    "T8": t8,
    "T9": t9,
    "N1": n1,
    "P1": p1,
    "P2": p2,
    "P3": p3,
}
