"""Stores made by earlier versions, as their users have them.

Each archive holds a tiny shop and the store that the named version made of it, with the offline
models and two releases. They are never made anew.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.upkeep import upgrade_store
from reelshelf.indexer.search import (
    Answer,
    QueryEncoders,
    Searcher,
    SearchRequest,
    read_filter,
    read_like,
)
from reelshelf.indexer.search.requests import ROWS
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import (
    list_releases,
    next_sequence,
    pin_tables,
    publish,
    release_id,
    require_served,
)
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.config import load_config
from reelshelf.schemas.errors import ExitCode
from reelshelf.schemas.tables import ADDED, SCHEMA_VERSION
from tests.support.commands import ROOT
from tests.support.fakes import decode_never
from tests.support.shops import Shop

pytestmark = pytest.mark.integration

VERSIONS = (4, 5, 9, 10)
# Since then links, and what decoding gives, are what today's code makes of the same.
LAST_WITH_OTHER_STAGES = 5
KEYS = {
    "videos": "video_key",
    "segments": "segment_key",
    "products": "product_key",
    "product_images": "image_key",
    "links": "link_key",
}


class OldShop:
    """A shop and its old store, unpacked."""

    def __init__(self, root: Path, version: int) -> None:
        with tarfile.open(ROOT / "tests" / "data" / f"store-schema-{version}.tar.xz") as archive:
            archive.extractall(root, filter="data")
        self.root = root
        self.is_other = version <= LAST_WITH_OTHER_STAGES
        self.store = str(root / "store")
        self.config = root / "shop.toml"
        self.source = [
            *("--catalog", str(root / "catalog" / "products.jsonl")),
            *("--videos", str(root / "videos.jsonl")),
        ]

    def keys(self) -> dict[str, set[str]]:
        """Keys of every row of the newest versions but links, which today's linker makes anew."""
        store = Store.open(self.store)
        kept = KEYS.items() - {("links", KEYS["links"])}
        return {name: set(store.scan(name, [key])[key].to_pylist()) for name, key in kept}


EVERY_VERSION = pytest.mark.parametrize(
    "old", VERSIONS, indirect=True, ids=lambda version: f"schema-{version}"
)


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> OldShop:
    return OldShop(tmp_path / "shop", getattr(request, "param", LAST_WITH_OTHER_STAGES))


Run = Callable[..., dict[str, object]]


