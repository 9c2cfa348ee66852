"""Take the pictures of the report in docs: `python -m examples.screenshot PAGE FOLDER`.

Needs the extra `dev` and Chromium.
"""

import argparse
from pathlib import Path

from tests.support.browser import chromium, opened


def main() -> None:
    """The top of a report, and its links."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    with chromium() as browser, opened(browser, args.page.resolve()) as tab:
        tab.page.screenshot(path=args.folder / "report.png")
        tab.page.set_viewport_size({"width": 1280, "height": 1330})
        tab.page.evaluate("document.getElementById('links').scrollIntoView({behavior: 'instant'})")
        tab.page.screenshot(path=args.folder / "report-links.png")


if __name__ == "__main__":
    main()
