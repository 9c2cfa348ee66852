"""An online searcher in plain lancedb: open what is served, answer, follow the next release.

    python -m examples.searcher STORE "retro television"

docs/searcher.md is the contract that this follows.
"""

import sys

import lancedb
from lancedb.table import Table

from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.config import stored_config
from reelshelf.schemas.release import Release
from reelshelf.schemas.tables import SCHEMA_VERSION


class Searcher:
    """Answers from one release until `follow` finds that another is served."""

    def __init__(self, uri: str) -> None:
        self.db = lancedb.connect(uri)
        self.release: Release | None = None
        self.follow()

    def follow(self) -> bool:
        """Go to the release that is served; whether it was another. One small read if it was not.

        Everything is opened before anything is replaced: until then the old release answers.
        """
        serving = self.db.open_table("head").to_arrow()["serving"][0].as_py()
        if serving is None:
            raise SystemExit("nothing has been published yet")
        if self.release is not None and serving == self.release.run_id:
            return False
        found = self.db.open_table("releases").search().where(f"run_id = '{serving}'").to_list()
        if found[0]["schema_version"] > SCHEMA_VERSION:
            raise SystemExit(
                f"release of schema {found[0]['schema_version']}: update this searcher"
            )
        # Reads records of older versions too.
        release = Release.read(found[0]["record"])
        encoder = load_query_encoder(stored_config(release.config, where=release.release_id))
        if encoder.ref.space != release.models.text.space:
            raise SystemExit(f"{encoder.ref.space} cannot search {release.models.text.space}")
        tables = {pin.name: self._pinned(pin.table, pin.version) for pin in release.tables}
        self.release, self.encoder, self.tables = release, encoder, tables
        return True

    def _pinned(self, name: str, version: int) -> Table:
        table = self.db.open_table(name)
        table.checkout(version)
        return table

    def search(self, text: str, k: int = 5) -> list[tuple[str, int, float, list[str]]]:
        """Moments that say or show words like these: video, millisecond, cosine, SKUs it sells."""
        assert self.release is not None
        index = self.release.index_of("segments", "text_vector")
        query = self.tables["segments"].search(
            self.encoder.encode_texts([text])[0], vector_column_name=index.column
        )
        query = query.distance_type("cosine").limit(k)
        if index.kind == "flat":
            query = query.bypass_vector_index()
        else:
            query = query.nprobes(index.nprobes).refine_factor(index.refine_factor)
        return [
            (hit["video_id"], hit["start_ms"], 1 - hit["_distance"], self._sold(hit["video_key"]))
            for hit in query.to_list()
        ]

    def _sold(self, video_key: str) -> list[str]:
        # Filters are made of keys, which are UUIDs: a stranger's id never gets into one.
        links = self.tables["links"].search().where(f"video_key = '{video_key}' AND score >= 0.5")
        return sorted(link["sku"] for link in links.to_list())


if __name__ == "__main__":
    searcher = Searcher(sys.argv[1])
    for video, start_ms, cosine, skus in searcher.search(sys.argv[2]):
        print(f"{cosine:.2f}  {video} at {start_ms / 1000:.1f} s  {' '.join(skus)}")