@pytest.fixture
def run(old: OldShop, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command on the old store with --json; what it printed."""

    def call(command: str, *words: str) -> dict[str, object]:
        capsys.readouterr()
        code = main([command, "--store", old.store, "--json", *words])
        out, err = capsys.readouterr()
        assert code == ExitCode.DONE, err
        return json.loads(out)

    return call


def untouched(old: OldShop) -> bool:
    """Whether nothing has upgraded the store."""
    store = Store.open(old.store)
    versions = {generation.schema_version for generation in store.generations()}
    return versions <= set(VERSIONS) and "timeline" not in store.dataset("links").schema.names


@pytest.mark.slow
@EVERY_VERSION
def test_reading_commands_open_it_as_it_is(old: OldShop, run: Run, tmp_path: Path) -> None:
    assert [item["release_id"][:7] for item in run("releases")] == ["r000001", "r000002"]
    links = {(link["video_id"], link["sku"]) for link in run("links")}
    assert links == {("clip-03", "SH-2382"), ("clip-08", "FO-9840")}
    assert run("search", "apple")["hits"][0]["video_id"] == "clip-08"
    assert run("verify")["files"] > 0
    report = run("report", "--out", str(tmp_path / "report"))
    assert report["coverage"]["videos"] == 3
    assert run("explain", "--video", "clip-03")[0]["sku"] == "SH-2382"
    assert run("rollback")["to"].startswith("r000001")
    assert run("upgrade", "--dry-run")["upgrade"]["after"] == SCHEMA_VERSION
    assert untouched(old)


@EVERY_VERSION
def test_an_unchanged_source_costs_no_call_and_keeps_all_keys(old: OldShop, run: Run) -> None:
    before = old.keys()
    words = [*old.source, "--config", str(old.config)]
    result = run("ingest", *words)
    assert result["outcomes"] == {"submitted": 3, "indexed": 0, "skipped": 3, "failed": 0}
    assert set(result["calls"]) <= {"files_hashed"}
    assert old.keys() == before
    # Links are made by today's code at the first write; then nothing is new any more.
    assert result["published"]
    assert not run("ingest", *words)["published"]
    assert run("verify")["files"] > 0
    assert run("rollback")["to"].startswith("r000002")


@pytest.mark.slow
@EVERY_VERSION
def test_a_new_video_is_published_beside_what_older_code_made(old: OldShop, run: Run) -> None:
    """The gate makes samples again, and today's code would make others of what is stored."""
    shutil.copy(
        ROOT / "examples" / "shop" / "videos" / "clip-05.mp4", old.root / "videos" / "new.mp4"
    )
    listed = old.root / "videos.jsonl"
    new = json.dumps({"video_id": "new", "file": "videos/new.mp4"})
    listed.write_text(f"{listed.read_text().rstrip()}\n{new}\n")
    before = old.keys()
    result = run("ingest", *old.source)
    assert result["published"]
    assert result["outcomes"] == {"submitted": 4, "indexed": 1, "skipped": 3, "failed": 0}
    assert before["segments"] < old.keys()["segments"]
    quality = ReleaseSnapshot.open(old.store).release.quality
    skipped = {f.skipped for f in quality.findings if f.column == "segments.frame_vector"}
    assert any("older version" in why for why in skipped if why) is old.is_other


@pytest.mark.slow
def test_without_a_config_it_keeps_what_it_was_made_with(old: OldShop, run: Run) -> None:
    # The shop's own settings: another speech threshold, another display threshold, another penalty.
    result = run("ingest", *old.source)
    assert set(result["calls"]) <= {"files_hashed"}
    config = ReleaseSnapshot.open(old.store).config
    assert config.shop_id == "old-shop"
    assert config.asr.min_log_probability == -1.2
    assert config.linking.link_above == 0.45
    assert config.search.diversity_penalty == 0.02


@pytest.mark.slow
def test_a_setting_that_changes_during_the_upgrade_is_seen(old: OldShop, run: Run) -> None:
    text = old.config.read_text().replace("[search]", "[media]\nsample_ms = 500\n[search]")
    old.config.write_text(text)
    words = [*old.source, "--config", str(old.config)]
    planned = run("reindex", "--all", "--dry-run", *words)
    assert planned["planned"]["videos_with_other_settings"] == 3
    result = run("ingest", *words)
    assert result["planned"]["videos_with_other_settings"] == 3
    assert result["calls"]["frames_encoded"] > 0


def test_a_limit_that_changes_during_the_upgrade_redoes_nothing(old: OldShop, run: Run) -> None:
    limits = "[media]\nmax_bytes = 1000000000\nmax_duration_s = 60\n"
    old.config.write_text(old.config.read_text() + limits)
    planned = run("reindex", "--all", "--dry-run", *old.source, "--config", str(old.config))
    assert planned["planned"]["videos_with_other_settings"] == 0
    result = run("ingest", *old.source, "--config", str(old.config))
    assert result["outcomes"]["indexed"] == 0


@EVERY_VERSION
def test_upgrade_does_it_once_and_says_what_is_older(old: OldShop, run: Run) -> None:
    before = old.keys()
    done = run("upgrade")
    assert done["upgrade"]["after"] == SCHEMA_VERSION
    keys = {item["key"] for item in done["outdated"]["settings"]}
    assert {"asr.min_log_probability", "linking.link_above"} <= keys
    store = Store.open(old.store)
    for name, fields in ADDED.items():
        assert {field.name for field in fields} <= set(store.dataset(name).schema.names)
    versions = {name: store.table(name).version for name in KEYS}
    assert not run("upgrade")["upgrade"]["columns"]
    assert {name: store.table(name).version for name in KEYS} == versions
    assert old.keys() == before
    # Releases of before are what they were.
    assert run("verify", "--release", run("releases")[0]["release_id"])["files"] > 0


def answers(store: str, release: str) -> list[Answer]:
    """What a release answers to texts, filters, and more like a thing."""
    snapshot = ReleaseSnapshot.open(store, name=release)
    encoder = load_query_encoder(snapshot.config)
    searcher = Searcher(snapshot, QueryEncoders(text=encoder))
    texts = ("apple", "sour aple", "shoes", "running shoe under 200 euro", "lawn mower")
    asked = [SearchRequest(text, rows=rows, page_size=50) for text in texts for rows in ROWS]
    asked += [
        SearchRequest(like=read_like(thing)) for thing in ("video:clip-08", "product:FO-9840")
    ]
    asked.append(
        SearchRequest("apple", filter=read_filter(["category=Food"]), facets=("category",))
    )
    return [searcher.search(request) for request in asked]


@EVERY_VERSION
def test_it_answers_as_a_new_release_of_the_same_rows_does(old: OldShop, run: Run) -> None:
    served = run("releases")[-1]["release_id"]
    before = answers(old.store, served)
    assert untouched(old)
    assert any(answer.hits for answer in before)
    assert any(answer.products for answer in before)
    run("upgrade")
    store = Store.open(old.store)
    last = require_served(store)
    changes = {
        "run_id": str(uuid.uuid4()),
        "release_id": release_id(next_sequence(store)),
        "sequence": next_sequence(store),
        "tables": pin_tables(store),
    }
    new = last.model_copy(update=changes)
    with Lease.take(store, new.run_id, 60) as lease:
        publish(store.guarded(lease.check), new, lease)
    assert {t.name: t.version for t in new.tables} != {t.name: t.version for t in last.tables}
    again, fresh = (answers(old.store, name) for name in (served, new.release_id))
    assert plain(again) == plain(before)
    assert plain(fresh) == plain(before)


def plain(given: list[Answer]) -> list[Answer]:
    """Answers without what depends on when they were asked, and of which release."""
    return [
        replace(
            answer,
            next_cursor=None,
            results=tuple(replace(one, score=round(one.score, 3)) for one in answer.results),
            closest=tuple(replace(one, score=round(one.score, 3)) for one in answer.closest),
        )
        for answer in given
    ]


KILLED = """
import os, signal, sys
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Store, sys.argv[2], die)
main(["upgrade", "--store", sys.argv[1]])
"""


@pytest.mark.slow
def test_an_upgrade_that_is_killed_is_done_again(old: OldShop, run: Run) -> None:
    before = old.keys()
    # After columns and fingerprints, before the store says which version it has.
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, old.store, "change_generation"], check=False, cwd=ROOT
    )
    assert killed.returncode == -signal.SIGKILL
    result = run("ingest", *old.source, "--config", str(old.config))
    assert set(result["calls"]) <= {"files_hashed"}
    assert old.keys() == before
    assert not run("upgrade", "--dry-run")["upgrade"]["columns"]


