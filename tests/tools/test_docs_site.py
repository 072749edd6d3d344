"""The documents are a site: every page in its place, no link broken, no other host asked for anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trio
from attrs import define, field

from tests.tools.docs_site import DECISIONS, HOME, ROOT, documents, navigation, spaced

pytestmark = pytest.mark.slow

LIMIT_S = 60.0

_FETCHED_BY_CSS = re.compile(r"(?:url\(\s*|@import\s+)[\"']?(?:https?:)?//")
_CSS_LOADED_BY_TAG = {"stylesheet", "icon", "preload", "modulepreload", "preconnect", "dns-prefetch", "prefetch", "manifest"}


@define
class Fetched(HTMLParser):
    """The addresses of whatever a page fetches by itself."""

    addresses: list[str] = field(factory=list)
    places: set[str] = field(factory=set)

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in one tag."""
        values = {name: value or "" for name, value in attrs}
        self.addresses += [values[name] for name in ("src", "srcset", "poster", "data", "action") if name in values]
        if tag == "link" and not _CSS_LOADED_BY_TAG.isdisjoint(values.get("rel", "").split()):
            self.addresses.append(values.get("href", ""))


def build(root: Path, site: Path) -> tuple[int, str]:
    """Build the site of a tree without a way to other hosts; return the exit code and what was printed."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(site.parent), "NO_MKDOCS_2_WARNING": "1"}
    environ |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")

    async def run() -> subprocess.CompletedProcess[bytes]:
        argv = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
        with trio.fail_after(LIMIT_S):
            return await trio.run_process(argv, cwd=root, env=environ, capture_stdout=True, stderr=subprocess.STDOUT, check=False)

    done = trio.run(run)
    return done.returncode, done.stdout.decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("docs") / "site"
    code, printed = build(ROOT, place)
    assert code == 0, printed
    return place


def test_every_document_is_a_page_or_a_file_at_its_own_path(site: Path) -> None:
    def place(name: str) -> Path:
        path = site / name
        if path.suffix != ".md":
            return path
        return path.with_name("index.html") if path.name == HOME else path.with_suffix(".html")

    names = documents(ROOT)

    assert {"docs/healing.md", "ARCHITECTURE.md", "conf/router.toml", DECISIONS} <= set(names)
    assert [name for name in names if not place(name).is_file()] == []


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    found = {}
    for page in site.rglob("*.html"):
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        assert fetched.addresses
        found[page.name] = [address for address in fetched.addresses if re.match(r"(https?:)?//", address)]

    assert {name: addresses for name, addresses in found.items() if addresses} == {}


def test_neither_does_a_style_or_a_script(site: Path) -> None:
    styles, scripts = [*site.rglob("*.css")], [*site.rglob("*.js")]

    assert styles
    assert scripts
    assert [path.name for path in styles if _FETCHED_BY_CSS.search(path.read_text(encoding="utf-8"))] == []
    assert [path.name for path in scripts if re.search(r"https?://[^\"' ]*\.js\b|unpkg|jsdelivr", _code(path))] == []


def _code(script: Path) -> str:
    """Return a script without its comments, which name where it comes from."""
    return re.sub(r"/\*.*?\*/", "", script.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_order_is_that_of_the_index() -> None:
    home, index, users, maintainers, *_more = navigation(ROOT)

    assert (home, index) == (HOME, {"Documents": "docs/index.md"})
    assert users["For users"][:2] == ["docs/clients.md", "docs/configuration.md"]
    assert maintainers["For maintainers"][:2] == ["ARCHITECTURE.md", "CONTRIBUTING.md"]
    (decisions,) = (entry["Decisions"] for entry in maintainers["For maintainers"] if isinstance(entry, dict))
    assert decisions[:2] == [DECISIONS, "docs/decisions/000-founding-decisions.md"]


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](healing.md#no-such-part)", "![x](pictures/none.png)"])
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, link: str) -> None:
    for name in (*documents(ROOT), "mkdocs.yml", "tests/tools/docs_site.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "docs" / "tracing.md").open("a") as page:
        page.write(f"\n{link}\n")

    code, printed = build(tmp_path, tmp_path / "site")

    assert code != 0
    assert "docs/tracing.md" in printed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("words\n- item\n- item", "words\n\n- item\n- item"),
        ("words\n1. item", "words\n\n1. item"),
        ("<!-- keys -->\n| a |\n|---|\n| b |", "<!-- keys -->\n\n| a |\n|---|\n| b |"),
        ("- item\n  of two lines\n- item", "- item\n  of two lines\n- item"),
        ("words\n\n- item", "words\n\n- item"),
        ("```\nwords\n- no item\n```", "```\nwords\n- no item\n```"),
    ],
)
def test_lists_and_tables_begin_where_github_begins_them(text: str, wanted: str) -> None:
    assert "\n".join(spaced(text.split("\n"))) == wanted
