"""Indexes through their life: built in every way, grown, watched, killed, built by two at once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from reelshelf.indexer.index import encode
from reelshelf.indexer.index.build import Builder, build_indexes, update_index
from reelshelf.indexer.index.inspect import fragments_without, index_facts, index_names
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.index.queries import QuerySet
from reelshelf.indexer.index.recall import (
    bytes_read,
    exact_search,
    exact_searches,
    map_exact_searches,
    measure_recall,
    search,
)
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.indexer.quality.measures import Candidate, recalls_of
from reelshelf.indexer.store.quantizers import quantizer_hashes, read_quantizer
from reelshelf.indexer.store.rows import vector_array, vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import CorruptFile, InputError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer
from reelshelf.schemas.release import ModelRef, ModelRefs, VectorIndex
from tests.support.commands import ROOT
from tests.support.fakes import load_fake_detector, load_fakes
from tests.support.indexes import COLUMN, TABLE, index_config
from tests.support.shops import small_config

pytestmark = pytest.mark.integration
DIM, ROWS, PIECES = 32, 6000, 4


SILENT = ("segments", "text_vector")


def clustered(rows: int, seed: int, clusters: int = 1500, towards: int = 0) -> Vectors:
    """Unit vectors around centers; other centers for another `towards`."""
    centers = np.random.default_rng(1000 + towards).normal(size=(clusters, DIM))
    rng = np.random.default_rng(seed)
    near = centers[rng.integers(0, clusters, rows)] + 0.5 * rng.normal(size=(rows, DIM))
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


def add(store: Store, vectors: Vectors, start: int) -> None:
    """Append pictures with these vectors, as one piece."""
    schema = store.dataset(TABLE).schema
    text = pa.array(["x"] * len(vectors))
    columns = {
        "image_key": pa.array([f"{start + i:08x}-0000" for i in range(len(vectors))]),
        "schema_version": pa.array([1] * len(vectors), pa.int32()),
        "printed": pa.array([[]] * len(vectors), pa.list_(pa.string())),
        COLUMN: vector_array(list(vectors), DIM),
    }
    columns |= {field.name: text for field in schema if field.type == pa.string()} | columns
    arrays = [columns.get(f.name, pa.nulls(len(vectors), f.type)) for f in schema]
    store.dataset(TABLE).insert(pa.Table.from_arrays(arrays, schema=schema))


def add_silent(store: Store, vectors: Sequence[Vectors | None], start: int) -> None:
    """Append segments with these text vectors, or none."""
    count = len(vectors)
    columns = {
        "segment_key": pa.array([f"{start + i:08x}-0001" for i in range(count)]),
        "frame_vector": vector_array([np.eye(1, DIM, dtype=np.float32)[0]] * count, DIM),
        "text_vector": vector_array(list(vectors), DIM),
    }
    schema = store.dataset("segments").schema
    arrays = [
        columns[field.name] if field.name in columns else _filler(field.type, count)
        for field in schema
    ]
    store.dataset("segments").insert(pa.Table.from_arrays(arrays, schema=schema))


def _filler(kind: pa.DataType, count: int) -> pa.Array:
    if pa.types.is_list(kind):
        return pa.array([[]] * count, kind)
    if pa.types.is_timestamp(kind) or pa.types.is_binary(kind):
        return pa.nulls(count, kind)
    return pa.array(["x" if pa.types.is_string(kind) else 1] * count, kind)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with some thousand pictures in four pieces, not indexed."""
    ref = ModelRef(name="m", revision="1", sha256="0", dim=DIM, space="s")
    refs = ModelRefs(image=ref, text=ref, asr=ref, ocr=ref)
    made = Store.create(str(tmp_path / "store"), "shop", refs)
    for piece in range(PIECES):
        add(made, clustered(ROWS // PIECES, piece), piece * ROWS)
    return made


def build(store: Store, config: Config, last: VectorIndex | None = None) -> VectorIndex:
    return update_index(store, TABLE, COLUMN, Builder(config.index, map), last)


def quantizer_of(store: Store, index: VectorIndex) -> Quantizer:
    found = read_quantizer(store, index.quantizer_sha256)
    assert found is not None
    return found


def answers(store: Store, index: VectorIndex) -> list[list[float]]:
    queries = clustered(20, 99)
    dataset = store.dataset(TABLE)
    return [search(dataset, index, query, 10)[0].round(5).tolist() for query in queries]


@pytest.mark.slow
def test_every_way_into_lance_gives_the_same_answers(store: Store) -> None:
    whole = build(store, index_config(build="fragments"))
    first = answers(store, whole)
    assert index_facts(store.dataset(TABLE), whole.name).segments == 1
    for config, workers, segments in (
        (index_config(build="buffers"), 1, 1),
        (index_config(build="fragments"), PIECES, PIECES),
        (index_config(build="fragments", max_segments=2), PIECES, 1),
    ):
        anew = Builder(config.index, map, workers=workers, retrain=True)
        index = update_index(store, TABLE, COLUMN, anew, whole)
        assert index.quantizer_sha256 == whole.quantizer_sha256
        facts = index_facts(store.dataset(TABLE), index.name)
        assert (facts.segments, sum(facts.partitions)) == (segments, ROWS)
        same = index.model_copy(
            update={"nprobes": whole.nprobes, "refine_factor": whole.refine_factor}
        )
        assert answers(store, same) == first


@pytest.mark.slow
def test_ray_tasks_encode_the_pieces(store: Store, ray_node: None) -> None:
    config = index_config(build="fragments")
    engine = RayEngine(config, load_fakes, detector=load_fake_detector)
    local = build(store, config)
    anew = Builder(config.index, engine.map_tasks, workers=PIECES, retrain=True)
    spread = update_index(store, TABLE, COLUMN, anew, local)
    facts = index_facts(store.dataset(TABLE), spread.name)
    assert (facts.segments, facts.unindexed) == (PIECES, 0)
    assert answers(store, spread) == answers(store, local)


@pytest.mark.slow
def test_codes_of_buffers_are_what_lance_searches(store: Store) -> None:
    """Each row's partition is the nearest, and its code stands for something near it."""
    index = build(store, index_config(build="buffers"))
    quantizer = quantizer_of(store, index)
    dataset = store.dataset(TABLE)
    (batch,) = encode.buffer_batches(dataset, quantizer, [0])
    vectors = vector_matrix(dataset.get_fragment(0).to_table(columns=[COLUMN])[COLUMN])
    nearest = (vectors @ quantizer.centroids.T - (quantizer.centroids**2).sum(axis=1) / 2).argmax(1)
    places = batch["__ivf_part_id"].to_numpy()
    assert (places == nearest).mean() > 0.999
    codes = np.asarray(batch["__pq_code"].flatten()).reshape(len(vectors), -1)
    parts = [book[code] for book, code in zip(quantizer.codebook, codes.T, strict=True)]
    decoded = quantizer.centroids[places] + np.hstack(parts)
    error = ((vectors - decoded) ** 2).sum(axis=1).mean()
    # The recipe's is of rows that it was not trained on.
    assert 0.5 * quantizer.recipe.error < error < 1.1 * quantizer.recipe.error


@pytest.mark.slow
def test_settings_are_tuned_to_the_target_and_the_curve_is_kept(store: Store) -> None:
    modest = build(store, index_config(recall_target=0.6))
    strict = build(store, index_config(recall_target=0.97), modest)
    assert strict.rebuilt == "the settings have changed"
    assert strict.nprobes > modest.nprobes
    dim = DIM * 4
    assert modest.curve == sorted(modest.curve, key=lambda p: (p.refine_factor, p.nprobes))
    chosen = [
        p for p in strict.curve if (p.nprobes, p.refine_factor)
        == (strict.nprobes, strict.refine_factor)
    ]  # fmt: skip
    assert chosen[0].recall >= 0.97
    assert chosen[0].bytes_read == (
        ROWS * strict.nprobes // 32 * 8 + strict.refine_factor * 10 * dim
    )
    truth = exact_search(store.dataset(TABLE), COLUMN, clustered(100, 77))
    assert measure_recall(store.dataset(TABLE), strict, truth).recall > 0.94
    named = build(store, index_config(nprobes=3, refine_factor=7), strict)
    assert (named.nprobes, named.refine_factor) == (3, 7)


def test_new_rows_join_the_index_with_its_quantizer(store: Store) -> None:
    config = index_config()
    index = build(store, config)
    add(store, clustered(500, 50), 10**6)
    assert fragments_without(store.dataset(TABLE), index.name) == [PIECES]
    grown = build(store, config, index)
    assert grown.rebuilt is None
    assert (grown.rows, grown.quantizer_sha256) == (ROWS + 500, index.quantizer_sha256)
    facts = index_facts(store.dataset(TABLE), index.name)
    assert (facts.unindexed, facts.segments) == (0, 2)
    assert grown.drift is not None
    assert grown.drift.recall_fresh > 0.9
    assert build(store, config, grown) == grown  # nothing to do


@pytest.mark.slow
def test_many_deltas_become_few(store: Store) -> None:
    config = index_config(max_segments=3)
    index = build(store, config)
    for night in range(4):
        add(store, clustered(100, 60 + night), 10**6 + night * 1000)
        index = build(store, config, index)
    facts = index_facts(store.dataset(TABLE), index.name)
    assert facts.segments <= 3
    assert facts.unindexed == 0
    assert sum(facts.partitions) == ROWS + 400


@pytest.mark.slow
def test_an_index_that_finds_less_is_searched_wider_if_that_mends_it(store: Store) -> None:
    config = index_config(tune_queries=200)
    index = build(store, config)
    starved = index.model_copy(update={"nprobes": index.nprobes // 2})
    add(store, clustered(100, 69), 10**6)
    wider = build(store, config, starved)
    assert wider.rebuilt is None
    assert bytes_read(wider, DIM) > bytes_read(starved, DIM)
    assert wider.drift is not None
    worst = min(wider.drift.recall_fixed, wider.drift.recall_fresh)
    assert worst >= wider.drift.recall_trained - 0.01


@pytest.mark.slow
def test_an_index_is_trained_anew_before_its_recall_falls(store: Store) -> None:
    config = index_config()
    index = build(store, config)
    add(store, clustered(ROWS, 70, clusters=3, towards=1), 10**6)
    grown = build(store, config, index)
    assert grown.rebuilt is not None
    assert "of new rows" in grown.rebuilt
    assert grown.quantizer_sha256 != index.quantizer_sha256
    assert index_names(store.dataset(TABLE), COLUMN) == [grown.name]
    truth = exact_search(store.dataset(TABLE), COLUMN, clustered(100, 71, clusters=3, towards=1))
    # Without training anew it was 0.72.
    assert measure_recall(store.dataset(TABLE), grown, truth).recall > 0.85


@pytest.mark.slow
def test_more_rows_than_it_was_made_for_train_it_anew(store: Store) -> None:
    config = index_config(max_growth=1.05)
    index = build(store, config)
    add(store, clustered(1000, 80), 10**6)
    assert (
        build(store, config, index).rebuilt
        == f"it was trained on {ROWS} rows, there are {ROWS + 1000}"
    )


@pytest.mark.slow
def test_what_shoppers_typed_is_tuned_for_in_columns_of_words(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries that lie far from all rows need more probes than rows themselves."""
    far = -clustered(100, 90, towards=3)
    typed = Builder(index_config(recall_target=0.8).index, map, query_vectors=far)
    of_rows = update_index(store, TABLE, COLUMN, typed, None)  # no column of words
    monkeypatch.setattr("reelshelf.indexer.index.queries.TYPED_COLUMNS", (COLUMN,))
    of_both = update_index(store, TABLE, COLUMN, replace(typed, retrain=True), of_rows)
    assert bytes_read(of_both, DIM) > bytes_read(of_rows, DIM)
    truth = exact_search(store.dataset(TABLE), COLUMN, far)
    assert measure_recall(store.dataset(TABLE), of_both, truth).recall >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("way", ["fragments", "buffers"])
def test_a_night_without_any_vector_joins_the_index(store: Store, way: str) -> None:
    """Videos that say and show no word give rows without a text vector."""
    config = index_config(build=way)
    for number in range(4):
        add_silent(store, clustered(500, number), number * 1000)
    index = update_index(store, *SILENT, Builder(config.index, map), None)
    add_silent(store, [None] * 50, 10**6)
    grown = update_index(store, *SILENT, Builder(config.index, map), index)
    facts = index_facts(store.dataset(SILENT[0]), grown.name)
    assert (facts.unindexed, sum(facts.partitions)) == (0, 2000)
    assert grown.rebuilt is None


def test_copies_of_one_vector_are_no_evidence_of_recall(store: Store) -> None:
    store.table(TABLE).delete("true")
    add(store, np.repeat(clustered(1, 5), 2000, axis=0), 0)
    index = build(store, index_config())
    candidate = Candidate(PinnedTables.newest(store), [], [index])
    assert recalls_of(candidate, index, 50, 1) == []


@pytest.mark.slow
def test_a_quantizer_that_was_tampered_with_is_not_used(store: Store) -> None:
    index = build(store, index_config())
    row = store.scan("quantizers", None).to_pylist()[0]
    data = bytearray(row["centroids"])
    data[2] ^= 64
    table = store.table("quantizers")
    table.update(values={"centroids": bytes(data)})
    with pytest.raises(CorruptFile, match="is not what it was"):
        build(store, index_config(), index)


_BUILD = """
import sys
from reelshelf.indexer.index.build import Builder, update_index
from reelshelf.indexer.store.tables import Store
from tests.support.indexes import COLUMN, TABLE, index_config
store = Store.open(sys.argv[1])
print("begin", flush=True)
update_index(store, TABLE, COLUMN, Builder(index_config(seed=int(sys.argv[2])).index, map), None)
print("end", flush=True)
"""


def start_build(store: Store, seed: int) -> "subprocess.Popen[str]":
    root = ROOT
    command = [sys.executable, "-c", _BUILD, store.uri, str(seed)]
    return subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_new_index_files(store: Store, known: set[str], child: "subprocess.Popen[str]") -> None:
    folder = Path(store.uri) / f"{TABLE}.lance" / "_indices"
    while child.poll() is None:
        if folder.is_dir() and {p.name for p in folder.iterdir()} - known:
            return
        time.sleep(0.001)


@pytest.mark.slow
def test_a_builder_killed_while_it_writes_index_files_costs_nothing(store: Store) -> None:
    config = index_config()
    index = build(store, config)
    served = lance.dataset(store.dataset(TABLE).uri, version=store.dataset(TABLE).version)
    before = answers(store, index)
    folder = Path(store.uri) / f"{TABLE}.lance" / "_indices"
    known = {path.name for path in folder.iterdir()}
    child = start_build(store, 7)
    wait_for_new_index_files(store, known, child)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert served.version <= store.dataset(TABLE).version
    found = [search(served, index, q, 10)[0].round(5).tolist() for q in clustered(20, 99)]
    assert found == before
    # The next run is not led astray by what is there, whether the index was committed or not.
    again = build(store, config, index)
    assert index_names(store.dataset(TABLE), COLUMN) == [again.name]
    assert answers(store, again) == before
    store.dataset(TABLE).cleanup_old_versions(
        older_than=None, retain_versions=1, delete_unverified=True
    )
    used = {
        part.uuid for index in store.dataset(TABLE).describe_indices() for part in index.segments
    }
    assert {path.name for path in folder.iterdir()} == {str(uuid) for uuid in used}


@pytest.mark.slow
def test_two_builders_at_once_leave_one_whole_index(store: Store) -> None:
    """The lease keeps runs apart; without it Lance lets one win, and the next run sets it right."""
    children = [start_build(store, seed) for seed in (1, 2)]
    ended = [child.communicate()[1] for child in children]
    assert any(child.returncode == 0 for child in children), ended
    index = build(store, index_config())
    facts = index_facts(store.dataset(TABLE), index.name)
    assert index_names(store.dataset(TABLE), COLUMN) == [index.name]
    assert (facts.unindexed, sum(facts.partitions)) == (0, ROWS)
    assert index.quantizer_sha256 in quantizer_hashes(store)


@pytest.mark.slow
def test_plain_indexes_grow_too(example_store: Path, tmp_path: Path) -> None:
    shutil.copytree(example_store, tmp_path / "store")
    store = Store.open(str(tmp_path / "store"))
    rows = store.table("segments").to_arrow()
    keys = pa.array([f"{i:08x}-0000" for i in range(rows.num_rows)])
    store.dataset("segments").insert(rows.set_column(0, rows.schema.field(0), keys))
    build_indexes(store, Builder(small_config().index, map))
    for column in ("terms", "video_key"):
        dataset = store.dataset("segments")
        (name,) = index_names(dataset, column)
        assert fragments_without(dataset, name) == []


def test_the_file_of_queries_that_a_config_names_is_read(
    example_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(example_store, tmp_path / "store")
    uri, queries = str(tmp_path / "store"), tmp_path / "queries.jsonl"
    config = parse_config({"index": {"queries": str(queries)}})
    with pytest.raises(InputError, match=r"queries\.jsonl"):
        publish(uri, config, NoProgress())
    queries.write_text('{"text": "retro television"}\n')
    assert publish(uri, config, NoProgress()).published


def test_exact_search_in_pieces_finds_what_it_finds_at_once(store: Store) -> None:
    for start in range(0, 900, 300):
        add(store, clustered(300, start), 10**6 + start)
    pinned = PinnedTables.newest(store)
    everything = vector_matrix(store.scan(TABLE, [COLUMN])[COLUMN])
    queries = np.concatenate([clustered(20, 77), everything[:5]])
    sets = [QuerySet("a", queries[:10]), QuerySet("b", queries[10:])]
    at_once = exact_searches(store.dataset(TABLE), COLUMN, sets)
    in_pieces = map_exact_searches(pinned, TABLE, COLUMN, sets, in_turn, 3)
    for one, other in zip(at_once, in_pieces, strict=True):
        assert np.allclose(one.limits, other.limits, atol=1e-5)
        assert one.copies.tolist() == other.copies.tolist()
        assert (one.kind, one.wanted) == (other.kind, other.wanted)
    distances = np.sort(1 - queries[:10] @ everything.T, axis=1)
    assert np.allclose(at_once[0].limits, distances[:, 9], atol=1e-5)
