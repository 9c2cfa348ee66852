"""Whether encoders mean anything: known answers, and examples from the shop itself.

An encoder that gives noise, or another input's vector, gives vectors of unit length all the same.
So each is asked for inputs whose order is known whatever the encoder is: a text and the same text
in other words are nearer to each other than to other texts, and so are pictures. And in the shop's
own tables things that belong together must be nearer than things that do not, about as often as in
the release that is served.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.rederiving import Sources
from reelshelf.indexer.quality.sampling import finding
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import among, parts
from reelshelf.schemas.gate import Finding, Scope
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.probes import Probe
from reelshelf.schemas.release import Ordering

_TEXTS = (
    ("red leather shoes for women", "women's shoes, red leather"),
    ("a coffee machine with a milk frother", "coffee machine, milk frother included"),
    ("wireless headphones with noise cancelling", "headphones, wireless, noise cancelling"),
    ("garden hose twenty meters", "hose for the garden, twenty meters"),
    ("children's winter jacket with a hood", "jacket with hood for children in winter"),
    ("stainless steel frying pan", "frying pan made of stainless steel"),
    ("dog food with salmon", "salmon food for your dog"),
    ("yoga mat, extra thick", "extra thick mat for yoga"),
    ("lipstick in dark plum", "dark plum lipstick"),
    ("desk lamp that can be dimmed", "lamp for a desk, can be dimmed"),
    ("bicycle helmet size medium", "medium size bicycle helmet"),
    ("silver necklace with a pearl", "necklace, silver, with pearl"),
)
_PICTURES, _SIDE = 12, 96
# Of noise one in twelve would be right; a small encoder may take one thing for another.
_LEAST_RIGHT = 0.6
_SAME = 0.98
_STEADY = "gives one input one vector, whatever it is encoded beside"
_PAIRS = 400
# Fewer pairs tell nothing, whatever they are.
_LEAST_PAIRS = 30


def known_answers(sources: Sources) -> Iterator[Finding]:
    """Ask both encoders what nobody can get wrong, twice and in another order."""
    texts = [Probe(n, text=text) for n, text in enumerate(t for pair in _TEXTS for t in pair)]
    yield from _answered("text encoder", texts, sources, "searches by meaning mean nothing")
    if sources.files is None:
        return  # a run that reads no pictures has loaded no encoder of them
    images = [
        Probe(2 * number + variant, image=_picture(number, variant))
        for number in range(_PICTURES)
        for variant in (0, 1)
    ]
    yield from _answered("image encoder", images, sources, "searches by picture mean nothing")


def _answered(name: str, probes: list[Probe], sources: Sources, harm: str) -> Iterator[Finding]:
    """Probes of even numbers, each followed by another wording of the same."""
    told = [list(sources.encoder.encode_probes(asked)) for asked in (probes, probes[::-1])]
    lost = next((item.why for found in told for item in found if item.vector is None), None)
    if lost is not None:
        # What cannot be encoded at all fails wherever it is needed, and says so there.
        yield Finding(column=name, claim=_STEADY, skipped=lost)
        return
    first, again = ({item.number: item.vector for item in found} for found in told)
    pairs = [(first.get(probe.number), again.get(probe.number)) for probe in probes]
    unlike = [
        number
        for number, (one, other) in enumerate(pairs)
        if one is None or other is None or not float(one @ other) >= _SAME
    ]
    yield finding(
        name,
        _STEADY,
        Scope.ALL,
        looked_at=len(probes),
        wrong=len(unlike),
        rows=len(probes),
        examples=[_shown(probes[number]) for number in unlike[:3]],
        harm=harm,
    )
    if len(first) < len(probes):
        return
    matrix = np.stack([vector for vector, _ in pairs if vector is not None])
    nearest = (matrix[1::2] @ matrix[::2].T).argmax(axis=1)
    wrong = np.flatnonzero(nearest != np.arange(len(nearest)))
    yield finding(
        name,
        "a known input is nearest to the same in other words or another light",
        Scope.ALL,
        looked_at=len(nearest),
        wrong=len(wrong),
        rows=len(nearest),
        allowed=1 - _LEAST_RIGHT,
        examples=[_shown(probes[2 * int(number)]) for number in wrong[:3]],
        harm=harm,
    )


def _shown(probe: Probe) -> str:
    return repr(probe.text) if probe.text is not None else f"made picture {probe.number // 2}"


def _picture(number: int, variant: int) -> Pixels:
    """Four fields of color, that depend on the number; another variant is lighter, and grainy."""
    colors = np.random.default_rng(number).integers(0, 220, (2, 2, 3))
    fields = np.kron(colors, np.ones((_SIDE // 2, _SIDE // 2, 1)))
    grain = np.random.default_rng((number, variant)).normal(0, 4, fields.shape)
    return np.clip(fields + 12 * variant + grain * variant, 0, 255).astype(np.uint8)


def orderings(pinned: PinnedTables, seed: int) -> dict[str, Ordering]:
    """How often things that belong together are nearer than things that do not, by kind.

    The area under the ROC curve, over pairs of a sample; kinds with few pairs are left out.
    """
    found = {
        "pictures of one product": _by_owner(
            pinned, "product_images", "image_vector", "product_key", seed
        ),
        "moments of one video": _by_owner(pinned, "segments", "frame_vector", "video_key", seed),
        "texts of one product": _by_row(pinned, "products", ("text_vector", "facts_vector"), seed),
    }
    return {
        name: _area(*pair, seed) for name, pair in found.items() if len(pair[0]) >= _LEAST_PAIRS
    }


def _by_owner(
    pinned: PinnedTables, table: str, column: str, owner: str, seed: int
) -> tuple[Vectors, Vectors]:
    """Pairs of different vectors of one owner each."""
    keys = pinned.scan(table, [owner])[owner]
    counted = pc.value_counts(keys)
    several = counted.filter(pc.greater(counted.field("counts"), 1)).field("values")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(several))[:_PAIRS]
    chosen = sorted(several.take(pa.array(order)).to_pylist())
    firsts, seconds = [], []
    for part in parts(chosen):
        rows = pinned.scan(table, [owner, column], among(owner, part)).sort_by(owner)
        vectors = vector_matrix(rows[column])
        owners = np.array(rows[owner].to_pylist())
        for key in part:
            own = vectors[owners == key]
            if len(own) > 1 and not float(own[0] @ own[-1]) >= 1 - 1e-6:
                firsts.append(own[0])
                seconds.append(own[-1])
    return _stacked(firsts, pinned, table, column), _stacked(seconds, pinned, table, column)


def _stacked(vectors: list[Vectors], pinned: PinnedTables, table: str, column: str) -> Vectors:
    if vectors:
        return np.stack(vectors)
    dim = pinned.dataset(table).schema.field(column).type.list_size
    return np.zeros((0, dim), np.float32)


def _by_row(
    pinned: PinnedTables, table: str, columns: tuple[str, str], seed: int
) -> tuple[Vectors, Vectors]:
    """Two vectors of one row each."""
    dataset = pinned.dataset(table)
    total = dataset.count_rows()
    places = np.random.default_rng(seed).choice(total, min(total, _PAIRS), replace=False)
    rows = dataset.take(np.sort(places).tolist(), columns=list(columns))
    one, other = (vector_matrix(rows[column]) for column in columns)
    return one, other


def _area(firsts: Vectors, seconds: Vectors, seed: int) -> Ordering:
    """The share of strangers that are further away than what belongs together."""
    rng = np.random.default_rng(seed)
    strangers = (np.arange(len(firsts)) + rng.integers(1, len(firsts), len(firsts))) % len(firsts)
    same: npt.NDArray[np.float32] = (firsts * seconds).sum(axis=1)
    other: npt.NDArray[np.float32] = (firsts * seconds[strangers]).sum(axis=1)
    nearer = np.where(np.isfinite(same) & np.isfinite(other), same > other, False)
    won = np.where(same == other, 0.5, nearer)
    return Ordering(share=float(won.mean()), error=float(won.std() / np.sqrt(len(won))))
