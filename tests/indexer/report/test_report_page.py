"""The report in a real browser: it is there, it draws, it filters, it asks nobody for anything."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from benchmarks import builds
from reelshelf.indexer.report.build import Given, build_report
from reelshelf.indexer.report.facts import Listing, ReportFacts, UncoveredProduct
from reelshelf.indexer.report.page import report_page
from reelshelf.indexer.sources.overrides import read_overrides_file
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.schemas.config import ReportConfig
from tests.support.browser import NoBrowser, chromium, opened
from tests.support.commands import EXAMPLE_SHOP, reelshelf
from tests.support.shops import Shop, make_shop, product_row, small_config

pytestmark = pytest.mark.integration

SECTIONS = ("top", "index", "coverage", "demand", "links", "search", "run", "trend")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}${7*7}\u202e'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        with chromium() as found:
            yield found
    except NoBrowser as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def example(example_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the example shop, with all that can be given to it."""
    out = tmp_path_factory.mktemp("report")
    reelshelf(
        "report",
        *("--store", str(example_store), "--out", str(out)),
        *("--judged", str(EXAMPLE_SHOP / "queries.jsonl")),
        *("--labels", str(EXAMPLE_SHOP / "labels.jsonl")),
        *("--query-log", str(EXAMPLE_SHOP / "query_log.jsonl")),
    )
    return out / "report.html"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with indexes and two releases, whose merchants are hostile."""
    root = tmp_path_factory.mktemp("hostile")
    shop = make_shop(root / "shop")
    hostile_shop(shop)
    settings = small_config(
        index={"kind": "ivf_pq", "flat_below": 0, "partitions": 4, "recall_target": 0.5},
        gate={"min_recall": 0.1, "max_failure_rate": 0.9},
    )
    shop.ingest(settings, builds.load, builds.decode)
    shop.set_products([*hostile_products()[:-1], {"sku": "NEW" + EVIL, "title": EVIL}])
    shop.ingest(settings, builds.load, builds.decode)
    out = root / "out"
    assert main(["report", "--store", shop.request.store, "--out", str(out)]) == 0
    return out / "report.html"


def hostile_products() -> list[dict[str, object]]:
    rows = [product_row(name) for name in ("red", "green", "blue")]
    for row in rows:
        row |= {"title": f"{row['title']} {EVIL}", "category": [EVIL], "merchant_id": EVIL}
    return [*rows, {"sku": EVIL, "title": EVIL, "category": [EVIL], "merchant_id": EVIL}]


def hostile_shop(shop: Shop) -> None:
    """Enough moments to train on, under names that would like to be code."""
    shop.set_products(hostile_products())
    rows: list[dict[str, object]] = []
    for number in range(40):
        (shop.root / "videos" / f"v{number}.mp4").write_text(str(number))
        name = f"{number}{EVIL}"
        rows.append({"video_id": name, "file": f"videos/v{number}.mp4", "title": EVIL})
    (shop.root / "videos" / "broken.mp4").write_text("broken")
    rows[0]["merchant_skus"] = [EVIL, "</script>"]
    rows += [{"video_id": "broken" + EVIL, "file": "videos/broken.mp4"}, {"video_id": EVIL}]
    shop.set_videos(rows)


@pytest.mark.slow
def test_every_section_is_there_and_nothing_leaves_the_machine(
    browser: Browser, example: Path
) -> None:
    with opened(browser, example) as tab:
        for name in SECTIONS:
            assert tab.page.locator(f"#{name} h2").is_visible()
        tab.page.mouse.wheel(0, 40_000)
        tab.page.wait_for_load_state("networkidle")
        assert all(url.startswith(("file:", "data:")) for url in tab.requests), tab.requests
        assert tab.problems == []
        assert tab.shifted < 0.01


def test_charts_draw_their_marks(browser: Browser, example: Path) -> None:
    facts = json.loads(example.with_suffix(".json").read_text())
    with opened(browser, example) as tab:
        figures = tab.page.locator("figure svg")
        assert figures.count() >= 6
        for i in range(figures.count()):
            box = figures.nth(i).bounding_box()
            assert box is not None
            assert box["width"] > 200
            assert box["height"] > 60
        bars = tab.page.locator("#scores svg [aria-roledescription=bar]")
        assert bars.count() == len(facts["links"]["scores"])
        drawn = sum(bars.nth(i).bounding_box()["height"] > 1 for i in range(bars.count()))  # type: ignore[index]
        assert drawn == sum(b["count"] > 0 for b in facts["links"]["scores"])
        first = tab.page.locator("#by-category svg [aria-roledescription=bar]").first
        assert "product" in (first.get_attribute("aria-label") or "")
        first.hover()
        assert tab.page.locator("#tip").inner_text() == first.get_attribute("aria-label")
        assert tab.problems == []


def test_tables_filter_sort_and_page(browser: Browser, example: Path) -> None:
    facts = json.loads(example.with_suffix(".json").read_text())
    bare = facts["coverage"]["without_video"]["rows"]
    with opened(browser, example) as tab:
        box = tab.page.locator("#without-video")
        shown = box.locator("tbody tr:visible")
        assert shown.count() == min(25, len(bare))
        box.locator("select").first.select_option("Bags")
        assert shown.count() == sum(row["category"] == "Bags" for row in bare)
        box.locator("select").first.select_option("")
        box.locator("input").fill("handbag")
        assert [row.split("\t")[0] for row in shown.all_inner_texts()] == ["BA-5239"]
        box.locator("input").fill("")
        searches = tab.page.locator("#unanswered")
        searches.get_by_role("button", name="searches").click()
        counts = [int(t) for t in searches.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert counts == sorted(counts)
        searches.get_by_role("button", name="searches").click()
        counts = [int(t) for t in searches.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert counts == sorted(counts, reverse=True)
        assert searches.locator("th[aria-sort=descending]").count() == 1
        assert tab.problems == []


def test_sampled_links_filter_and_play(browser: Browser, example: Path) -> None:
    with opened(browser, example) as tab:
        cards = tab.page.locator(".link:visible")
        everything = cards.count()
        assert everything == tab.page.locator(".link").count()
        strength = tab.page.locator(".sheet select").first
        strength.select_option("strong")
        strong = cards.count()
        assert 0 < strong < everything
        strength.select_option("weak")
        assert cards.count() == everything - strong
        strength.select_option("strong")
        video = cards.first.locator("video")
        assert video.get_attribute("src").startswith("file:///")  # type: ignore[union-attr]
        begun = video.evaluate(
            "async (v) => { v.muted = true; await v.play(); v.pause(); return v.currentTime; }"
        )
        start = float(video.get_attribute("src").partition("#t=")[2].split(",")[0])  # type: ignore[union-attr]
        assert begun >= start - 0.1
        assert tab.problems == []


def test_what_is_judged_on_the_sheet_is_saved_as_rows_to_import(
    browser: Browser, example: Path, tmp_path: Path
) -> None:
    with opened(browser, example) as tab:
        cards = tab.page.locator(".link")
        first = cards.first
        first.locator(".judge select").select_option("never")
        with tab.page.expect_download() as saving:
            tab.page.get_by_role("button", name="Save corrections").click()
        file = tmp_path / saving.value.suggested_filename
        saving.value.save_as(file)
        words, blank = read_overrides_file(file, "example")
        assert blank == cards.count() - 1
        assert [(word.video_id, word.sku, word.verdict.value) for word in words] == [
            (first.get_attribute("data-video"), first.get_attribute("data-sku"), "never")
        ]
        assert tab.problems == []


def test_over_a_network_there_are_stills_in_place_of_videos(
    browser: Browser, example: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(example.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/report.html"
        with opened(browser, example, url=url) as tab:
            assert tab.page.locator("video").count() == 0
            assert tab.page.locator(".link img").count() > 5
            asked = [u for u in tab.requests if not u.startswith("data:")]
            assert asked == [url]
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["example", "indexed"])
def test_nobody_is_kept_out(
    browser: Browser, which: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    with opened(browser, request.getfixturevalue(which), scheme=scheme) as tab:
        for details in tab.page.locator("details").all():
            details.evaluate("d => { d.open = true; }")
        found = Axe().run(tab.page)
        assert len(found.response["passes"]) > 20
        wrong = [
            (v["id"], [n["target"] for n in v["nodes"]][:3]) for v in found.response["violations"]
        ]
        assert wrong == []


def test_the_keyboard_reaches_everything(browser: Browser, example: Path) -> None:
    with opened(browser, example) as tab:
        tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.className") == "skip"
        tab.page.keyboard.press("Enter")
        assert tab.page.url.endswith("#top")
        button = tab.page.locator("#categories th button").first
        button.focus()
        tab.page.keyboard.press("Enter")
        assert tab.page.locator("#categories th[aria-sort=ascending]").count() == 1


def test_a_phone_and_paper_show_it_whole(browser: Browser, example: Path, tmp_path: Path) -> None:
    with opened(browser, example, width=360) as tab:
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
        assert tab.shifted < 0.01
        tab.page.emulate_media(media="print")
        assert not tab.page.locator("nav").is_visible()
        assert tab.page.locator("figure svg").first.is_visible()
        assert len(tab.page.pdf(path=str(tmp_path / "r.pdf"))) > 10_000


def test_titles_of_strangers_run_no_script(browser: Browser, indexed: Path) -> None:
    with opened(browser, indexed) as tab:
        assert tab.problems == []
        assert tab.page.locator("script").count() == 1
        assert tab.page.locator("img[onerror], [onclick], [onload]").count() == 0
        text = tab.page.locator("body").inner_text()
        assert "<script>alert(1)</script>" in text
        assert "{{7*7}}" in text
        assert "\u202e" not in text
        assert all(url.startswith(("file:", "data:")) for url in tab.requests)
    raw = indexed.read_text()
    assert raw.count("<script") == 1
    assert "<img src=x" not in raw


def test_indexes_show_curve_partitions_and_drift(browser: Browser, indexed: Path) -> None:
    facts = json.loads(indexed.with_suffix(".json").read_text())
    built = [c for c in facts["columns"] if c["partitions"]]
    assert built
    with opened(browser, indexed) as tab:
        for place, column in enumerate(built, start=1):
            points = tab.page.locator(f"#curve-{place} svg [aria-roledescription=point]")
            assert points.count() == len(column["index"]["curve"])
            assert tab.page.locator(f"#partitions-{place} svg").is_visible()
        assert tab.page.locator("#drift tbody tr").count() == 5 * len(built)
        assert tab.page.locator("#trend-videos svg [aria-roledescription=point]").count() == 2
        ids = tab.page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))


def plain_facts(shop: Shop) -> ReportFacts:
    store = Store.open(shop.request.store)
    return build_report(store, require_served(store), Given(), ReportConfig(), {}, now())


def with_bare_products(facts: ReportFacts, count: int) -> ReportFacts:
    products = [UncoveredProduct(f"S-{i}", f"Title {i}", "C", "M", now()) for i in range(count)]
    supply = replace(facts.coverage, without_video=Listing.of(products))
    return replace(facts, coverage=supply)


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 26, 100_000])
def test_any_number_of_rows_moves_nothing(browser: Browser, tmp_path: Path, count: int) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    page = tmp_path / "report.html"
    page.write_text(report_page(with_bare_products(plain_facts(shop), count), {}))
    assert page.stat().st_size < 5_000_000
    with opened(browser, page) as tab:
        box = tab.page.locator("#without-video")
        assert box.locator("tbody tr:visible").count() == min(count, 25)
        if count > 25:
            box.get_by_role("button", name="On").click()
            listed = min(count, 200)
            last = min(50, listed)
            assert box.get_by_role("status").inner_text() == f"26 to {last} of {listed}"
            assert box.locator("tbody tr:visible").count() == last - 25
        if count > 200:
            assert "The first 200 of 100,000 are listed." in box.inner_text()
        assert tab.shifted < 0.01
        assert tab.problems == []


def test_without_scripts_all_rows_show(browser: Browser, tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    page = tmp_path / "report.html"
    page.write_text(report_page(with_bare_products(plain_facts(shop), 60), {}))
    with opened(browser, page, scripts=False) as tab:
        assert tab.page.locator("#without-video tbody tr:visible").count() == 60
        assert not tab.page.locator("#without-video input").is_visible()
        assert not tab.page.locator("#without-video .pager").is_visible()


@pytest.mark.slow
def test_two_releases_side_by_side_open_too(browser: Browser, tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    shop.set_products([product_row("red"), product_row("blue"), {"sku": "X", "title": EVIL}])
    shop.ingest()
    names = [row["release_id"] for row in reelshelf("releases", "--store", shop.request.store)]
    out = tmp_path / "out"
    assert (
        main(["report", "--store", shop.request.store, "--out", str(out), "--compare", *names]) == 0
    )
    with opened(browser, out / "compare.html") as tab:
        assert tab.page.locator("h1").inner_text() == " and ".join(names)
        box = tab.page.locator("#compared")
        box.locator("select").first.select_option("worse")
        verdicts = box.locator("tbody tr:visible td:nth-child(5)").all_inner_texts()
        assert set(verdicts) == {"worse"}
        assert tab.problems == []
        assert Axe().run(tab.page).violations_count == 0
