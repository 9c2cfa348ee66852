"""Take the picture of the report in docs: `python -m examples.screenshot PAGE PICTURE`.

Needs the extra `dev` and Chromium.
"""

import argparse
from pathlib import Path

from tests.browser import chromium, opened


def main() -> None:
    """Take the top of a report as a picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    with chromium() as browser, opened(browser, args.page.resolve()) as tab:
        tab.page.screenshot(path=args.picture)


if __name__ == "__main__":
    main()
