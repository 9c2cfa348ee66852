"""The pages in a real browser: with and without scripts, by keyboard, small and in the dark."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from reelshelf.schemas.keys import file_sha256, poster_name
from tests.support.browser import NoBrowser, Opened, chromium, opened
from tests.support.commands import EXAMPLE_SHOP
from tests.support.service import Served, serving

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("review") / "decisions.csv"


@pytest.fixture(scope="module")
def service(example_store: Path, decisions: Path) -> Iterator[Served]:
    posters = decisions.with_name("posters")
    posters.mkdir()
    for video in (EXAMPLE_SHOP / "videos").iterdir():
        Image.new("RGB", (9, 16), "teal").save(posters / poster_name(file_sha256(video)))
    settings = decisions.with_name("searcher.toml")
    settings.write_text(
        f"""
        [server]
        deadline_ms = 60000
        wait_ms = 60000
        workers = 1
        [log]
        events = "{decisions.parent}/events"
        [media]
        posters = "{posters}"
        [review]
        file = "{decisions}"
        [[keys]]
        name = "anna"
        sha256 = "{hashlib.sha256(b"secret").hexdigest()}"
        scopes = ["review"]
        """
    )
    with serving(example_store, settings, "--pictures", str(EXAMPLE_SHOP / "catalog")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as found:
            yield found
    except NoBrowser as error:
        pytest.skip(str(error))


def tab(
    browser: Browser, service: Served, path: str, **more: Any
) -> AbstractContextManager[Opened]:
    """A page of the service in a tab of its own."""
    return opened(browser, Path(), url=service.base + path, **more)


def problems(found: Opened) -> list[str]:
    """What a page complained of; videos that a headless browser has no codec for are none."""
    return [line for line in found.problems if "ERR_" not in line]


WIDE = [
    *("/", "/?q=red+apple", "/?q=red+appl", "/?q=lawn+mower"),
    "/?q=shoes+under+100&filter=brand%3DCasa+Lume",
    *("/videos/clip-02?t=4.5", "/products/FO-7290", "/products/nothing", "/review"),
]
SMALL = ["/", "/?q=red+apple", "/videos/clip-02?t=4.5", "/products/FO-7290"]


@pytest.mark.parametrize(
    ("path", "width", "scheme"),
    [*((path, 1280, "light") for path in WIDE), *((path, 360, "dark") for path in SMALL)],
)
def test_no_page_breaks_what_people_need(
    browser: Browser, service: Served, path: str, width: int, scheme: str
) -> None:
    with tab(browser, service, path, width=width, scheme=scheme) as found:
        found.page.wait_for_load_state("load")
        result = Axe().run(found.page)
        assert result.violations_count == 0, result.generate_report()
        # Nothing is wider than the screen, and nothing came from elsewhere.
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        assert all(one.startswith((service.base, "data:", "blob:")) for one in found.requests)


def test_a_search_works_without_scripts(browser: Browser, service: Served) -> None:
    with tab(browser, service, "/", scripts=False) as found:
        page = found.page
        page.get_by_label("Search videos and products").fill("red apple")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator(".card").first).to_contain_text("Apple")
        page.locator(".facets a", has_text="Food").first.click()
        expect(page.locator(".chip")).to_contain_text("category: Food")
        page.locator(".card .why summary").first.click()
        expect(page.locator(".card .why").first).to_contain_text("a product in it: +")
        page.locator(".card .open").first.click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.goto(service.base)
        page.get_by_label("Search by picture").set_input_files(
            sorted((EXAMPLE_SHOP / "query_images").iterdir())[0]
        )
        page.get_by_role("button", name="Send picture").click()
        expect(page.locator(".card").first).to_be_visible()


def test_suggestions_are_chosen_by_keyboard(browser: Browser, service: Served) -> None:
    with tab(browser, service, "/") as found:
        page, box = found.page, found.page.get_by_role("combobox")
        box.press_sequentially("sho")
        option = page.get_by_role("option").first
        expect(option).to_contain_text("Shoes")
        expect(box).to_have_attribute("aria-expanded", "true")
        box.press("ArrowDown")
        expect(option).to_have_attribute("aria-selected", "true")
        assert box.get_attribute("aria-activedescendant") == option.get_attribute("id")
        box.press("Escape")
        expect(box).to_have_attribute("aria-expanded", "false")
        box.press("ArrowDown")
        expect(option).to_be_visible()
        box.press("ArrowDown")
        box.press("Enter")
        page.wait_for_url("**/?q=Shoes")
        expect(page.locator(".card").first).to_be_visible()
        assert not problems(found)


def test_what_was_understood_can_be_taken_back(browser: Browser, service: Served) -> None:
    with tab(browser, service, "/?q=red+appel") as found:
        page = found.page
        expect(page.locator(".chip").first).to_contain_text("apple")
        page.get_by_role("link", name="Search for appel as it was typed").click()
        page.wait_for_url("**correct=false**")
        expect(page.locator(".chip")).to_have_count(0)
    with tab(browser, service, "/?q=shoes+under+100&filter=brand%3DCasa+Lume") as found:
        page = found.page
        page.get_by_role("link", name="Remove the filter brand=Casa Lume").click()
        expect(page.locator(".chip")).to_contain_text("up to 100")
        page.get_by_role("link", name="Search at any price").click()
        expect(page.locator(".chip")).to_have_count(0)


def test_texts_of_strangers_are_texts(browser: Browser, service: Served) -> None:
    attack = "%3Cscript%3Ealert(1)%3C/script%3E%22%3E%3Cimg src=x onerror=alert(1)%3E"
    for path in (f"/?q={attack}", f"/?q=apple&filter=brand%3D{attack}", f"/videos/{attack}"):
        with tab(browser, service, path) as found:
            assert not [line for line in found.problems if "dialog" in line]
            assert found.page.locator("img[src=x]").count() == 0


def test_a_click_is_an_event(browser: Browser, service: Served, decisions: Path) -> None:
    with tab(browser, service, "/?q=red+apple") as found:
        found.page.locator(".card .open").first.click()
        found.page.wait_for_load_state("load")
        until = time.monotonic() + 30
        while time.monotonic() < until:
            kept = "".join(
                one.read_text() for one in (decisions.parent / "events").glob("events-*.jsonl")
            )
            if "click_through" in kept:
                break
            time.sleep(0.1)
        assert '"object_id": "clip-' in kept


def test_a_video_that_cannot_be_read_shows_its_poster(browser: Browser, service: Served) -> None:
    with tab(browser, service, "/?q=red+apple") as found:
        page = found.page
        page.route("**/media/*", lambda route: route.abort())
        page.reload()
        shown = re.compile("^/posters/clip-")
        expect(page.locator(".card video").first).to_have_attribute("poster", shown)
        page.goto(f"{service.base}/videos/clip-02")
        expect(page.locator("#player")).to_have_attribute("poster", shown)


def signed_in(page: Page) -> None:
    page.get_by_label("API key").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#title")).not_to_be_empty()


def test_links_are_reviewed_by_keyboard(browser: Browser, service: Served, decisions: Path) -> None:
    with tab(browser, service, "/review") as found:
        page = found.page
        page.get_by_label("API key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not known")
        signed_in(page)
        result = Axe().run(page)
        assert result.violations_count == 0, result.generate_report()
        seen = []
        for key in "rwans":
            seen.append((page.locator("#title").inner_text(), page.locator("#why").inner_text()))
            left = page.locator("#left").inner_text()
            page.keyboard.press(key)
            expect(page.locator("#left")).not_to_have_text(left)
        assert len(set(seen)) == 5
        page.keyboard.press("u")
        expect(page.locator("#why")).to_have_text(seen[-1][1])
        rows = decisions.read_text().splitlines()[1:]
        assert [row.rpartition(": ")[2] for row in rows] == ["right", "wrong", "always", "never"]
        assert all(",anna," in row for row in rows)
        # Browsers tell of pages that ask to sign in.
        assert not [line for line in problems(found) if "401" not in line]
