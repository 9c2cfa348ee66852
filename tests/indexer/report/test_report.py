"""Facts of a report, from real runs of tiny shops with fake models."""

import dataclasses
import datetime as dt
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.indexer.report.build import Given, build_report
from reelshelf.indexer.report.changes import changes
from reelshelf.indexer.report.columns import recall_bounds, wilson
from reelshelf.indexer.report.demand import NOT_SOLD, Log, demand
from reelshelf.indexer.report.facts import Covered, Listing, ReportFacts, UncoveredProduct
from reelshelf.indexer.report.figures import FIGURES, Condition, conditions_met
from reelshelf.indexer.report.headline import in_order, missed, night_in_words
from reelshelf.indexer.report.link_section import Labels
from reelshelf.indexer.report.page import report_page
from reelshelf.indexer.report.pictures import link_pictures
from reelshelf.indexer.report.run_section import ADVICE
from reelshelf.indexer.search.searcher import Wanted
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.queries import LoggedQuery, QueryLog
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.releases import list_releases, require_served, rollback
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.config import Config, ReportConfig, StorageConfig, parse_config
from reelshelf.schemas.errors import ConfigError, FailureKind, GateRefused
from reelshelf.schemas.run import Ending
from tests.support.fakes import load_fakes
from tests.support.shops import Shop, product_row, small_config
from tests.support.watched import WIDE, Watched, WideImages

NOW = dt.datetime(2026, 11, 25, 6, tzinfo=dt.UTC)


def facts_of(
    shop: Shop,
    given: Given | None = None,
    at: dt.datetime | None = None,
    config: ReportConfig | None = None,
) -> ReportFacts:
    store = Store.open(shop.request.store)
    moment = at or dt.datetime.now(dt.UTC)
    return build_report(
        store, require_served(store), given or Given(), config or ReportConfig(), {}, moment
    )


def test_a_first_release_is_told_from_a_change(shop: Shop) -> None:
    shop.ingest()
    facts = facts_of(shop)
    assert facts.headline.serving
    assert facts.headline.before_id is None
    assert facts.before is None
    assert facts.headline.night is not None
    assert facts.headline.night.ending is Ending.PUBLISHED
    assert facts.figures["videos"] == 3
    assert facts.figures["published"] == 1
    assert [point.figures["videos"] for point in facts.trend] == [3]
    assert all(check.passed for check in facts.gate)


def test_what_changed_is_said_in_words(shop: Shop) -> None:
    shop.ingest()
    shop.set_products([product_row("red"), product_row("green")])
    rows = [{"video_id": name, "file": f"videos/{name}.mp4"} for name in "ac"]
    shop.set_videos(rows)
    shop.ingest(small_config(linking={"link_above": 0.4}))
    facts = facts_of(shop)
    assert "0 videos came, 1 went." in facts.headline.changes
    assert "0 products came, 1 went." in facts.headline.changes
    assert any("linking.link_above" in line for line in facts.headline.changes)
    assert facts.before is not None
    assert (facts.before["videos"], facts.figures["videos"]) == (3, 2)
    store = Store.open(shop.request.store)
    old, new = list_releases(store)
    found = changes(ReleaseSnapshot.of(store, old), ReleaseSnapshot.of(store, new))
    assert found.videos.went.rows == ("b",)
    assert found.products.went.rows == ("SKU-blue",)
    assert "b" in {pair.video_id for pair in found.links_lost.rows}
    assert not changes(ReleaseSnapshot.of(store, new), ReleaseSnapshot.of(store, new)).settings


