"""Sixty pairs of a prompt and a tool set for a small model: one to eight tools, a third needs none of them."""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Turn:
    """`wanted` are the tools that answer the prompt, empty where none is needed."""

    prompt: str
    tools: tuple[str, ...]
    wanted: tuple[str, ...] = ()


def _tool(description: str, required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": required.split(), "additionalProperties": False}
    return {"description": description, "schema": schema}


_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_NUMBER: dict[str, Any] = {"type": "number"}
_FLAG: dict[str, Any] = {"type": "boolean"}

TOOLS: dict[str, dict[str, Any]] = {
    "read_file": _tool("Read a text file.", "path", path=_TEXT),
    "write_file": _tool("Write a text file.", "path content", path=_TEXT, content=_TEXT),
    "list_directory": _tool("List the files of a directory.", "path", path=_TEXT, recursive=_FLAG),
    "run_command": _tool("Run a shell command.", "command", command=_TEXT, timeout_s=_WHOLE),
    "search_text": _tool("Search files for a text.", "pattern", pattern=_TEXT, path=_TEXT, ignore_case=_FLAG),
    "get_weather": _tool(
        "Current weather of a city.", "city", city=_TEXT, unit={"type": "string", "enum": ["celsius", "fahrenheit"]}
    ),
    "calculate": _tool("Evaluate an arithmetic expression.", "expression", expression=_TEXT),
    "send_email": _tool("Send an e-mail.", "to subject body", to=_TEXT, subject=_TEXT, body=_TEXT),
    "create_event": _tool("Create a calendar event.", "title date", title=_TEXT, date=_TEXT, minutes=_WHOLE),
    "translate": _tool("Translate a text.", "text language", text=_TEXT, language=_TEXT),
    "convert_units": _tool("Convert a value between units.", "value source target", value=_NUMBER, source=_TEXT, target=_TEXT),
    "query_database": _tool("Run an SQL query.", "sql", sql=_TEXT),
    "http_get": _tool("Fetch a URL.", "url", url=_TEXT),
    "set_timer": _tool("Set a timer.", "minutes", minutes=_WHOLE, label=_TEXT),
    "git_log": _tool("Show the last commits.", "count", count=_WHOLE),
    "delete_file": _tool("Delete a file.", "path", path=_TEXT),
}

_FILES = ("read_file", "write_file", "list_directory", "search_text")
_AGENT = ("read_file", "write_file", "list_directory", "search_text", "run_command", "git_log", "delete_file", "http_get")
_OFFICE = ("send_email", "create_event", "set_timer", "translate", "get_weather")

NEEDS_A_TOOL = (
    Turn(prompt="What does the file config/settings.toml say?", tools=("read_file",), wanted=("read_file",)),
    Turn(prompt="Show me what is in README.md.", tools=_FILES, wanted=("read_file",)),
    Turn(prompt="Read src/main.py and tell me what it does.", tools=_AGENT, wanted=("read_file",)),
    Turn(prompt="Which files are in the directory /srv/app?", tools=("list_directory",), wanted=("list_directory",)),
    Turn(prompt="List everything below ./tests, with subdirectories.", tools=_FILES, wanted=("list_directory",)),
    Turn(prompt="What is in the folder docs?", tools=_AGENT, wanted=("list_directory",)),
    Turn(prompt="Run `uname -a`.", tools=("run_command",), wanted=("run_command",)),
    Turn(prompt="Run the test suite with pytest -q.", tools=_AGENT, wanted=("run_command",)),
    Turn(prompt="Check how much disk space is free.", tools=("run_command", "read_file"), wanted=("run_command",)),
    Turn(prompt="Find every place in src that mentions retry_budget.", tools=_FILES, wanted=("search_text", "run_command")),
    Turn(prompt="Where is the function parse_header defined? Search for it.", tools=_AGENT, wanted=("search_text",)),
    Turn(prompt="Search for the word 'deprecated' without regard to case.", tools=("search_text",), wanted=("search_text",)),
    Turn(prompt="Write the text hello world to the file /tmp/hello.txt.", tools=("write_file",), wanted=("write_file",)),
    Turn(prompt="Create a file notes.md with the line '# Notes'.", tools=_FILES, wanted=("write_file",)),
    Turn(prompt='Write a file greet.py with this line: print("hi")', tools=_AGENT, wanted=("write_file",)),
    Turn(prompt="What is the weather in Berlin?", tools=("get_weather",), wanted=("get_weather",)),
    Turn(prompt="How warm is it in Tokyo, in celsius?", tools=("get_weather", "calculate"), wanted=("get_weather",)),
    Turn(prompt="Do I need an umbrella in London today?", tools=_OFFICE, wanted=("get_weather",)),
    Turn(prompt="What is 48123 * 7719? Use the calculator.", tools=("calculate",), wanted=("calculate",)),
    Turn(prompt="Calculate (17.5 + 3) / 4 with the tool.", tools=("calculate", "convert_units"), wanted=("calculate",)),
    Turn(
        prompt="Send an e-mail to ann@example.org with subject Lunch and body See you at noon.",
        tools=("send_email",),
        wanted=("send_email",),
    ),
    Turn(prompt="Mail bob@example.org that the build is green, subject Build.", tools=_OFFICE, wanted=("send_email",)),
    Turn(prompt="Create an event Team meeting on 2027-01-15 for 30 minutes.", tools=_OFFICE, wanted=("create_event",)),
    Turn(prompt="Put 'Dentist' into my calendar on 2027-02-03.", tools=("create_event", "set_timer"), wanted=("create_event",)),
    Turn(prompt="Translate 'good morning' into French with the tool.", tools=("translate",), wanted=("translate",)),
    Turn(prompt="Use the translator: 'Where is the station?' into German.", tools=_OFFICE, wanted=("translate",)),
    Turn(prompt="Convert 12.5 miles to kilometres.", tools=("convert_units",), wanted=("convert_units",)),
    Turn(
        prompt="How many pounds are 80 kilograms? Use the converter.",
        tools=("convert_units", "calculate"),
        wanted=("convert_units",),
    ),
    Turn(prompt="How many rows has the table users? Query it.", tools=("query_database",), wanted=("query_database",)),
    Turn(
        prompt="Select the names of all customers from Spain.", tools=("query_database", "read_file"), wanted=("query_database",)
    ),
    Turn(prompt="Fetch http://127.0.0.1:8000/health.", tools=("http_get",), wanted=("http_get",)),
    Turn(prompt="Get the page http://example.org/index.html.", tools=_AGENT, wanted=("http_get",)),
    Turn(prompt="Set a timer for 10 minutes.", tools=("set_timer",), wanted=("set_timer",)),
    Turn(prompt="Remind me in 25 minutes to take the bread out.", tools=_OFFICE, wanted=("set_timer",)),
    Turn(prompt="Show me the last 5 commits.", tools=("git_log",), wanted=("git_log",)),
    Turn(prompt="What were the last three commits about?", tools=_AGENT, wanted=("git_log", "run_command")),
    Turn(prompt="Delete the file build/old.log.", tools=("delete_file", "read_file"), wanted=("delete_file",)),
    Turn(prompt="Read /etc/hostname.", tools=("read_file", "run_command"), wanted=("read_file", "run_command")),
    Turn(prompt="Compare a.txt and b.txt: read both files.", tools=("read_file",), wanted=("read_file",)),
    Turn(prompt="What is the weather in Paris and in Rome?", tools=("get_weather",), wanted=("get_weather",)),
)

NEEDS_NONE = (
    Turn(prompt="Say hello.", tools=("read_file",)),
    Turn(prompt="What is the capital of France?", tools=_FILES),
    Turn(prompt="Explain in one sentence what a hash table is.", tools=_AGENT),
    Turn(prompt="What is 2 + 2?", tools=("get_weather",)),
    Turn(prompt="Write a haiku about rain.", tools=_OFFICE),
    Turn(prompt="Thank you, that was all.", tools=_AGENT),
    Turn(prompt="Name three primary colours.", tools=("run_command",)),
    Turn(prompt="What does the abbreviation HTTP stand for?", tools=("http_get", "read_file")),
    Turn(prompt="Show me, as an example, a JSON object with a name and an age.", tools=("query_database",)),
    Turn(prompt="How do I write a for loop in Python? Show a short example.", tools=_AGENT),
    Turn(prompt="What does the shell command ls do? Do not run it.", tools=("run_command",)),
    Turn(prompt="Who wrote Romeo and Juliet?", tools=("translate",)),
    Turn(prompt="Is 17 a prime number? Answer yes or no.", tools=("get_weather", "set_timer")),
    Turn(prompt="Give me a synonym for 'quick'.", tools=_OFFICE),
    Turn(prompt="What is the difference between a list and a tuple in Python?", tools=_FILES),
    Turn(prompt="Explain what the git log command prints, in one sentence.", tools=("git_log",)),
    Turn(prompt="Write a function in JavaScript that adds two numbers.", tools=_AGENT),
    Turn(prompt="Good morning! How are you?", tools=_OFFICE),
    Turn(prompt="What colour is the sky on a clear day?", tools=("get_weather",)),
    Turn(prompt="Count from one to five.", tools=("calculate",)),
)

TURNS = (*NEEDS_A_TOOL, *NEEDS_NONE)
