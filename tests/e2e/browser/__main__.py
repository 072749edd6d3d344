"""`python -m tests.e2e.browser`: writes the pictures of the dashboard for the documents.

Each is a PNG of the whole page over the scripted hour, wide and narrow, light and dark."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.browser.boards import open_scripted
from tests.e2e.browser.chromium import CHROMIUM, SIZES, THEMES, open_browser, open_page
from tests.e2e.browser.png import smaller
from tests.e2e.browser.served import held

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


def main() -> int:
    """Write the pictures; 1 where there is no browser."""
    if not CHROMIUM:
        print("There is no Chromium on this machine.", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with held(open_scripted) as board, open_browser() as browser:
        easel = browser.new_page()
        for theme in THEMES:
            for width, size in SIZES.items():
                path = PICTURES / f"dashboard-{width}-{theme}.png"
                with open_page(browser, f"{board.value.address.url}/dashboard", size=size, theme=theme) as page:
                    page.wait_for_selector("#events-rows li")
                    picture = page.screenshot(full_page=True)
                path.write_bytes(smaller(easel, picture))
                print(f"{path.relative_to(PICTURES.parents[1])}: {path.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
