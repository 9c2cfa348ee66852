"""From places of videos to what is shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.curation import NOTHING_APPLIED, Applied
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.results import SearchHit, SoldProduct
from reelshelf.indexer.search.video_list import ListedVideo
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.schemas.rules import ResultKind

_FEW = 3


@dataclass(frozen=True, slots=True, eq=False)
class VideoResults:
    """Tells what is known of the videos of a release."""

    columns: ProductColumns
    links: SearchedLinks
    videos: SearchedVideos

    def hit(
        self,
        one: ListedVideo,
        applied: Applied = NOTHING_APPLIED,
        probability: float | None = None,
    ) -> SearchHit:
        """A result of the list; `applied` hides products."""
        # Copies that no retriever found belong to the cluster all the same.
        cluster = self.videos.members[int(self.videos.clusters[one.video])].tolist()
        others = [place for place in cluster if place != one.video and place not in one.copies]
        best = one.moments[0]
        return SearchHit(
            video_id=self.videos.ids[one.video],
            copies=tuple(self.videos.ids[place] for place in (*one.copies, *others)),
            score=one.score,
            start_ms=best.start_ms,
            end_ms=best.end_ms,
            products=self._sold_by(one.video, applied),
            retrievers=one.parts,
            evidence=self.links.evidence(one.link)[:_FEW] if one.link >= 0 else (),
            text=best.text,
            moments=one.moments,
            kind=self.kind(one.video),
            probability=probability,
            title=self.videos.titles[one.video],
            product=self._product_of(one.link),
        )

    def _product_of(self, link: int) -> str | None:
        """The SKU that a link is of; none for a video that no link led to."""
        return self.columns.skus.at(int(self.links.products[link])) if link >= 0 else None

    def kind(self, video: int) -> ResultKind:
        """Whether a video is a live."""
        return "live" if self.videos.lives[video] else "video"

    def _sold_by(self, video: int, applied: Applied) -> tuple[SoldProduct, ...]:
        """What a video sells; a group of which the variant is not known is one of it."""
        links = self.links
        own: dict[tuple[str, int], list[int]] = {}
        sold = links.sold[video]
        for place in sold[applied.of_products(links.products[sold]) > 0].tolist():
            group = links.groups[place] if links.unknown[place] else ""
            own.setdefault((group, -1 if group else place), []).append(place)
        return tuple(self._sold_product(places) for places in own.values())

    def _sold_product(self, places: Sequence[int]) -> SoldProduct:
        links, first = self.links, places[0]
        products = [int(links.products[place]) for place in places]
        skus = tuple(self.columns.skus.at(product) for product in products)
        return SoldProduct(
            skus[0],
            self.columns.titles[products[0]],
            float(links.scores[first]),
            links.groups[first] or None,
            skus if links.unknown[first] else (),
            bool(links.corrected[first]),
        )
