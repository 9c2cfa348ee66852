"""Posters of a release: real files, a real decoder in processes of its own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelshelf.indexer.pipeline import MadePosters, make_posters
from reelshelf.indexer.store import ReleaseSnapshot
from reelshelf.schemas.keys import file_sha256, poster_name
from tests.support.clips import BLUE, GREEN
from tests.support.shops import Shop, small_config

pytestmark = pytest.mark.integration


def posters(shop: Shop, folder: Path) -> tuple[MadePosters, dict[str, str]]:
    """What was made, and why something was not."""
    reasons: dict[str, str] = {}
    snapshot = ReleaseSnapshot.open(shop.request.store)
    return make_posters(snapshot, folder, small_config(), 1, reasons.__setitem__), reasons


def test_each_video_has_a_picture_of_itself_under_the_hash_of_its_bytes(
    shop: Shop, tmp_path: Path
) -> None:
    # A run of its own: one that is taken from another shop of the same bytes names its files.
    shop.ingest(small_config())
    videos = {path.stem: path for path in (shop.root / "videos").glob("*.mp4")}
    folder = tmp_path / "posters"
    # One has left, another is not what was indexed any more.
    videos["a"].unlink()
    hashes = {name: file_sha256(videos[name]) for name in ("b", "c")}
    with videos["c"].open("ab") as file:
        file.write(b"more")
    made, reasons = posters(shop, folder)
    assert made == MadePosters(made=1, kept=0, failed=2, removed=0)
    assert "not there" in reasons["a"] or "No such file" in reasons["a"]
    assert "has changed" in reasons["c"]
    (name,) = (path.name for path in folder.iterdir())
    assert name == poster_name(hashes["b"])
    shown = np.asarray(Image.open(folder / name)).mean(axis=(0, 1))
    assert np.argmax(shown) == np.argmax(BLUE), shown

    # What is of other bytes leaves, other files stay, and what is there is not made again.
    (folder / poster_name("0" * 64)).write_bytes(b"of a video that was erased")
    (folder / f"{'0' * 64}.71.part").write_bytes(b"of a run that was killed")
    (folder / "notes.txt").write_text("mine")
    with videos["c"].open("ab") as file:
        file.truncate(file.tell() - 4)
    before = (folder / name).stat().st_mtime_ns
    made, reasons = posters(shop, folder)
    assert made == MadePosters(made=1, kept=1, failed=1, removed=2)
    there = {path.name for path in folder.iterdir()}
    assert there == {name, poster_name(hashes["c"]), "notes.txt"}
    assert (folder / name).stat().st_mtime_ns == before
    shown = np.asarray(Image.open(folder / poster_name(hashes["c"]))).mean(axis=(0, 1))
    assert np.argmax(shown) == np.argmax(GREEN), shown
