"""A recognizer is told of the titles that a video is likely to say, and of no others."""

from reelshelf.indexer.extract.hotwords import Hotwords
from reelshelf.indexer.text.analyzer import analyzer_of
from reelshelf.schemas.catalog import Product, VideoSource

PRODUCTS = [
    Product("A", "Zorbit kettle"),
    Product("B", "Plain kettle"),
    *(Product(f"K{n}", f"Kettle {n}") for n in range(10)),
    Product("M", "Quiet lantern", merchant_id="small"),
    *(Product(f"L{n}", f"Item {n}", merchant_id="large") for n in range(20)),
]


def told(source: VideoSource) -> tuple[str, ...]:
    other = VideoSource("other", "/other.mp4", title="a plain video")
    return Hotwords(PRODUCTS, analyzer_of("simple"), [other, source]).of(source)


def test_titles_that_are_declared_come_first_then_those_that_a_rare_word_names() -> None:
    source = VideoSource("v", "/v.mp4", merchant_skus=("B",), title="my zorbit is here")
    assert told(source) == ("Plain kettle", "Zorbit kettle")


def test_a_word_of_many_titles_names_none() -> None:
    assert told(VideoSource("v", "/v.mp4", title="a kettle")) == ()


def test_of_a_merchant_with_few_products_all_are_likely() -> None:
    assert told(VideoSource("v", "/v.mp4", merchant_id="small")) == ("Quiet lantern",)
    assert told(VideoSource("v", "/v.mp4", merchant_id="large")) == ()
    assert told(VideoSource("v", "/v.mp4")) == ()
