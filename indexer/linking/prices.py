"""Prices that a text states, held against those of products."""

from collections.abc import Sequence
from decimal import Decimal

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Texts
from reelshelf.indexer.text.money import Money, prices_in


class GroupPrices:
    """The prices of a catalog's products, by group."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._members = catalog.groups.members
        words = catalog.words
        self._currency = catalog.usual_currency
        # Empty where a product has none.
        self._prices = Texts.of("" if price is None else str(price) for price in words.prices)
        self._currencies = Texts.of(currency or "" for currency in words.currencies)
        self._sharing = catalog.prices

    def stated(self, text: str) -> list[Money]:
        """The prices in a text."""
        return prices_in(text, currency=self._currency)

    def agreement(self, stated: Sequence[Money], group: int) -> float:
        """1 where a product of the group costs what is stated; less where those of many do."""
        counts = [
            self._sharing.get(Decimal(self._prices[place]), 1)
            for place in self.costing(stated, group)
        ]
        return 1.0 / min(counts) if counts else 0.0

    def costing(self, stated: Sequence[Money], group: int) -> tuple[int, ...]:
        """The products of a group that cost what is stated, as places."""
        members: list[int] = self._members[group].tolist() if stated else []
        return tuple(place for place in members if self._costs(place, stated))

    def _costs(self, place: int, stated: Sequence[Money]) -> bool:
        price, currency = self._prices[place], self._currencies[place]
        return bool(price) and any(
            money.amount == Decimal(price) and (not currency or money.currency in (None, currency))
            for money in stated
        )
