"""Lets MkDocs see the documents as a reader of the repository does: a hook of mkdocs.yml.

The pages are README.md, what is below docs/, and what these link to, each at its own path, so that no link has to be changed.
Their order is that of docs/index.md and docs/decisions/README.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
HOME, INDEX, DECISIONS = "README.md", "docs/index.md", "docs/decisions/README.md"
SCRIPTS_ELSEWHERE = "https://unpkg.com/"

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)(?P<path>[^)#\s]+)")
_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"\s*([-*+]|\d+\.)\s")
_HEADING_OF_TABLE = re.compile(r"\| (?P<title>for [a-z]+) \|")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation."""
    config.nav = navigation(ROOT)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Return the theme's files with the documents, in the place of those below docs_dir."""
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    ours = [File(name, str(ROOT), config.site_dir, config.use_directory_urls) for name in documents(ROOT)]
    return Files([*of_theme, *ours])


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return a page as MkDocs reads it as GitHub would."""
    return "\n".join(spaced(markdown.split("\n")))


def on_post_build(*, config: MkDocsConfig) -> None:
    """Take the other hosts out of the theme's scripts: a polyfill of old browsers, and a drawer of diagrams that no page has."""
    for script in (Path(config.site_dir) / "assets" / "javascripts").glob("*.js"):
        text = script.read_text(encoding="utf-8")
        if SCRIPTS_ELSEWHERE in text:
            script.write_text(text.replace(SCRIPTS_ELSEWHERE, "assets/none/"), encoding="utf-8")


def documents(root: Path) -> list[str]:
    """Return the paths of all files of the site: what is below docs/, README.md, and whatever file these link to."""
    found: dict[str, None] = {}
    ahead = [HOME, *sorted(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*") if path.is_file())]
    while ahead:
        name = ahead.pop(0)
        if name not in found:
            found[name] = None
            ahead += linked(root, name)
    return list(found)


def linked(root: Path, name: str) -> list[str]:
    """Return the files of the repository that a document links to, in its order."""
    if not name.endswith(".md"):
        return []
    text = (root / name).read_text(encoding="utf-8")
    targets = [(root / name).parent.joinpath(match["path"]).resolve() for match in _LINK.finditer(text)]
    return [path.relative_to(root.resolve()).as_posix() for path in targets if path.is_file()]


def navigation(root: Path) -> list[Any]:
    """Return the navigation, as `nav` of mkdocs.yml would have it."""
    nav: list[Any] = [HOME, {"Documents": INDEX}]
    for line in (root / INDEX).read_text(encoding="utf-8").split("\n"):
        if heading := _HEADING_OF_TABLE.match(line):
            nav.append({heading["title"].capitalize(): []})
        elif line.startswith("|"):
            section: list[Any] = next(iter(nav[-1].values()))
            section += [_entry(root, name) for name in _pages(_row(root, line)) if name != HOME]
    placed = set(_leaves(nav))
    rest = [name for name in documents(root) if name.endswith(".md") and name not in placed]
    return [*nav, {"More": rest}] if rest else nav


def spaced(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines with an empty one before each list or table that follows upon a text, as Python-Markdown wants it."""
    before, is_code = "", False
    for line in lines:
        is_code ^= _FENCE.match(line) is not None
        begins = (_ITEM.match(line) and not _ITEM.match(before)) or (line.startswith("|") and not before.startswith("|"))
        if begins and before.strip() and not is_code and not before.startswith(" "):
            yield ""
        yield line
        before = line


def _row(root: Path, line: str) -> list[str]:
    targets = [(root / INDEX).parent.joinpath(match["path"]).resolve() for match in _LINK.finditer(line)]
    return [path.relative_to(root.resolve()).as_posix() for path in targets]


def _entry(root: Path, name: str) -> str | dict[str, list[str]]:
    if name != DECISIONS:
        return name
    return {"Decisions": [name, *_pages(linked(root, name))]}


def _pages(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.endswith(".md")]


def _leaves(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, list):
        for entry in nav:
            yield from _leaves(entry)
    elif isinstance(nav, dict):
        for entry in nav.values():
            yield from _leaves(entry)