def test_a_refused_night_says_which_condition_and_by_how_much(shop: Shop) -> None:
    shop.ingest()
    shop.set_products([{**product_row("red"), "title": "Ruby Pot"}, product_row("green")])
    with pytest.raises(GateRefused):
        shop.ingest(small_config(gate={"min_products": 9}))
    facts = facts_of(shop)
    night = facts.headline.night
    assert night is not None
    assert night.ending is Ending.GATE_REFUSED
    (check,) = night.refused_by
    assert (check.name, check.wanted, check.found, check.missed_by) == ("products", ">= 9", "2", 7)
    assert missed(check) == "products: wanted >= 9, found 2, missed by 7"
    assert any("products: wanted >= 9" in line for line in facts.headline.alerts)
    assert facts.figures["published"] == 0
    assert facts.figures["products"] == 3  # the release that stays


def test_a_source_that_has_shrunk_says_by_how_much(shop: Shop) -> None:
    shop.ingest()
    shop.set_videos([{"video_id": "b", "file": "videos/b.mp4"}])
    with pytest.raises(GateRefused):
        shop.ingest()
    night = facts_of(shop).headline.night
    assert night is not None
    (check,) = night.refused_by
    assert check.name == "share of videos that left the source"
    assert check.missed_by == pytest.approx(2 / 3 - 0.5)


def test_a_night_that_did_not_take_place_is_missed(shop: Shop) -> None:
    shop.ingest()
    fresh, later = facts_of(shop), dt.datetime.now(dt.UTC) + dt.timedelta(hours=50)
    assert in_order(fresh.headline)
    assert not any("ago" in line for line in fresh.headline.alerts)
    missing = facts_of(shop, at=later)
    # The shop may have been indexed some minutes before: its store is made once and copied.
    assert any(re.search(r"began 50\.\d h ago", line) for line in missing.headline.alerts)
    assert not in_order(missing.headline)
    assert re.search(r"50\.\d h ago", night_in_words(missing.headline))


def test_a_run_that_was_killed_is_seen_by_its_lease(shop: Shop) -> None:
    shop.ingest()
    with Lease.take(Store.open(shop.request.store), "some-run", 60):
        assert any("A run holds the store" in line for line in facts_of(shop).headline.alerts)
    assert not any("holds the store" in line for line in facts_of(shop).headline.alerts)


def test_after_going_back_the_served_release_is_held_against_the_withdrawn(shop: Shop) -> None:
    shop.ingest()
    shop.set_products([product_row("red"), product_row("green")])
    shop.ingest()
    store = Store.open(shop.request.store)
    first, second = (release.release_id for release in list_releases(store))
    rollback(store)
    facts = facts_of(shop)
    assert facts.headline.hold is not None
    assert any("on hold" in line for line in facts.headline.alerts)
    assert facts.headline.before_id == second
    assert not in_order(facts.headline)
    said = night_in_words(facts.headline)
    assert f"published {second}" in said
    assert f"Searchers are on {first}" in said
    shop.set_products([product_row("blue"), product_row("green")])
    with pytest.raises(GateRefused):
        shop.ingest()
    assert "did not publish: publishing is on hold" in night_in_words(facts_of(shop).headline)
    made = publish(shop.request.store, None, NoProgress()).newest
    anew = facts_of(shop)
    assert anew.headline.release_id == made.release_id
    # What searchers had until now, not what was withdrawn.
    assert anew.headline.before_id == first
    assert anew.before is not None
    assert (anew.before["products"], anew.figures["products"]) == (3, 2)


def test_failures_come_by_kind_with_what_to_do(shop: Shop) -> None:
    (shop.root / "videos" / "d.mp4").write_text("no video")
    rows = [{"video_id": name, "file": f"videos/{name}.mp4"} for name in "abcd"]
    shop.set_videos([*rows, {"video_id": "e"}])
    shop.ingest(small_config(gate={"max_failure_rate": 0.5}))
    ran = facts_of(shop).ran
    assert ran is not None
    groups = {group.kind: group for group in ran.failures}
    assert set(groups) == {"not_a_video", "rejected_row"}
    (broken,) = groups["not_a_video"].inputs.rows
    assert broken.item == "d"
    assert groups["not_a_video"].todo == ADVICE["not_a_video"]
    assert (ran.submitted, ran.indexed, ran.failed) == (4, 3, 1)
    assert ran.on_gpu == ()
    assert "decode" in ran.on_cpu
    assert {model.device for model in ran.models} == {"CPU"}