@pytest.mark.slow
def test_it_is_redone_only_where_somebody_asks(old: OldShop, run: Run) -> None:
    run("ingest", *old.source, "--config", str(old.config))
    result = run("reindex", "--outdated", *old.source)
    # Videos are sampled, read and heard in other ways than when the store was made.
    assert result["outcomes"]["indexed"] == 3
    assert result["calls"].get("audio_ms_heard", 0) > 0
    assert result["calls"].get("frames_encoded", 0) > 0
    assert run("upgrade", "--dry-run")["outdated"]["settings"] == []


def test_a_run_that_died_before_the_upgrade_left_rows_that_count(tmp_path: Path) -> None:
    """Its config stands in no record: the one of the run that upgrades is taken."""
    old = OldShop(tmp_path / "shop", 5)
    store = Store.open(old.store)
    store.writable("runs").delete("true")
    store.writable("releases").delete("true")
    config = load_config(old.config)
    done = upgrade_store(old.store, config)
    assert done.renamed["videos"] == 3
    assert os.path.isdir(old.store)  # noqa: PTH112


def test_a_store_of_schema_7_keeps_what_vanishes(shop: Shop) -> None:
    """Its tables of vanished rows get new columns behind the time at which they vanished."""
    shop.ingest()
    store = Store.open(shop.request.store)
    for name, columns in ADDED.items():
        added = [
            field.name
            for field in columns
            if field.name in ("cell_checksums", "link_count", "rows")
        ]
        if added:
            store.writable(name).drop_columns(added)
        if "cell_checksums" in added and store.count(name):
            store.writable(name).update({"schema_version": "CAST(7 AS INT)"})
    store.change_generation(1, schema_version=7)
    listed = shop.rows()
    shop.set_videos([row for row in listed if row["video_id"] != "a"])
    assert shop.ingest(decode=decode_never).published
    shop.set_videos(listed)
    assert shop.ingest(decode=decode_never).published
    assert store.count("videos") == 3
    assert store.dataset("vanished_videos").schema.names[-2:] == ["link_count", "cell_checksums"]


