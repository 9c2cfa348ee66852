"""Tiny shops on disk, for tests with fake models."""

import atexit
import datetime as dt
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lancedb.util import value_to_sql
from PIL import Image

from reelshelf.indexer.extract import work
from reelshelf.indexer.pipeline.engine import Decode, ModelLoader
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.indexer.store.sources import note_seen, seen_files
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.keys import child_key, product_key, video_key
from tests.support.clips import BLUE, GREEN, RED, textured, write_clip
from tests.support.fakes import load_fakes

DECODE: Decode = work.decode
COLORS = {"red": RED, "green": GREEN, "blue": BLUE}


# Stores of shops that were ingested before any change, by what the shops held then.
_FIRST: dict[str, tuple[Path, IngestResult]] = {}


@dataclass
class Shop:
    """A folder with a catalog and videos.

    The first ingest of a shop that nobody has changed since `make_shop` is done once by a process;
    other shops of the same content get a copy of its store.
    """

    root: Path
    made_as: str | None = None

    @property
    def request(self) -> IngestRequest:
        return IngestRequest(
            str(self.root / "catalog" / "products.jsonl"),
            str(self.root / "videos.jsonl"),
            str(self.root / "store"),
        )

    def ingest(
        self,
        config: Config | None = None,
        loader: ModelLoader = load_fakes,
        decode: Decode = DECODE,
        *,
        verify: bool = False,
        reindex: ReindexRequest | None = None,
    ) -> IngestResult:
        """Run once; an error where that may not publish."""
        return self.run(config, loader, decode, verify=verify, reindex=reindex).or_raise()

    def run(
        self,
        config: Config | None = None,
        loader: ModelLoader = load_fakes,
        decode: Decode = DECODE,
        *,
        verify: bool = False,
        reindex: ReindexRequest | None = None,
        allow_shrink: bool = False,
    ) -> IngestResult:
        """Run once, however it ends."""
        plain = (config, loader, decode, verify, reindex) == (None, load_fakes, DECODE, False, None)
        first = self._content() if plain and self.made_as and not self._store.exists() else None
        if first is not None and first == self.made_as:
            return self._first_ingest(first)
        return self._ingest(
            config, loader, decode, verify=verify, reindex=reindex, allow_shrink=allow_shrink
        )

    @property
    def _store(self) -> Path:
        return Path(self.request.store)

    def _content(self) -> str:
        """What the shop holds: every file with its bytes."""
        digest = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                digest.update(f"{path.relative_to(self.root)}\0".encode() + path.read_bytes())
        return digest.hexdigest()

    def _first_ingest(self, content: str) -> IngestResult:
        if content not in _FIRST:
            result = self._ingest(None, load_fakes, DECODE, verify=False, reindex=None)
            kept = Path(tempfile.mkdtemp(prefix="reelshelf-tests-")) / "store"
            atexit.register(shutil.rmtree, kept.parent, ignore_errors=True)
            shutil.copytree(self._store, kept)
            _FIRST[content] = (kept, result)
            return result
        kept, result = _FIRST[content]
        shutil.copytree(kept, self._store)
        store = Store.open(self.request.store)
        # The files of this shop are others, of the same bytes: as if they had been seen here.
        files = {video_key("shop", row["video_id"]): self.root / row["file"] for row in self.rows()}
        for name in COLORS:
            key = child_key(product_key("shop", f"SKU-{name}"), f"images/{name}.png")
            files[key] = self.root / "catalog" / "images" / f"{name}.png"
        seen = seen_files(store)
        note_seen(store, {k: replace(seen[k], stamp=stamp_of(p)) for k, p in files.items()})
        source = json.dumps(self.request.source)
        store.writable("runs").update({"source": value_to_sql(source)})
        return result

    def rows(self) -> list[dict[str, str]]:
        """The manifest."""
        return [json.loads(line) for line in (self.root / "videos.jsonl").read_text().splitlines()]

    def _ingest(
        self,
        config: Config | None,
        loader: ModelLoader,
        decode: Decode,
        *,
        verify: bool,
        reindex: ReindexRequest | None,
        allow_shrink: bool = False,
    ) -> IngestResult:
        settings = config or small_config()
        request = replace(self.request, verify=verify, allow_shrink=allow_shrink)
        engine = partial(LocalEngine, loader=loader, decode=decode)
        return ingest(request, settings, engine, NoProgress(), reindex)

    def set_products(self, rows: list[dict[str, object]]) -> None:
        write_lines(self.root / "catalog" / "products.jsonl", rows)

    def set_videos(self, rows: list[dict[str, object]]) -> None:
        write_lines(self.root / "videos.jsonl", rows)