def test_the_report_says_what_each_model_said_that_it_ran_on(shop: Shop) -> None:
    def on_two_devices(config: Config) -> ModelSet:
        models = load_fakes(config)
        devices = {"image": "cpu, cuda", "text": "cuda", "asr": "cpu", "ocr": "cpu"}
        for role, device in devices.items():
            getattr(models, role).device = device
        return models

    shop.ingest(loader=on_two_devices)
    ran = facts_of(shop).ran
    assert ran is not None
    assert {model.role: model.device for model in ran.models} == {
        "image": "CPU, GPU",
        "text": "GPU",
        "asr": "CPU",
        "ocr": "CPU",
    }


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_of_failure_has_advice(kind: FailureKind) -> None:
    assert ADVICE[kind].endswith(".")


def test_cost_is_told_by_stage_where_prices_are(shop: Shop) -> None:
    shop.ingest(small_config(cost={"cpu_hour": 3600.0}))
    ran = facts_of(shop).ran
    assert ran is not None
    assert ran.cost is not None
    stages = {stage.stage: stage for stage in ran.stages}
    assert stages["decode"].cost == pytest.approx(stages["decode"].cpu_s)
    assert sum(stage.cost or 0 for stage in ran.stages) == pytest.approx(ran.cost)


def test_products_are_covered_by_category_and_merchant(shop: Shop) -> None:
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows[0] |= {"category": ["Kitchen", "Pots"], "merchant_id": "m-1"}
    rows.append({"sku": "S", "title": "Nothing alike", "merchant_id": "m-1"})
    shop.set_products(rows)
    shop.ingest()
    supply = facts_of(shop).coverage
    by_category = {row.name: (row.products, row.linked) for row in supply.categories.rows}
    assert by_category.keys() == {"Kitchen", "Home", "(no category)"}
    assert by_category["(no category)"] == (1, 0)
    by_merchant = {row.name: row.products for row in supply.merchants.rows}
    assert by_merchant == {"m-1": 2, "(no merchant)": 2}
    bare = {row.sku for row in supply.without_video.rows}
    assert "S" in bare
    assert supply.products_linked == 4 - len(bare)


def test_a_new_product_counts_from_its_publication(shop: Shop) -> None:
    shop.ingest()
    assert facts_of(shop).coverage.cold_start is None
    base = [product_row(name) for name in ("red", "green", "blue")]
    store = Store.open(shop.request.store)
    first = dt.datetime.fromisoformat(require_served(store).created_at)
    told = first + dt.timedelta(milliseconds=1)
    new = {"sku": "NEW", "title": "Zebra mat", "published_at": told.isoformat()}
    old = {"sku": "OLD", "title": "Owl mat", "published_at": "2001-01-01T00:00:00Z"}
    shop.set_products([*base, new, old])
    shop.ingest()
    cold = facts_of(shop).coverage.cold_start
    assert cold is not None
    found = {item.sku: item for item in cold.products.rows}
    assert set(found) == {"NEW", "OLD"}
    assert found["NEW"].known_at == told
    # A date from before the shop had it says nothing of how long it took.
    assert found["OLD"].known_at > first
    assert found["NEW"].hours > found["OLD"].hours >= 0


def test_stale_videos_are_those_that_mislead_and_those_that_are_old(shop: Shop) -> None:
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows[2]["availability"] = "https://schema.org/OutOfStock"
    shop.set_products(rows)
    videos: list[dict[str, object]] = [
        {"video_id": name, "file": f"videos/{name}.mp4"} for name in "abc"
    ]
    videos[0]["published_at"] = "2020-01-01T00:00:00Z"
    shop.set_videos(videos)
    shop.ingest()
    stale = facts_of(shop).coverage.stale
    assert [(video.video_id, video.why) for video in stale.rows] == [
        ("b", "sells only what is not available"),
        ("a", "was published long ago"),
    ]


