"""Prices that a text states, held against those of products."""

from collections import Counter
from collections.abc import Mapping, Sequence

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.money import Money, prices_in


def usual_currency(used: Mapping[str, int]) -> str | None:
    """What a number without a currency is in: what most products are in, "" being none."""
    named = {currency: count for currency, count in used.items() if currency}
    return max(sorted(named), key=named.__getitem__, default=None)


class GroupPrices:
    """The prices of a catalog's products, by group."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._catalog = catalog
        self._currency = usual_currency(Counter(c or "" for c in catalog.words.currencies))
        self._sharing = catalog.prices

    def stated(self, text: str) -> list[Money]:
        """The prices in a text."""
        return prices_in(text, currency=self._currency)

    def agreement(self, stated: Sequence[Money], group: int) -> float:
        """1 where a product of the group costs what is stated; less where those of many do."""
        counts = [
            self._sharing[price]
            for place in self._catalog.groups.members[group].tolist()
            if (price := self._catalog.product(place).price) is not None
            and self._costs(place, stated)
        ]
        return 1.0 / min(counts) if counts else 0.0

    def costing(self, stated: Sequence[Money], group: int) -> tuple[int, ...]:
        """The products of a group that cost what is stated, as places."""
        members: list[int] = self._catalog.groups.members[group].tolist()
        return tuple(place for place in members if self._costs(place, stated))

    def _costs(self, place: int, stated: Sequence[Money]) -> bool:
        product = self._catalog.product(place)
        return product.price is not None and any(
            money.amount == product.price
            and (None in (money.currency, product.currency) or money.currency == product.currency)
            for money in stated
        )
