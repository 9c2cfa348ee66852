"""Stores below folders of any name, and stores whose first run died."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import prune_store, verify
from reelshelf.indexer.store.connection import connect
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.tables import Store, _schemas
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.schemas.errors import StoreError
from tests.support.commands import ROOT
from tests.support.fakes import load_fakes
from tests.support.shops import NO_GRACE, Shop, make_shop, small_config

pytestmark = pytest.mark.integration
NAMES = [
    "with space", "a#b", "a%20b", "it's \"quoted\"", "ünïcødé e\u0301", "日本語 العربية",
    "a\\b [x]*", "a:b ~&;", "{x}^`|<>",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_store_below_a_folder_of_any_name_works(tmp_path: Path, name: str) -> None:
    shop = make_shop(tmp_path / "at" / name)
    assert shop.ingest().published
    shop.set_videos([{"video_id": "b", "file": "videos/b.mp4"}])
    assert shop.ingest(small_config(gate={"max_shrink": 1.0})).published
    store, uri = Store.open(shop.request.store), shop.request.store
    newest = list_releases(store)[-1]
    assert newest.name_of_run in store.table("videos").tags.list()
    assert verify(uri, small_config()).release_id == newest.release_id
    prune_store(uri, small_config(), keep=1, grace=NO_GRACE, older_than=NO_GRACE)
    assert verify(uri, small_config()).release_id == newest.release_id
    # Nothing of it lies anywhere else.
    assert [path.name for path in (tmp_path / "at").iterdir()] == [name]


def test_an_index_below_such_a_folder_stays_there(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "at" / "a#b %")
    indexed = small_config(
        index={"kind": "ivf_pq", "partitions": 1, "sub_vectors": 4, "train_rows": 64},
        gate={"min_recall": 0.0},
    )
    shop.run(indexed)
    assert [path.name for path in (tmp_path / "at").iterdir()] == ["a#b %"]


def test_a_relative_name_with_a_colon_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shop = make_shop(tmp_path / "shop")
    request = replace(shop.request, store="a:b/store")
    for _ in range(2):
        ingest(request, small_config(), lambda c: LocalEngine(c, load_fakes), NoProgress())
    assert (tmp_path / "a:b" / "store" / "store.lance").is_dir()
    assert verify("a:b/store", small_config())


TABLES = [
    "runs", "sources", "releases", "files", "head", "products", "product_images", "videos",
    "segments", "links", "failures", "calibrations", "backgrounds", "quantizers", "store",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_a_first_run_that_died_over_a_table_is_completed(shop: Shop, table: str) -> None:
    half = Path(shop.request.store) / f"{table}.lance"
    (half / "data").mkdir(parents=True)
    (half / "data" / "0.lance").write_bytes(b"half")
    (half / "_versions").mkdir()
    assert shop.ingest().published
    assert shop.ingest().calls == {}


def test_what_a_dead_first_run_left_is_no_store_to_a_reader(shop: Shop) -> None:
    (Path(shop.request.store) / "store.lance").mkdir(parents=True)
    with pytest.raises(StoreError, match="holds no reelshelf store"):
        Store.open(shop.request.store)


def test_a_first_run_that_died_with_other_models_is_completed(shop: Shop) -> None:
    store = connect(shop.request.store)
    for name, schema in _schemas(512, 384).items():
        store.create_table(name, schema=schema)
    assert shop.ingest().published


DYING = """
import os, signal, sys
from pathlib import Path
from lancedb.db import LanceDBConnection
from tests.support.shops import Shop

create, before = LanceDBConnection.create_table, sys.argv[2]

def dying(connection, name, *args, **kwargs):
    if name == before:
        os.kill(os.getpid(), signal.SIGKILL)
    return create(connection, name, *args, **kwargs)

LanceDBConnection.create_table = dying
Shop(Path(sys.argv[1])).ingest()
"""


@pytest.mark.slow
@pytest.mark.parametrize("table", ["runs", "head", "products", "store"])
def test_a_first_run_killed_before_it_made_a_table_is_completed(shop: Shop, table: str) -> None:
    words = [sys.executable, "-c", DYING, str(shop.root), table]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert shop.ingest().published


FROZEN = """
import os, signal, sys
import lance
from lance.fragment import write_fragments

uri = sys.argv[1]
table = lance.dataset(uri)
rows = table.to_table()
fragments = write_fragments(rows, uri, schema=table.schema)
os.kill(os.getpid(), signal.SIGSTOP)  # between data file and manifest
lance.LanceDataset.commit(
    uri, lance.LanceOperation.Append(fragments), read_version=table.version
)
"""


def test_prune_takes_nothing_from_a_writer_that_was_stopped(shop: Shop) -> None:
    shop.ingest()
    uri = shop.request.store
    before = Store.open(uri).table("segments").count_rows()
    words = [sys.executable, "-c", FROZEN, f"{uri}/segments.lance"]
    with subprocess.Popen(words) as writer:
        _, status = os.waitpid(writer.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        prune_store(uri, small_config(), keep=1, grace=NO_GRACE)
        writer.send_signal(signal.SIGCONT)
        assert writer.wait() == 0
    table = Store.open(uri).table("segments")
    assert table.count_rows() == 2 * before
    assert np.isfinite(table.to_arrow()["start_ms"].to_numpy()).all()


def test_prune_keeps_versions_that_are_young(shop: Shop) -> None:
    shop.ingest()
    uri = shop.request.store
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in "ab"])
    shop.ingest()
    versions = len(Store.open(uri).table("videos").list_versions())
    prune_store(uri, small_config(), keep=1, grace=NO_GRACE)
    assert len(Store.open(uri).table("videos").list_versions()) == versions


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12))
def test_a_folder_works_or_is_refused_in_words(tmp_path: Path, name: str) -> None:
    if name in (".", ".."):
        return
    root = tmp_path / "any"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    try:
        place = root / name / "store"
        connection = connect(str(place))
    except StoreError:
        assert list(root.iterdir()) == []
        return
    connection.create_table("t", [{"a": 1}])
    assert connect(str(place)).open_table("t").count_rows() == 1
    assert [path.name for path in root.iterdir()] == [name]