def test_copies_are_counted(shop: Shop) -> None:
    rows = [{"video_id": name, "file": f"videos/{name[0]}.mp4"} for name in ("a", "a2", "b")]
    shop.set_videos(rows)
    shop.ingest()
    supply = facts_of(shop).coverage
    assert [(c.size, c.videos) for c in supply.duplicates.rows] == [(2, ("a", "a2"))]
    assert supply.copies == 1


def test_declarations_that_videos_contradict_come_first(shop: Shop) -> None:
    rows: list[dict[str, object]] = [
        {"video_id": name, "file": f"videos/{name}.mp4"} for name in "abc"
    ]
    rows[1]["merchant_skus"] = ["SKU-blue"]  # what it shows
    rows[2]["merchant_skus"] = ["SKU-red", "GONE"]  # not what it shows
    shop.set_videos(rows)
    shop.ingest()
    links = facts_of(shop).links
    assert links.declared == 3
    found = {conflict.declared: conflict for conflict in links.conflicts.rows}
    assert found.keys() == {"SKU-red", "GONE"}
    assert found["GONE"].why == "the catalog has no such SKU"
    assert found["SKU-red"].why == "the video shows something else"
    assert found["SKU-red"].other_sku in ("SKU-green", "SKU-blue")
    suspicions = [conflict.suspicion for conflict in links.conflicts.rows]
    assert suspicions == sorted(suspicions, reverse=True)


def test_scores_are_held_against_labels(shop: Shop) -> None:
    shop.ingest()
    truth = {
        "a": frozenset(["SKU-red", "SKU-green"]),
        "b": frozenset(["SKU-blue"]),
        "unknown": frozenset(["SKU-red"]),
    }
    facts = facts_of(shop, Given(labels=Labels("labels.jsonl", truth, "x")))
    found = facts.links.reliability
    assert found is not None
    assert found.unknown_videos == 1
    assert sum(b.pairs for b in found.bins) == found.pairs
    assert facts.figures["calibration_error"] == found.error
    wrong = facts_of(shop, Given(labels=Labels("l", {"b": frozenset(["SKU-red"])}, "x")))
    assert wrong.figures["calibration_error"] > found.error
    assert wrong.figures["link_precision"] == 0


def test_labels_of_another_shop_say_nothing(shop: Shop) -> None:
    shop.ingest()
    facts = facts_of(shop, Given(labels=Labels("l", {"nobody": frozenset(["x"])}, "x")))
    assert facts.links.reliability is not None
    assert facts.links.reliability.error is None
    assert "calibration_error" not in facts.figures
    with pytest.raises(ConfigError):
        conditions_met([Condition.parse("calibration_error>0.1")], facts.figures, None)
    assert "calibration error unknown" in report_page(facts, {})


def test_the_sample_is_the_same_for_everybody(shop: Shop) -> None:
    shop.ingest()
    first, second = facts_of(shop).links, facts_of(shop).links
    assert first.sample == second.sample
    assert {link.strong for link in first.sample} <= {True, False}
    assert all(link.strong == (link.score >= first.above) for link in first.sample)
    assert not facts_of(shop, config=ReportConfig(sample=0)).links.sample


