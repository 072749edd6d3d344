"""Forms, guards and shields beyond the vectors, one by one (wire.md 14.3 to 14.8)."""

from __future__ import annotations

import pytest

from tests.router.guards.streamed import heard, whole

LS = '{"name": "Bash", "arguments": {"command": "ls"}}'
MADE = [("Bash", {"command": "ls"})]
HARMONY = '<|start|>assistant<|channel|>commentary to=functions.Bash <|constrain|>json<|message|>{"command": "ls"}<|call|>'


@pytest.mark.parametrize(
    "text",
    [
        # as Qwen2.5-Coder writes its calls
        f"First I list the files.\n\n```json\n{LS}\n```\n\nThis shows what there is.",
        f"Here: ```json\n{LS}\n```",
        f"```json\n{LS}\n``` ",
        f"```json\n{LS}```",
        f"```json\n{LS}",
        f"   ```json\n   {LS}\n   ```",
        # containers
        '<tool_call>{"name": "Bash", "arguments": {"command": "ls"}</tool_call>',
        f"<tool_call>\n{LS}\n<tool_call>\n",
        f"<tool_call>{LS}\nNow I wait.",
        f"<tool_calls>\n<tool_call>{LS}</tool_call>\n</tool_calls>",
        f"<TOOL_CALL>{LS}</TOOL_CALL>",
        f"<tool_call>{LS}</function_call>",
        '<function=Bash>{"command": "ls"}</function>',
        '<invoke name="Bash">{"command": "ls"}</invoke>',
        "<tool_call>Bash<arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>",
        '[TOOL_CALLS]Bash[CALL_ID]abc123[ARGS]{"command": "ls"}',
        f"Well.[TOOL_CALLS] {LS}",
        '<|tool\u2581calls_begin|><|tool\u2581call\u2581begin|>Bash<|tool_sep|>{"command": "ls"}',
        # plain forms
        f"So: {LS}",
        f"我来调用\uff1a{LS}",
        f"</think>{LS}",
        f"<|channel|>analysis<|message|>So:\n{LS}<|end|>" + HARMONY,
        f"<think>no</think>{LS}<|im_end|>",
        f"{LS};\n{LS}",
        f"`{LS}`",
        f"One.\n``{LS}``\nTwo.",
        "`Bash(command='ls')`",
        "Bash(command: 'ls')",
        "Bash({'command': 'ls'})",
        'Bash(\n    command="""ls""",\n)',
        "<bash>{'command': 'ls'}</bash>",
        '{"name": "Bash", "arguments": {"command": "ls",},}',
        "{“name”: “Bash”, “arguments”: {“command”: “ls”}}",
        '[{{"name": "Bash", "arguments": {{"command": "ls"}}}}]',
        '{"recipient_name": "functions.bash", "parameters": {"command": "ls"}}',
        '{"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": "{\\"command\\": \\"ls\\"}"}}',
    ],
)
def test_is_made(text: str) -> None:
    assert whole(text).calls == MADE
    assert heard(text).calls == MADE


@pytest.mark.parametrize(
    "text",
    [
        # no such tool, no such shape
        '```json\n{"name": "pytest", "arguments": {"command": "pytest -q"}}\n```',
        "<function=pytest>\n<parameter=command>\nls\n</parameter>\n</function>",
        '<tool_call>{"name": "Bash"}</tool_call>',
        '<invoke name="Bash"/>',
        "<tool_call>Bash\n</tool_call>",
        '<tool_call>[{"name": "Bash", "arguments": {"command": "ls"}}, {"name": "none", "arguments": {}}]</tool_call>',
        f"{LS}\n" + '{"a": 1}',
        '{"name": "Bash", "arguments": {"command": "ls"}',
        "Bash()",
        "Bash('ls')",
        "Bash(command=ls)",
        'Bash(command="ls").strip()',
        'x = Bash(command="ls")',
        '    Bash(command="ls")',
        "<Bash>ls</Bash>",
        '<Bash command="ls">',
        '<Bash>{"cmd": "ls"}</Bash>',
        '<search query="cats"/>',
        # part of a sentence, or of a document
        f"The {LS} is there.",
        f"- {LS}",
        f"Result: {LS} (from the cache)",
        f'{{"request": {LS}}}',
        f"[\n  1,\n  {LS}\n]",
        f"send(\n  {LS}\n)",
        f"x =\n{LS}",
        f"<doc>\n{LS}\n</doc>",
        f"cat <<EOF\n{LS}\nEOF",
        f"```\n$ cat x\n{LS}\n```",
        f"```\n+{LS}\n```",
        f"```diff\n{LS}\n```",
        f"````markdown\n```json\n{LS}\n```\n````",
        f"`` ` {LS} ``",
        f"Text `code\n`{LS}` more",
        f"<analysis>\n{LS}",
        f"<|channel|>analysis<|message|>Perhaps:\n{LS}\n<|end|>",
        f"> quoted\n> {LS}",
        "To clean up:\n```\nBash(command='ls')\n```",
        f'He said "<tool_call>{LS}</tool_call>" again.',
        f"For example: <tool_call>{LS}</tool_call> and <tool_call>{LS}</tool_call>.",
        f"The syntax is:\n\n<tool_call>\n{LS}\n</tool_call>\n\n<tool_call>\n{LS}\n</tool_call>",
    ],
)
def test_is_left(text: str) -> None:
    assert (whole(text).text, whole(text).calls) == (text, [])
    assert (heard(text).text, heard(text).calls) == (text, [])


@pytest.mark.parametrize(
    "text",
    [
        f"I will check the database schema.\n<tool_call>{LS}</tool_call>",
        f"The payload is next, for example.\n<tool_call>{LS}</tool_call>",
        "Run it now with Bash:\n```tool_code\nBash(command='ls')\n```",
    ],
)
def test_a_cue_that_does_not_concern_a_form_is_no_cue(text: str) -> None:
    assert whole(text).calls == MADE


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        (
            "<function=Bash><parameter=command>5</parameter><parameter=timeout>5</parameter></function>",
            {"command": "5", "timeout": 5},
        ),
        (
            "<function=Bash><parameter=command>true</parameter><parameter=background>True</parameter>",
            {"command": "true", "background": True},
        ),
        (
            "<function=Bash><parameter=command>x</parameter><parameter=timeout>soon</parameter>",
            {"command": "x", "timeout": "soon"},
        ),
        ("<function=Bash><parameter=command>x</parameter><parameter=new>[1]</parameter>", {"command": "x", "new": [1]}),
        ("<function=Bash><parameter=command>x</parameter><parameter=new>no</parameter>", {"command": "x", "new": "no"}),
        (
            '<invoke name="Bash"><parameter name="command">a &amp;&amp; b &lt;c&gt; &quot;d&quot;</parameter></invoke>',
            {"command": 'a && b <c> "d"'},
        ),
        ("<function=Bash><parameter=command>a &amp;&amp; b</parameter></function>", {"command": "a &amp;&amp; b"}),
        (
            '{"name": "Bash", "arguments": {"command": "x", "timeout": "7", "background": "False"}}',
            {"command": "x", "timeout": 7, "background": False},
        ),
        ('{"name": "Bash", "arguments": {"command": "x", "timeout": 7.0}}', {"command": "x", "timeout": 7.0}),
        ("<tool_call>Bash\n<arg_key>command</arg_key>\n<arg_value>\n\nx\n\n</arg_value>\n</tool_call>", {"command": "\nx\n"}),
    ],
)
def test_values_get_the_types_of_the_schema(text: str, arguments: dict[str, object]) -> None:
    assert whole(text).calls == [("Bash", arguments)]