@pytest.mark.slow
@pytest.mark.parametrize("old", [v for v in VERSIONS if v < 10], indirect=True)
def test_it_keeps_its_words_until_somebody_asks(old: OldShop, run: Run) -> None:
    """An old store keeps its full text and its space of texts; asked for, frames stay."""
    run("ingest", *old.source, "--config", str(old.config))
    store = Store.open(old.store)
    assert set(store.scan("segments", ["terms"])["terms"].to_pylist()) == {None}
    assert run("search", "apple")["hits"][0]["video_id"] == "clip-08"
    asked = run("reindex", "--outdated")
    newest = Store.open(old.store).of(Store.open(old.store).generation)
    terms = newest.scan("segments", ["terms"])["terms"].to_pylist()
    assert "tart meadow appl apple" in " ".join(terms).replace("apple appl", "appl apple")
    assert asked["release"]["models"]["text"]["name"] == "minilm+use"
    assert run("search", "apples")["hits"][0]["video_id"] == "clip-08"
    if not old.is_other:
        assert asked["calls"]["frames_encoded"] == 0
        assert asked["calls"]["texts_encoded"] > 0


@pytest.mark.slow
@EVERY_VERSION
def test_words_on_links_are_taken_in_and_survive_going_back(old: OldShop, tmp_path: Path) -> None:
    """A release of an older version has tables without the columns that such links have."""
    snapshot = ReleaseSnapshot.open(old.store)
    video = snapshot.scan("videos", ["video_id"])["video_id"][0].as_py()
    skus = snapshot.scan("products", ["sku"])["sku"].to_pylist()
    words = tmp_path / "words.csv"
    rows = "".join(f"{video},{sku},always\n" for sku in skus)
    words.write_text("video_id,sku,verdict\n" + rows, encoding="utf-8")
    oldest = list_releases(Store.open(old.store))[0].release_id
    assert main(["overrides", "import", "--store", old.store, str(words)]) == 0
    assert linked_skus(old, video) == set(skus)
    assert main(["rollback", "--store", old.store, "--to", oldest]) == 0
    assert linked_skus(old, video) == set(skus)


def linked_skus(old: OldShop, video: str) -> set[str]:
    found = released_links(ReleaseSnapshot.open(old.store), video_id=video, min_score=1.0)
    return {link.sku for _, _, link in found}