def test_pictures_show_the_moment_and_not_another_file(shop: Shop) -> None:
    # Its own files, and not those of the store that many tests copy.
    shop.ingest(small_config())
    store = Store.open(shop.request.store)
    pinned, facts = ReleaseSnapshot.of(store, require_served(store)), facts_of(shop)
    files, media = Files(StorageConfig()), parse_config({}).media
    catalog = shop.request.catalog
    found = link_pictures(pinned, facts.links.sample, files, media, catalog)
    assert found
    for pictures in found.values():
        assert pictures.frame is not None
        assert pictures.frame.url.startswith("data:image/jpeg;base64,")
        assert pictures.product is not None
        assert pictures.playable is not None
        assert pictures.playable.startswith("file:///")
    for name in "abc":
        path = shop.root / "videos" / f"{name}.mp4"
        path.write_bytes(path.read_bytes() + b"more")
    changed = link_pictures(pinned, facts.links.sample, files, media, catalog)
    for pictures in changed.values():
        assert (pictures.frame, pictures.playable) == (None, None)
        assert pictures.why_not == "has changed since it was indexed"
    (shop.root / "videos" / "b.mp4").unlink()
    gone = link_pictures(pinned, facts.links.sample, files, media, None)
    of_b = [gone[link.link_key] for link in facts.links.sample if link.video_id == "b"]
    assert of_b
    assert all("cannot be read" in (pictures.why_not or "") for pictures in of_b)


def test_a_product_picture_that_was_replaced_is_not_shown(shop: Shop) -> None:
    shop.ingest(small_config())
    for name in ("red", "green", "blue"):
        picture = shop.root / "catalog" / "images" / f"{name}.png"
        picture.write_bytes(picture.read_bytes() + b"x")
    store = Store.open(shop.request.store)
    pinned, facts = ReleaseSnapshot.of(store, require_served(store)), facts_of(shop)
    files, media = Files(StorageConfig()), parse_config({}).media
    found = link_pictures(pinned, facts.links.sample, files, media, shop.request.catalog)
    assert found
    assert all(pictures.product is None for pictures in found.values())
    reasons = {pictures.why_no_product for pictures in found.values()}
    assert reasons == {"has changed since it was indexed"}
    assert "No picture of the product: has changed" in report_page(facts, found)
    assert all(pictures.frame is not None for pictures in found.values())


@pytest.mark.slow
def test_another_encoders_tables_make_no_product_new(shop: Shop) -> None:
    shop.ingest()
    watched = Watched(WideImages())
    everything = ReindexRequest(model="wide")
    shop.ingest(small_config(models=WIDE), watched.load, watched.decode, reindex=everything)
    assert require_served(Store.open(shop.request.store)).generation == 2
    facts = facts_of(shop)
    assert facts.coverage.cold_start is None
    assert facts.coverage.products == 3
    assert any("Another model for pictures" in line for line in facts.headline.changes)


def wants(text: str) -> list[Wanted]:
    """Red and blue things exist; nothing else does."""
    sold = {"red pot": "SKU-red", "odd": "SKU-odd"}
    if text not in sold:
        return []
    return [Wanted(sold[text], text.title(), ("Home",), 0.9)]


def test_demand_tells_searches_that_no_video_answers(shop: Shop) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    queries = (
        LoggedQuery("red pot", 50, 5),
        LoggedQuery("odd", 30, None),
        LoggedQuery("sushi", 20, 0),
        LoggedQuery("rare", 1, None),
    )
    pinned = ReleaseSnapshot.of(store, require_served(store))
    found = demand(pinned, Log("log.csv", QueryLog(queries, ())), wants, most=3)
    assert (found.searches, found.searches_looked_at, found.unanswered) == (101, 100, 50)
    assert {row.name: (row.searches, row.unanswered) for row in found.categories.rows} == {
        "Home": (80, 30),
        NOT_SOLD: (20, 20),
    }
    assert [(q.text, q.why) for q in found.queries.rows] == [
        ("odd", "no video of Odd"),
        ("sushi", "no such product"),
    ]


def test_conditions_of_ci_are_read_and_held_against_figures() -> None:
    now, before = {"links": 90.0, "recall_at_10": 0.94}, {"links": 200.0}
    met = conditions_met([Condition.parse("recall_at_10<0.95")], now, before)
    assert met == ["Recall@10, least of all columns: 0.940 (recall_at_10<0.95)"]
    assert conditions_met([Condition.parse("change.links < -100")], now, before)
    assert not conditions_met([Condition.parse("change.links<-110")], now, before)
    assert not conditions_met([Condition.parse("recall_at_10>=0.95")], now, before)


