"""What is odd about rules that can be read: what they name and is not there, and contradictions."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

from reelshelf.indexer.search.arrays import shared_arrays
from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.curation import Curation, Remark
from reelshelf.indexer.search.vocabulary import told_words
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.rules import Hide, OfQueries, Pin, Redirect, Rule, Rules, Synonyms


def check_rules(rules: Rules, snapshot: ReleaseSnapshot) -> list[Remark]:
    """Remarks on rules for a release, in their order.

    Raises InputError for a filter that its catalog cannot have.
    """
    arrays = shared_arrays(snapshot)
    curation = Curation(rules, arrays.catalog, arrays.videos)
    named = list(rules.named())
    found = [
        *curation.unknown,
        *out_of_time(named, dt.datetime.now(dt.UTC)),
        *unheard(named, arrays.catalog),
        *contradictions(named, arrays.catalog),
    ]
    order = {name: number for number, (name, _) in enumerate(named)}
    return sorted(found, key=lambda remark: order[remark.rule])


def out_of_time(named: Iterable[tuple[str, Rule]], now: dt.datetime) -> Iterator[Remark]:
    """Rules that do not hold now, whatever is asked."""
    for name, rule in named:
        if rule.before is not None and rule.before <= now:
            yield Remark(name, f"held only before {rule.before:%Y-%m-%d %H:%M}")
        elif rule.since is not None and rule.since > now:
            yield Remark(name, f"holds only from {rule.since:%Y-%m-%d %H:%M} on")


def unheard(named: Iterable[tuple[str, Rule]], catalog: SearchedCatalog) -> Iterator[Remark]:
    """Synonyms that lead to nothing."""
    for name, rule in named:
        if not isinstance(rule, Synonyms):
            continue
        texts = rule.means or rule.words
        if not any(catalog.words.having(_told(text, catalog)).any() for text in texts):
            yield Remark(name, f"no product has the words of {', '.join(texts)}")


def _told(text: str, catalog: SearchedCatalog) -> tuple[str, ...]:
    return tuple(told_words(text, catalog.analyzer))


def contradictions(named: Iterable[tuple[str, Rule]], catalog: SearchedCatalog) -> Iterator[Remark]:
    """Rules for the same queries that cannot all hold."""
    of_queries = [(name, rule) for name, rule in named if isinstance(rule, OfQueries)]
    for (one_name, one), (name, rule) in combinations(of_queries, 2):
        if not _meet(one, rule, lambda text: _told(text, catalog)):
            continue
        pins = [own for own in (one, rule) if isinstance(own, Pin)]
        hides = [own for own in (one, rule) if isinstance(own, Hide)]
        if len(pins) == 2:
            places = [set(range(p.at, p.at + len(p.skus) + len(p.videos))) for p in pins]
            if places[0] & places[1]:
                yield Remark(name, f"pins to a place that {one_name} pins to for the same query")
        elif pins and hides:
            both = {*pins[0].skus, *pins[0].videos} & {*hides[0].skus, *hides[0].videos}
            if both:
                listed = ", ".join(sorted(both))
                yield Remark(name, f"{one_name} and this one pin and hide {listed}: it is hidden")
        elif isinstance(one, Redirect) and isinstance(rule, Redirect):
            yield Remark(name, f"{one_name} leads elsewhere for the same query, and comes first")


def _meet(one: OfQueries, other: OfQueries, told: Callable[[str], tuple[str, ...]]) -> bool:
    """Whether two rules hold for the same query in the same language at some time."""
    if one.language is not None and other.language is not None and one.language != other.language:
        return False
    starts = [own.since for own in (one, other) if own.since is not None]
    ends = [own.before for own in (one, other) if own.before is not None]
    if starts and ends and max(starts) >= min(ends):
        return False
    if not one.query or not other.query:
        return True
    return bool(set(map(told, one.query)) & set(map(told, other.query)))
