"""What models must answer when they are loaded, with fakes that answer something else."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from reelshelf.models import known
from reelshelf.models.registry import load_text_reader
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.errors import ModelUnavailable
from reelshelf.schemas.media import Pixels, TextLine, Vectors
from tests.support.fakes import FakeImages, FakeReader, FakeTexts

WRONG = r"does not give the known answer to a known input: .*constraints-gpu.txt"


class Broken(FakeImages):
    """Encodes into whatever a library that does not fit may return."""

    def __init__(self, vector: Vectors) -> None:
        self._vector = vector

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        return np.stack([self._vector for _ in images])


@pytest.mark.parametrize(
    "vector", [np.full(8, np.nan, np.float32), np.zeros(8, np.float32), np.ones(8, np.float32)]
)
def test_what_is_no_unit_vector_is_refused(vector: Vectors) -> None:
    with pytest.raises(ModelUnavailable, match=WRONG):
        known.check_pictures(Broken(vector))


@pytest.mark.parametrize("space", ["offline-visual-2", "all-MiniLM-L6-v2"])
def test_known_weights_have_known_vectors(space: str) -> None:
    vector = np.eye(1, 384, dtype=np.float32)[0]
    images = Broken(vector)
    images.ref = images.ref.model_copy(update={"space": space})
    texts = FakeTexts()
    texts.ref = images.ref
    texts.encode_texts = images.encode_images  # type: ignore[method-assign,assignment]
    check: Callable[[], None] = (
        (lambda: known.check_pictures(images))
        if space.startswith("offline")
        else (lambda: known.check_sentences(texts))
    )
    with pytest.raises(ModelUnavailable, match="weights are known to give"):
        check()


def test_a_cosine_below_the_contract_is_refused() -> None:
    first, other = np.eye(2, 8, dtype=np.float32)
    near = first + 0.03 * other
    far = first + 0.06 * other
    near, far = (v / np.linalg.norm(v) for v in (near, far))
    known.check_same(near[None], first[None], "m", "cuda")
    with pytest.raises(ModelUnavailable, match=r"on a GPU .* the cosine to what a CPU answers"):
        known.check_same(far[None], first[None], "m", "cuda")
    with pytest.raises(ModelUnavailable):
        known.check_same(np.full((1, 8), np.nan, np.float32), first[None], "m", "cuda")


def test_who_reads_or_hears_something_else_is_refused() -> None:
    class Misreading(FakeReader):
        def detect(self, image: Pixels) -> tuple[TextLine, ...]:
            return ()

    with pytest.raises(ModelUnavailable, match="it reads '' where 'REELSHELF 2049' is drawn"):
        known.check_reading(Misreading())
    with pytest.raises(ModelUnavailable, match="it hears 'you'"):
        known.check_heard("you", "m", "cpu")
    known.check_heard("A red Apple, and a green Pear.", "m", "cpu")


def test_the_known_inputs_are_always_the_same() -> None:
    assert known.picture().shape == (360, 640, 3)
    assert (known.picture() == known.picture()).all()
    assert 1.0 < len(known.speech()) / 16_000 < 4.0
    assert len(known.signature(np.ones(384, np.float32))) == 16


@pytest.mark.integration
@pytest.mark.parametrize("name", ["ppocr-v6", "rapidocr"])
@pytest.mark.parametrize("side", [96, 320, 736, 1280])
def test_the_known_words_are_read_with_any_setting(name: str, side: int) -> None:
    settings = {"models": {"ocr": {"name": name}}, "ocr": {"detect_side": side}}
    known.check_reading(load_text_reader(parse_config(settings)))