@pytest.mark.parametrize("text", ["", "links", "links=3", "nonsense<1", "links<x", "links<1.2.3"])
def test_a_condition_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--fail-on"):
        Condition.parse(text)


def test_a_condition_on_what_was_not_measured_is_no_pass() -> None:
    with pytest.raises(ConfigError, match="--judged"):
        conditions_met([Condition.parse("ndcg_at_10<0.9")], {"links": 1.0}, None)
    with pytest.raises(ConfigError, match="its change"):
        conditions_met([Condition.parse("change.links<0")], {"links": 1.0}, None)


@given(st.sampled_from(sorted(FIGURES)), st.floats(-1e6, 1e6))
def test_every_figure_can_be_shown(name: str, value: float) -> None:
    figure = FIGURES[name]
    assert figure.shown(abs(value))
    assert figure.change_shown(value)[0] in "+-"


@given(st.floats(0, 1), st.floats(0, 0.5), st.integers(1, 1000))
def test_bounds_of_recall_hold_it(recall: float, error: float, queries: int) -> None:
    low, high = recall_bounds(recall, error, queries)
    assert 0 <= low <= recall + 1e-9
    assert recall - 1e-9 <= high <= 1
    assert wilson(recall, 4 * queries)[1] - wilson(recall, 4 * queries)[0] <= (
        wilson(recall, queries)[1] - wilson(recall, queries)[0] + 1e-9
    )


def test_bounds_of_a_share_by_hand() -> None:
    # Newcombe (1998), table I: 81 of 263, score method.
    low, high = wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_lists_are_cut_and_counts_are_whole() -> None:
    listing = Listing.of(list(range(100_000)))
    assert (len(listing.rows), listing.total) == (200, 100_000)


