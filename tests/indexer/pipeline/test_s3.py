"""An object store as source and as store, on loopback, with an endpoint that fails at times."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.erasing import erase
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest, plan_only
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import publish, rollback_store
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.videos import read_videos
from reelshelf.indexer.store.fence import fence
from reelshelf.indexer.store.tables import DATA_TABLES, Store
from reelshelf.jobs.cli import main
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.schemas.config import Config, StorageConfig
from reelshelf.schemas.errors import FailureKind, InputError, StoreError
from tests.support.clips import RED, TEN_COLORS, write_clip, write_long
from tests.support.fakes import decode_never, load_fakes
from tests.support.long import Decoder, chunked_config
from tests.support.object_store import (
    BUCKET,
    ENVIRONMENT,
    KEY,
    SECRET,
    Flaky,
    client,
    object_store,
    upload,
)
from tests.support.shops import make_shop, small_config

pytestmark = pytest.mark.integration


@dataclass
class CloudShop:
    proxy: Flaky
    local: Path

    @property
    def config(self) -> Config:
        return small_config(storage={"endpoint": self.proxy.endpoint, "region": "us-east-1"})

    def request(self, store: str | None = None) -> IngestRequest:
        root = f"s3://{BUCKET}/src"
        return IngestRequest(
            f"{root}/catalog/products.jsonl",
            f"{root}/videos.jsonl",
            store or f"s3://{BUCKET}/store",
        )

    def ingest(
        self, decode=None, store: str | None = None, config: Config | None = None
    ) -> IngestResult:
        def engine(c: Config) -> LocalEngine:
            return LocalEngine(c, load_fakes, decode) if decode else LocalEngine(c, load_fakes)

        return ingest(self.request(store), config or self.config, engine, NoProgress()).or_raise()


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudShop]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    shop = make_shop(tmp_path / "shop")
    with object_store() as proxy:
        upload(proxy, shop.root, "src")
        yield CloudShop(proxy, shop.root)


@pytest.mark.slow
def test_a_bucket_gives_the_rows_that_a_folder_gives_though_its_endpoint_fails_at_times(
    cloud: CloudShop, tmp_path: Path
) -> None:
    cloud.proxy.every = 9
    result = cloud.ingest()
    assert result.published
    assert cloud.proxy.failed >= 3
    cloud.proxy.every = 0
    # The same source into a folder: rows must be equal, wherever they lie.
    near = tmp_path / "near"
    cloud.ingest(store=str(near))
    far = Store.open(f"s3://{BUCKET}/store", cloud.config.storage)
    assert set(differing_rows(far, Store.open(str(near))).values()) == {0}


@pytest.mark.slow
def test_an_unchanged_bucket_is_only_listed_and_a_changed_object_is_seen(cloud: CloudShop) -> None:
    cloud.ingest()
    assert plan_only(cloud.request(), cloud.config).counts.nothing_to_do
    again = cloud.ingest(decode=decode_never)
    assert (again.published, again.calls) == (False, {})
    s3 = client(cloud.proxy)
    # Put again with the same bytes: another moment, which costs one hash. Other bytes: one video.
    s3.upload_file(str(cloud.local / "videos" / "a.mp4"), BUCKET, "src/videos/a.mp4")
    write_clip(cloud.local / "videos" / "b.mp4", [RED])
    s3.upload_file(str(cloud.local / "videos" / "b.mp4"), BUCKET, "src/videos/b.mp4")
    s3.delete_object(Bucket=BUCKET, Key="src/videos/c.mp4")
    counts = plan_only(cloud.request(), cloud.config).counts
    assert (counts.videos_changed, counts.videos_unchanged) == (1, 1)
    result = cloud.ingest(
        config=cloud.config.model_copy(
            update={"gate": cloud.config.gate.model_copy(update={"max_failure_rate": 0.5})}
        )
    )
    assert result.tally.indexed == 1
    assert [(f.video_id, f.kind) for f in result.failed] == [("c", FailureKind.UNREADABLE)]


@pytest.mark.slow
def test_the_spool_is_empty_after_a_run(cloud: CloudShop, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    storage = cloud.config.storage.model_copy(update={"spool_dir": str(spool)})
    result = cloud.ingest(config=cloud.config.model_copy(update={"storage": storage}))
    assert result.tally.indexed == 3
    assert list(spool.iterdir()) == []


@pytest.mark.slow
def test_a_long_video_is_fetched_once_and_its_copy_goes_with_the_run(
    cloud: CloudShop, tmp_path: Path
) -> None:
    write_long(cloud.local / "long.mkv", TEN_COLORS)
    far = client(cloud.proxy)
    far.upload_file(str(cloud.local / "long.mkv"), BUCKET, "src/videos/long.mkv")
    rows = [json.dumps({"video_id": "long", "file": "videos/long.mkv"})]
    far.put_object(Bucket=BUCKET, Key="src/videos.jsonl", Body="\n".join(rows).encode())
    spool = tmp_path / "spool"
    spool.mkdir()
    storage = cloud.config.storage.model_copy(update={"spool_dir": str(spool)})
    settings = chunked_config().model_copy(update={"storage": storage})
    decoder = Decoder()
    cloud.ingest(decode=decoder, config=settings)
    assert decoder.chunks == dict.fromkeys(range(5), 1)
    asked = [path.partition("?")[0] for path in cloud.proxy.paths if path.startswith("GET")]
    assert sum(path.endswith("/src/videos/long.mkv") for path in asked) == 1
    assert list(spool.iterdir()) == []


@pytest.mark.slow
def test_credentials_are_in_no_table_no_record_and_no_plan(
    cloud: CloudShop, tmp_path: Path
) -> None:
    result = cloud.ingest()
    store = Store.open(f"s3://{BUCKET}/store", cloud.config.storage)
    names = [*DATA_TABLES, "runs", "releases", "head", "store", "sources"]
    everything = [json.dumps(store.table(n).to_arrow().to_pylist(), default=str) for n in names]
    everything += [repr(result), result.newest.model_dump_json(), cloud.config.model_dump_json()]
    assert not [text for text in everything if SECRET in text or KEY in text]
    # [storage] of a config reaches commands that only read.
    storage = cloud.config.storage
    settings = tmp_path / "shop.toml"
    settings.write_text(
        f'[storage]\nendpoint = "{storage.endpoint}"\nregion = "{storage.region}"\n'
    )
    for command in ("releases", "links", "verify"):
        words = [command, "--store", f"s3://{BUCKET}/store", "--config", str(settings)]
        assert main(words) == 0, command


def test_a_prefix_lists_videos_as_a_folder_does(cloud: CloudShop) -> None:
    client(cloud.proxy).put_object(Bucket=BUCKET, Key="src/videos/notes.txt", Body=b"x")
    read = read_videos(f"s3://{BUCKET}/src/videos/", Files(cloud.config.storage))
    assert [v.video_id for v in read.videos] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [s.video_id for s in read.skipped] == ["notes.txt"]


@pytest.mark.parametrize(
    ("root", "name", "found"),
    [
        ("s3://shop/src/", "videos/a.mp4", "s3://shop/src/videos/a.mp4"),
        ("s3://shop/src/", "../secret.mp4", None),
        ("s3://shop/src/", "a/../../secret.mp4", None),
        ("s3://shop/src/", "/etc/passwd", "s3://shop/src/etc/passwd"),
        ("s3://shop/src/", "https://example.com/a.mp4", None),
        ("s3://shop/src/", "s3://other/a.mp4", None),
        ("s3://shop/src/", "s3://media/open/a.mp4", "s3://media/open/a.mp4"),
        ("s3://shop/src/", "s3://media/open/../closed/a.mp4", None),
        ("s3://shop/src/", "s3://media/openly.mp4", None),
        ("/srv/shop", "s3://media/open/a.mp4", "s3://media/open/a.mp4"),
        ("/srv/shop", "http://169.254.169.254/latest", None),
        ("/srv/shop", "file:///etc/passwd", None),
    ],
)
def test_a_row_reaches_only_what_lies_below_its_root_or_is_allowed(
    root: str, name: str, found: str | None
) -> None:
    assert Files(StorageConfig(allow=("s3://media/open",))).resolve(root, name) == found


def test_a_bucket_that_is_not_there_is_said_to_be_so(cloud: CloudShop) -> None:
    with pytest.raises(InputError, match=r"s3://nowhere/.*NoSuchBucket"):
        read_videos("s3://nowhere/videos/", Files(cloud.config.storage))


def test_a_service_that_ignores_conditions_is_refused_before_anything_is_written(
    cloud: CloudShop,
) -> None:
    cloud.proxy.ignores = ("if-none-match",)
    with pytest.raises(StoreError, match="ignores `If-None-Match`"):
        cloud.ingest()
    listed = client(cloud.proxy).list_objects_v2(Bucket=BUCKET, Prefix="store")
    assert listed["KeyCount"] == 0


@pytest.mark.slow
def test_a_writing_command_asks_a_store_that_was_moved_again(cloud: CloudShop) -> None:
    assert cloud.ingest().published
    cloud.proxy.ignores = ("if-none-match",)
    before = client(cloud.proxy).list_objects_v2(Bucket=BUCKET, Prefix="store/")["KeyCount"]
    request, config = cloud.request(), cloud.config
    for write in (
        lambda: cloud.ingest(),
        lambda: rollback_store(request.store, config.storage, None),
        lambda: publish(request.store, config, NoProgress()),
        lambda: erase(request.store, config, videos=["a"]),
    ):
        with pytest.raises(StoreError, match="ignores `If-None-Match`"):
            write()
    after = client(cloud.proxy).list_objects_v2(Bucket=BUCKET, Prefix="store/")["KeyCount"]
    assert after == before


@pytest.mark.slow
def test_a_stale_writer_is_fenced_off_in_a_bucket_too(cloud: CloudShop) -> None:
    assert cloud.ingest().published
    store = Store.open(cloud.request().store, cloud.config.storage)
    late = store.dataset("videos")
    fence(store)
    with pytest.raises(OSError, match="incompatible with concurrent transaction Restore"):
        late.delete("true")
    assert store.count("videos") == 3


@pytest.mark.slow
def test_keys_that_share_no_folder_list_no_bucket(cloud: CloudShop) -> None:
    s3 = client(cloud.proxy)
    keys = [f"folder-{i:02}/a.mp4" for i in range(60)] + [f"many/{i}.mp4" for i in range(60)]
    others = [f"m{i:04}/of-somebody" for i in range(2500)]
    for key in keys + others:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    cloud.proxy.paths.clear()
    found = Files(cloud.config.storage).stamps([f"s3://{BUCKET}/{key}" for key in keys])
    assert {type(stamp).__name__ for stamp in found} == {"SourceStamp"}
    # The others fill two and a half pages between them: one is enough for each side.
    assert len([path for path in cloud.proxy.paths if "list-type=2" in path]) == 2
