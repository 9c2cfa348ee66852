"""A real browser, where one is installed: headless Chromium driven by Playwright.

Playwright's own browsers are downloads; this takes the distribution's.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium looks for updates and for its maker's hosts by itself; what is left is the page's doing.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
# Kept before any script of the page runs: how much of what was visible has moved.
_WATCH_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""


def chromium_path() -> str | None:
    """Where Chromium is; None where it is not installed."""
    named = os.environ.get("REELSHELF_CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it. Raises NoBrowser where it is not installed."""
    path = chromium_path()
    if path is None:
        raise NoBrowser(
            "Chromium is not installed: apt-get install chromium, or REELSHELF_CHROMIUM"
        )
    flags = [*_QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page with what it complained of and what it asked for."""

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def shifted(self) -> float:
        """Cumulative layout shift so far."""
        return float(self.page.evaluate("window.shifted"))


@contextmanager
def opened(
    browser: Browser,
    file: Path,
    *,
    width: int = 1280,
    scheme: str = "light",
    url: str | None = None,
    scripts: bool = True,
) -> Iterator[Opened]:
    """Open a file in a tab of its own, by its file: URL unless another is given."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
    )
    page = context.new_page()
    found = Opened(page)
    page.add_init_script(_WATCH_SHIFTS)
    page.on("console", lambda message: found.problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.problems.append(f"error: {error}"))
    page.on("dialog", lambda dialog: found.problems.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(url or file.as_uri())
    yield found
    context.close()