def small_config(**sections: dict[str, object]) -> Config:
    """Without the gate's questions to models, which tests of what a run asks would count."""
    gate = {"recheck": 0} | sections.pop("gate", {})
    return parse_config({"engine": {"kind": "local"}, "gate": gate, **sections})


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_config(shop: Shop, extra: str = "", profile: str = 'profile = "offline"\n') -> Path:
    """A config for `nightly` on this shop."""
    path = shop.root / "shop.toml"
    request = shop.request
    path.write_text(
        f"{profile}"
        f"[nightly]\ncatalog = {json.dumps(request.catalog)}\n"
        f"videos = {json.dumps(request.videos)}\nstore = {json.dumps(request.store)}\n"
        f"metrics = {json.dumps(str(shop.root / 'reelshelf.prom'))}\n"
        '[engine]\nkind = "local"\n[cost]\ncpu_hour = 360.0\n'
        f"{extra}"
    )
    return path


def product_row(name: str) -> dict[str, object]:
    titles = {"red": "Crimson Kettle", "green": "Fern Lamp", "blue": "Cobalt Vase"}
    return {
        "sku": f"SKU-{name}",
        "title": titles[name],
        "images": [f"images/{name}.png"],
        "category": ["Home"],
        "price": 9.5,
        "currency": "EUR",
    }


def make_shop(root: Path) -> Shop:
    """Three products of three colors and three videos; the first video also has a tone."""
    (root / "catalog" / "images").mkdir(parents=True)
    (root / "videos").mkdir()
    for name, color in COLORS.items():
        picture = Image.fromarray(textured(color, 64, 64))
        picture.save(root / "catalog" / "images" / f"{name}.png")
    shop = Shop(root)
    shop.set_products([product_row(name) for name in COLORS])
    rows: list[dict[str, object]] = []
    for name, colors in (("a", [RED, GREEN]), ("b", [BLUE]), ("c", [GREEN, GREEN, BLUE])):
        write_clip(root / "videos" / f"{name}.mp4", colors, sound=name == "a")
        rows.append({"video_id": name, "file": f"videos/{name}.mp4", "merchant_skus": []})
    shop.set_videos(rows)
    shop.made_as = shop._content()
    return shop


# What nobody reads may be pruned at once.
NO_GRACE = dt.timedelta(0)
MIXTURES = ([RED, GREEN], [BLUE], [GREEN, BLUE], [RED], [BLUE, RED, GREEN], [GREEN])


def write_nth(shop: Shop, number: int, mixture: int | None = None) -> None:
    """The n-th of many short videos; every third has sound. `mixture` gives it another content."""
    colors = MIXTURES[(number if mixture is None else mixture) % len(MIXTURES)]
    write_clip(shop.root / "videos" / f"v{number}.mp4", colors, sound=number % 3 == 0)


def list_nth(shop: Shop, numbers: Iterable[int]) -> None:
    """A manifest of these of many short videos."""
    shop.set_videos([{"video_id": f"v{i}", "file": f"videos/v{i}.mp4"} for i in numbers])


def make_many(root: Path, videos: int) -> Shop:
    """The three products, and as many short videos as asked."""
    shop = make_shop(root)
    for number in range(videos):
        write_nth(shop, number)
    list_nth(shop, range(videos))
    return shop
