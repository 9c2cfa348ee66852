"""Take the pictures in docs: `python -m examples.screenshot REPORT_PAGE FOLDER [--service URL]`.

Needs the extra `dev` and Chromium. The service is one that serves the example shop.
"""

import argparse
from pathlib import Path

from tests.support.browser import chromium, opened


def main() -> None:
    """The top of a report, its links, and the search page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--service", metavar="URL")
    args = parser.parse_args()
    with chromium() as browser, opened(browser, args.page.resolve()) as tab:
        tab.page.screenshot(path=args.folder / "report.png")
        tab.page.set_viewport_size({"width": 1280, "height": 1330})
        tab.page.evaluate("document.getElementById('links').scrollIntoView({behavior: 'instant'})")
        tab.page.screenshot(path=args.folder / "report-links.png")
        if args.service is not None:
            tab.page.set_viewport_size({"width": 1280, "height": 900})
            tab.page.goto(f"{args.service}/?q=red+apple", wait_until="networkidle")
            tab.page.screenshot(path=args.folder / "service.png")


if __name__ == "__main__":
    main()
