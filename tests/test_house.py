"""The house rules that no linter knows, over every file that git tracks."""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import trio

from tests.tools.lengths import complaints

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SELF = Path(__file__).relative_to(ROOT).as_posix()

# Addresses and words of the place where somebody happens to work. Written in halves, so that this file passes, too.
PLACES = tuple(
    re.compile(first + second)
    for first, second in (
        (r"/wo", r"rk/(main|shared)\b"),
        (r"/tm", r"p/dev\b"),
        (r"/ro", r"ot/\."),
        (r"/op", r"t/(wheels|pypi)"),
        (r"\.lib", r"rary/"),
        (r"\.\./sha", r"red\b"),
        (r"files\.python", r"hosted\.org"),
        (r"(?i)co-auth", r"ored-by"),
        (r"(?i)generated wi", r"th (an? )?(AI|LLM|Claude|GPT)"),
        (r"\bissues sh", r"ow \d"),
        (r"\bC", r"EO\b"),
    )
)

SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)\b(?P<codes>[^#]*)(?P<rest>.*)$")
NOQA_WITH_REASON = re.compile(r"#\s*noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*\s*(-{1,2}|\()\s*\S+")
IGNORE_WITH_REASON = re.compile(r"#\s*type: ignore\[[a-z-]+(, ?[a-z-]+)*\]\s+#\s*\S+")

FRAGMENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed|security)\.md")
MAX_FRAGMENT_CHARACTERS = 600  # a reader of a changelog reads one paragraph per change

LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)")
MAKE_COMMAND = re.compile(r"(?:^|[`(\s])make (?P<target>[a-z][a-z0-9-]*)(?=[\s`),.:;]|$)", re.MULTILINE)


@cache
def tracked() -> tuple[str, ...]:
    """Return the paths of the tracked files; () outside a git checkout."""
    if not (ROOT / ".git").exists():
        return ()

    async def list_files() -> bytes:
        found = await trio.run_process(["git", "ls-files", "-z"], cwd=ROOT, capture_stdout=True)
        return found.stdout

    return tuple(name for name in trio.run(list_files).decode().split("\0") if name and (ROOT / name).is_file())


def python_files() -> tuple[str, ...]:
    return tuple(name for name in tracked() if name.endswith(".py"))


def documents() -> tuple[str, ...]:
    return tuple(name for name in tracked() if name.endswith(".md") and "fixtures" not in name)


def lines(names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (path:line, text) of every line of the files."""
    found: list[tuple[str, str]] = []
    for name in names:
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        found += [(f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), 1)]
    return found


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def is_broad(caught: ast.expr | None) -> bool:
    return caught is None or (isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"})


def is_bare_raise(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Raise) and statement.exc is None


@pytest.mark.slow
def test_no_file_and_no_function_is_too_long() -> None:
    assert [line for name in python_files() for line in complaints(ROOT / name)] == []


@pytest.mark.slow
def test_no_tracked_file_names_the_place_where_it_was_written() -> None:
    others = tuple(name for name in tracked() if name != SELF)

    assert [where for where, line in lines(others) if any(place.search(line) for place in PLACES)] == []


def test_every_suppression_names_its_code_and_its_reason() -> None:
    bare = [
        where
        for where, line in lines(tuple(name for name in python_files() if name != SELF))
        if SUPPRESSION.search(line) and not (NOQA_WITH_REASON.search(line) or IGNORE_WITH_REASON.search(line))
    ]

    assert bare == []


def test_every_broad_except_that_swallows_says_why() -> None:
    swallowing = [
        (name, node.lineno)
        for name in python_files()
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type) and not is_bare_raise(node.body[-1])
    ]

    assert [place for place in swallowing if "#" not in text_of(place[0]).splitlines()[place[1] - 1]] == []


def test_a_package_file_holds_no_logic() -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)

    assert [
        f"{name}:{node.lineno}"
        for name in python_files()
        if name.endswith("__init__.py")
        for node in ast.parse(text_of(name)).body
        if not isinstance(node, allowed)
    ] == []


def test_every_change_fragment_is_named_and_written_for_users() -> None:
    wrong: list[str] = []
    for name in tracked():
        path = Path(name)
        if path.parent.as_posix() != "changes" or path.name == "README.md":
            continue
        text = text_of(name).strip()
        is_sentence = text[:1].isupper() and text.endswith(".") and len(text) <= MAX_FRAGMENT_CHARACTERS
        if not (FRAGMENT_NAME.fullmatch(path.name) and is_sentence and "\n\n" not in text):
            wrong.append(name)

    assert wrong == []


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")

    documents = [path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md"]
    assert [name for name in documents if f"({name})" not in index] == []


def test_the_fixtures_are_those_of_the_index() -> None:
    index = {line[66:]: line[:64] for line in (FIXTURES / "SHA256SUMS").read_text().splitlines()}
    there = {
        path.relative_to(FIXTURES).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("captures", "vendors", "wire")
        for path in (FIXTURES / folder).rglob("*")
        if path.is_file()
    }

    assert there == index


def test_every_direct_dependency_is_locked_with_hashes() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    wanted = {"base": project["dependencies"], **project["optional-dependencies"]}

    for name, requirements in wanted.items():
        locked = text_of(f"requirements/{name}.txt")
        pins = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
        assert {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in requirements} <= pins, name
        assert locked.count("==") <= locked.count("--hash=sha256:")


def test_the_lock_files_record_no_address() -> None:
    locks = tuple(name for name in tracked() if name.startswith("requirements/"))

    assert [where for where, line in lines(locks) if re.search(r"://|--(extra-)?index-url|--find-links", line)] == []


def test_at_most_fourteen_packages_are_needed_to_run() -> None:
    assert len(tomllib.loads(text_of("pyproject.toml"))["project"]["dependencies"]) <= 14


def test_every_ignored_rule_has_its_reason_beside_it() -> None:
    section = text_of("pyproject.toml").split("[tool.ruff.lint]", 1)[1].split("\n[", 1)[0]
    rules = [line for line in section.splitlines() if re.match(r'\s+"[A-Z]', line)]

    assert [rule for rule in rules if "#" not in rule and '"TC003"' not in rule] == []


@pytest.mark.parametrize("name", documents())
def test_every_link_of_a_document_leads_somewhere(name: str) -> None:
    base = (ROOT / name).parent

    assert [link for link in LINK.findall(text_of(name)) if not (base / link).exists()] == []


@pytest.mark.parametrize("name", documents())
def test_every_make_command_of_a_document_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", text_of("Makefile"), re.MULTILINE))
    code = " ".join(re.findall(r"`[^`]+`|^    .*$|```.*?```", text_of(name), re.MULTILINE | re.DOTALL))

    assert {match["target"] for match in MAKE_COMMAND.finditer(code)} <= targets