@pytest.mark.parametrize(
    "words",
    [
        ["--out", "s3://bucket/report"],
        ["--judged", "s3://bucket/judged.jsonl"],
        ["--compare", "a", "b", "--query-log", "log.csv"],
    ],
)
def test_what_cannot_be_is_refused_in_words(
    shop: Shop, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    shop.ingest()
    assert main(["report", "--store", shop.request.store, *words]) == 2
    said = capsys.readouterr().err
    assert "must be on this machine" in said or "--query-log is for one release" in said


def test_names_of_any_length_keep_the_page_small_and_bars_apart(shop: Shop) -> None:
    shop.ingest()
    facts = facts_of(shop)
    long = "https://shop.example/merchants/" + "m" * 50_000
    groups = [Covered(f"{long}{i}", 2, 1) for i in range(200)]
    products = [
        UncoveredProduct(f"{i}{long}", long, f"{long}{i}", f"{long}{i}", NOW) for i in range(200)
    ]
    supply = dataclasses.replace(
        facts.coverage,
        categories=Listing.of(groups),
        merchants=Listing.of(groups),
        without_video=Listing.of(products),
    )
    page = report_page(dataclasses.replace(facts, coverage=supply), {})
    assert len(page) < 5_000_000
    chart = page[page.index('id="by-merchant"') :]
    chart = chart[: chart.index("</figure>")]
    rows = set(re.findall(r'aria-roledescription="bar"[^>]*d="M[^,]+,([\d.]+)', chart))
    assert len(rows) == 12


def report(shop: Shop, out: Path, *words: str) -> int:
    return main(["report", "--store", shop.request.store, "--out", str(out), *words])


def test_the_command_writes_page_facts_and_history(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    out = tmp_path / "r"
    assert report(shop, out) == 0
    said = capsys.readouterr().out
    assert "The last run published r000001" in said
    assert str(out / "report.html") in said
    facts = json.loads((out / "report.json").read_text())
    assert facts["figures"]["videos"] == 3
    assert facts["headline"]["shop_id"] == "shop"
    assert "<title>shop: quality of r000001" in (out / "report.html").read_text()
    assert report(shop, out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["figures"] == facts["figures"]
    (line,) = (out / "figures.jsonl").read_text().splitlines()
    assert json.loads(line)["release_id"] == facts["headline"]["release_id"]


@pytest.mark.slow
def test_what_labels_showed_of_an_older_release_stays_in_the_trend(
    shop: Shop, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"video_id": "b", "links": [{"sku": "SKU-blue"}]}\n')
    out = tmp_path / "r"
    shop.ingest()
    assert report(shop, out, "--labels", str(labels)) == 0
    shop.set_products([product_row("red"), product_row("blue")])
    shop.ingest()
    assert report(shop, out, "--labels", str(labels)) == 0
    points = json.loads((out / "report.json").read_text())["trend"]
    assert ["calibration_error" in point["figures"] for point in points] == [True, True]
    # Other labels are another measure.
    labels.write_text('{"video_id": "a", "links": []}\n')
    assert report(shop, out, "--labels", str(labels)) == 0
    points = json.loads((out / "report.json").read_text())["trend"]
    assert ["calibration_error" in point["figures"] for point in points] == [False, True]


def test_a_report_without_labels_keeps_what_labels_showed(shop: Shop, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"video_id": "b", "links": [{"sku": "SKU-blue"}]}\n')
    shop.ingest()
    assert report(shop, tmp_path, "--labels", str(labels)) == 0
    assert report(shop, tmp_path) == 0
    (line,) = (tmp_path / "figures.jsonl").read_text().splitlines()
    stored = json.loads(line)
    assert stored["labels_sha256"] is not None
    assert "calibration_error" in stored["figures"]
    assert "published" not in stored["figures"]


def test_a_history_that_cannot_be_read_is_not_overwritten(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    (tmp_path / "figures.jsonl").write_text("what?\n")
    assert report(shop, tmp_path) == 2
    assert "figures.jsonl:1" in capsys.readouterr().err
    assert (tmp_path / "figures.jsonl").read_text() == "what?\n"


def test_fail_on_makes_an_exit_code_and_still_writes(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    assert report(shop, tmp_path / "r", "--fail-on", "videos<3") == 0
    assert report(shop, tmp_path / "r", "--fail-on", "videos<4", "--fail-on", "links<0") == 9
    assert "Videos: 3 (videos<4)" in capsys.readouterr().err
    assert (tmp_path / "r" / "report.html").exists()
    assert report(shop, tmp_path / "r", "--fail-on", "ndcg_at_10<1") == 2


@pytest.mark.slow
def test_two_releases_side_by_side(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    shop.set_products([product_row("red"), product_row("blue")])
    shop.ingest()
    a, b = (release.release_id for release in list_releases(Store.open(shop.request.store)))
    assert report(shop, tmp_path, "--compare", a, b, "--fail-on", "change.products<-1") == 0
    assert "Nothing differs" not in capsys.readouterr().out
    facts = json.loads((tmp_path / "compare.json").read_text())
    (row,) = [row for row in facts["rows"] if row["name"] == "products"]
    assert (row["a"], row["b"]) == (3, 2)
    assert "SKU-green" in (tmp_path / "compare.html").read_text()
    assert report(shop, tmp_path, "--compare", a, b, "--fail-on", "change.products<0") == 9
    assert report(shop, tmp_path, "--compare", b, a, "--fail-on", "change.products<0") == 0
    assert report(shop, tmp_path, "--compare", a, "r9") == 2
    assert report(shop, tmp_path, "--release", a) == 0
    assert json.loads((tmp_path / "report.json").read_text())["figures"]["products"] == 3


def test_where_nothing_was_published_the_last_run_is_quoted(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(GateRefused):
        shop.ingest(small_config(gate={"min_videos": 9}))
    assert report(shop, tmp_path) == 6
    said = capsys.readouterr().err
    assert "gate_refused" in said
    assert "videos: wanted >= 9, found 3" in said
