"""The rows of docs/vendors.md, made from router/data/vendors.toml.

python -m tests.router.config.vendor_pages    writes them into the document"""

from __future__ import annotations

import tomlkit

from router.config.vendor_table import Fact, Vendor, read_vendors
from tests.router.config.default_file import ROOT

DOCUMENT = ROOT / "docs" / "vendors.md"
BEGIN, END = "<!-- vendors: begin -->\n", "<!-- vendors: end -->"


def vendor_pages() -> str:
    """Return one section per vendor, in the order of the table."""
    return "\n".join(map(_section, read_vendors().values()))


def written_pages() -> str:
    """Return what stands between the marks of the document."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def _section(vendor: Vendor) -> str:
    rows = "\n".join(map(_row, vendor.facts))
    head = "| about | what | sets | from |\n|---|---|---|---|"
    return f"### {vendor.title}\n\n{_reached(vendor)}\n\n{_defaults(vendor)}\n\n{head}\n{rows}\n"


def _reached(vendor: Vendor) -> str:
    hosts = ", ".join(f"`{host}`" for host in vendor.hosts)
    where = f"By its host: {hosts}, or" if vendor.hosts else "Only"
    ports = f" It usually listens on port {', '.join(map(str, vendor.ports))}." if vendor.ports else ""
    return f'{where} by `vendor = "{vendor.name}"`.{ports}'


def _defaults(vendor: Vendor) -> str:
    if not vendor.defaults:
        return "Nothing is changed."
    return f"```toml\n{tomlkit.dumps(_inline(vendor)).strip()}\n```"


def _inline(vendor: Vendor) -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    for key, value in vendor.defaults.items():
        if isinstance(value, dict):
            table = tomlkit.inline_table()
            table.update(value)
            document.append(key, table)
        else:
            document.append(key, tomlkit.item(value))
    return document


def _row(fact: Fact) -> str:
    sets = ", ".join(f"`{key}`" for key in fact.sets)
    source = "not found" if fact.url is None else f"[{fact.source}]({fact.url})"
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in (fact.about, fact.says, sets, source))} |"


def main() -> None:
    """Write the rows into the document."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}{vendor_pages()}{END}{after}")


if __name__ == "__main__":
    main()
