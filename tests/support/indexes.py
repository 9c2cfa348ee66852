"""The vector column that index tests grow, and their settings."""

from reelshelf.schemas.config import Config
from tests.support.shops import small_config

TABLE, COLUMN = "product_images", "image_vector"


def index_config(**settings: object) -> Config:
    defaults: dict[str, object] = {
        "flat_below": 1000,
        "partitions": 32,
        "sub_vectors": 8,
        "tune_queries": 40,
    }
    return small_config(index=defaults | settings)
