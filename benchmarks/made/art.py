"""Sprites of the things in made shops: RGBA pictures cut out of their background.

A 3D model is rendered from as many sides as are asked for, so that a video shows another side of a
product than its catalog does. A photograph or a drawing has one side.
"""

import io
import json
import random
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
import resvg_py
import vtk
from PIL import Image
from vtk.util.numpy_support import vtk_to_numpy

SIDE = 384
_RENDERED = ("kettle", "salon", "attic")
_PHOTOGRAPHED = ("orchard", "menagerie")
# A face needs three corners; some models have lines among their faces.
_CORNERS = 4


class Art:
    """Reads what `packages.unpack` has unpacked."""

    def __init__(self, unpacked: Path, kept: Path) -> None:
        self._unpacked = unpacked
        self._kept = kept

    def sprite(self, shop: str, art: str, side: int) -> Image.Image:
        """A thing seen from one of its sides, RGBA, cropped to what is there."""
        file = self._kept / shop / f"{art.replace('/', '_')}.{side}.webp"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            made = _cropped(self._made(shop, art, side))
            made.save(file, lossless=True)
        return Image.open(file).convert("RGBA")

    def sides(self, shop: str) -> int:
        """How many different sides its things have."""
        return 8 if shop in _RENDERED else 1

    def _made(self, shop: str, art: str, side: int) -> Image.Image:
        if shop in _RENDERED:
            return self._rendered(art, side)
        if shop in _PHOTOGRAPHED:
            return Image.open(self._stamps[art]).convert("RGBA")
        if shop == "pixel":
            folder = self._unpacked / "lobehub-fluent-emoji-3d" / "package" / "assets"
            return Image.open(folder / f"{art}.webp").convert("RGBA")
        if shop == "ink":
            folder = self._unpacked / "openmoji" / "package" / "color" / "svg"
            drawn = resvg_py.svg_to_bytes(
                svg_path=str(folder / f"{self._codes[art]}.svg"), width=SIDE
            )
            return Image.open(io.BytesIO(bytes(drawn))).convert("RGBA")
        folder = self._unpacked / "openclipart-png" / "usr/share/openclipart/png"
        return Image.open(folder / f"{art}.png").convert("RGBA")

    @cached_property
    def _stamps(self) -> dict[str, Path]:
        folder = self._unpacked / "tuxpaint-stamps-default" / "usr/share/tuxpaint/stamps"
        return {file.stem: file for file in sorted(folder.glob("**/*.png"))}

    @cached_property
    def _codes(self) -> dict[str, str]:
        file = self._unpacked / "openmoji" / "package" / "data" / "openmoji.json"
        return {row["annotation"].upper(): row["hexcode"] for row in json.loads(file.read_text())}

    @cached_property
    def _models(self) -> dict[str, tuple[Path, str]]:
        """Catalog and path of each 3D model, by the name that its catalog gives it."""
        found: dict[str, tuple[Path, str]] = {}
        folder = self._unpacked / "sweethome3d-furniture" / "usr/share/sweethome3d/furniture"
        for file in sorted(folder.glob("*.sh3f")):
            with zipfile.ZipFile(file) as archive:
                text = archive.read("PluginFurnitureCatalog.properties").decode("latin1")
            rows = dict(re.findall(r"^(\w+#\d+)=(.*)$", text, re.MULTILINE))
            for key, name in rows.items():
                if key.startswith("id#"):
                    model = rows[key.replace("id#", "model#")].lstrip("/")
                    found.setdefault(name.strip().split("#")[-1], (file, model.strip()))
        return found

    def _rendered(self, art: str, side: int) -> Image.Image:
        rng = random.Random(f"{art} {side}")  # noqa: S311 - no secret hangs on it
        # The first side is that of a studio; others are wherever somebody stands.
        turn, lift = (30.0, 15.0) if side == 0 else (rng.uniform(-80, 80), rng.uniform(5, 50))
        with _unzipped(*self._models[art]) as model:
            return _render(model, turn, lift)


@contextmanager
def _unzipped(archive: Path, model: str) -> Iterator[Path]:
    """The model's files in a folder that lasts as long as this."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as zipped:
        beside = model.rsplit("/", 1)[0] + "/"
        zipped.extractall(folder, [name for name in zipped.namelist() if name.startswith(beside)])
        file = Path(folder) / model
        lines = file.read_text(encoding="latin1").splitlines()
        faces = (
            line
            for line in lines
            if not (line.startswith(("f ", "l ")) and len(line.split()) < _CORNERS)
        )
        file.write_text("\n".join(faces) + "\n", encoding="latin1")
        yield file


def _render(model: Path, turn: float, lift: float) -> Image.Image:
    importer = vtk.vtkOBJImporter()
    importer.SetFileName(str(model))
    if model.with_suffix(".mtl").exists():
        importer.SetFileNameMTL(str(model.with_suffix(".mtl")))
    importer.SetTexturePath(str(model.parent))
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(SIDE, SIDE)
    window.SetAlphaBitPlanes(1)
    window.SetMultiSamples(8)
    importer.SetRenderWindow(window)
    importer.Update()
    renderer = window.GetRenderers().GetFirstRenderer()
    renderer.SetBackgroundAlpha(0)
    camera = renderer.GetActiveCamera()
    renderer.ResetCamera()
    camera.Azimuth(turn)
    camera.Elevation(lift)
    renderer.ResetCamera()
    window.Render()
    shot = vtk.vtkWindowToImageFilter()
    shot.SetInput(window)
    shot.SetInputBufferTypeToRGBA()
    shot.ReadFrontBufferOff()
    shot.Update()
    pixels = vtk_to_numpy(shot.GetOutput().GetPointData().GetScalars())
    return Image.fromarray(np.flipud(pixels.reshape(SIDE, SIDE, 4)).astype(np.uint8))


def _cropped(sprite: Image.Image) -> Image.Image:
    """What is there of a sprite, in a square of SIDE."""
    box = sprite.getchannel("A").point(lambda alpha: 255 * (alpha > 8)).getbbox()
    if box is None:
        raise ValueError("a sprite shows nothing: choose another one")
    sprite = sprite.crop(box)
    scale = SIDE / max(sprite.size)
    sprite = sprite.resize(
        (max(1, round(sprite.width * scale)), max(1, round(sprite.height * scale))),
        Image.Resampling.LANCZOS,
    )
    square = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    square.paste(sprite, ((SIDE - sprite.width) // 2, (SIDE - sprite.height) // 2))
    return square
