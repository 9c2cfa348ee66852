"""Make a small shop: catalogue, pictures, videos, queries and the truth about them.

    python examples/shop/make.py --out examples/shop      the shop that the repository ships
    python examples/shop/make.py --out DIR --seed 7 --videos 60            another one
    python examples/shop/make.py --out DIR --seed 7 --videos 120 --rough   a harder one (rough.py)

Pictures are renders from art/ (see CREDITS.md), moved by a virtual camera. Speech comes from
espeak-ng, which must be on the PATH here; nothing else in reelshelf needs it. The layout is that of
any folder `python -m benchmarks.shop` reads.
"""

import argparse
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from media import (
    FPS,
    Light,
    Rgb,
    filmed,
    printed,
    say,
    split,
    turned_hue,
)
from PIL import Image, ImageDraw, ImageFont
from rough import BAIT, HEARSAY, with_siblings
from shop import CHATTER, ITEMS, STRANGERS, TEASERS, Item

HERE = Path(__file__).parent

# Which senses carry the links of a video, in the mix of the shipped shop.
KINDS = [
    "visual",
    "visual",
    "visual",
    "visual",
    "visual",
    "visual",
    "ocr",
    "ocr",
    "asr",
    "asr",
    "visual+ocr",
    "visual+ocr",
    "visual+asr",
    "visual+asr",
    "visual+ocr+asr",
    "none",
    "none",
    "none",
    "visual",
    "asr",
]


@dataclass
class Scene:
    """One shot: what is seen, written and said in it."""

    seconds: float
    sprite: str | None = None
    hue: int = 0
    label: str | None = None
    beside: str | None = None
    caption: str | None = None
    speech: str | None = None
    sold: list[tuple[Item, str]] = field(default_factory=list)


@dataclass
class Plan:
    """One video before it is rendered."""

    video_id: str
    kind: str
    scenes: list[Scene]
    merchant: list[Item]
    landscape: bool
    music: bool
    rough: float = 0.0


def plan_video(number: int, kind: str, items: list[Item], rng: random.Random) -> Plan:
    """Decide what a video shows."""
    senses = set(kind.split("+")) - {"none"}
    scenes = [Scene(rng.uniform(1.6, 2.4), caption=rng.choice(TEASERS), speech=rng.choice(CHATTER))]
    for item in items if senses else []:
        scene = Scene(rng.uniform(2.6, 3.6), sprite=rng.choice(STRANGERS))
        if "visual" in senses:
            scene.sprite, scene.hue, scene.label = item.art, item.hue, item.label
            scene.sold.append((item, "visual"))
        if "ocr" in senses:
            price = rng.choice(("", f"\nonly {item.price:.2f}"))
            scene.caption = item.title + price
            scene.sold.append((item, "ocr"))
        if "asr" in senses:
            said = rng.choice((item.title, item.title, item.spoken))
            scene.speech = rng.choice((f"I really like the {said}.", f"Look at {said}, it is new."))
            scene.sold.append((item, "asr"))
        scenes.append(scene)
        if rng.random() < 0.5:
            scenes.append(Scene(rng.uniform(1.4, 2.2), sprite=rng.choice(STRANGERS)))
    if not senses:
        scenes += [Scene(rng.uniform(2.0, 3.0), sprite=s) for s in rng.sample(STRANGERS, 2)]
    scenes[-1].speech = scenes[-1].speech or rng.choice(CHATTER)
    merchant = [item for item in items if rng.random() < 0.3]
    if kind == "none" and rng.random() < 0.5:
        merchant = items[:1]  # a declaration that is wrong
    silent = "asr" not in senses and rng.random() < 0.5
    if silent:
        for scene in scenes:
            scene.speech = None
    return Plan(
        f"clip-{number:02d}",
        kind,
        scenes,
        merchant,
        rng.random() < 0.25,
        silent and number % 2 == 0,
    )


def roughen(plan: Plan, items: list[Item], rng: random.Random) -> None:
    """Make a plan harder: hearsay, bait, split screens, wrong declarations."""
    plan.rough = rng.random()
    for scene in plan.scenes:
        if scene.sold:
            if rng.random() < 0.3 * plan.rough:
                scene.beside = rng.choice(STRANGERS)
            continue
        if scene.caption and rng.random() < 0.3:
            scene.caption = rng.choice(BAIT)
        if scene.speech and rng.random() < 0.15:
            scene.speech = rng.choice(HEARSAY)
    sold = {item.sku for scene in plan.scenes for item, _ in scene.sold}
    plan.merchant = [i for i in plan.merchant if i.sku in sold] if rng.random() < 0.9 else []
    if rng.random() < 0.08:
        plan.merchant.append(rng.choice([item for item in items if item.sku not in sold]))


def background(size: tuple[int, int], rng: random.Random) -> Rgb:
    """A wall, a table or a pattern, larger than the frame so that a camera can move over it."""
    width, height = (round(side * 1.3) for side in size)
    a, b = (np.array([rng.randint(30, 225) for _ in range(3)], np.float32) for _ in range(2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    match rng.randrange(4):
        case 0:
            mix = y / height
        case 1:
            mix = ((x // rng.randint(40, 90) + y // rng.randint(40, 90)) % 2) * 0.35 + 0.2
        case 2:
            mix = (y > height * rng.uniform(0.5, 0.7)) * 0.8
        case _:
            mix = 0.5 + 0.4 * np.sin(x / rng.uniform(20, 60) + np.sin(y / 50.0))
    grain = np.random.default_rng(rng.randrange(2**31)).normal(0, 5, (height, width, 1))
    picture = a + (b - a) * np.asarray(mix, np.float32)[..., None] + grain
    return np.clip(picture, 0, 255).astype(np.uint8)


def place(
    canvas: Rgb,
    art: str,
    size: float,
    turn: float,
    at: tuple[float, float],
    lit: float,
    hue: int = 0,
    label: str | None = None,
) -> Rgb:
    """Paste a sprite: `size` and `at` are fractions of the canvas's short side and extents."""
    sprite = Image.open(HERE / "art" / f"{art}.webp").convert("RGBA")
    sprite = printed(sprite, label) if label else sprite
    side = max(8, round(min(canvas.shape[:2]) * size))
    sprite = sprite.resize((side, side), Image.Resampling.LANCZOS)
    sprite = sprite.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    pixels = np.asarray(sprite).astype(np.float32)
    base = Image.fromarray(canvas)
    shade = np.clip(pixels[..., :3] * lit, 0, 255).astype(np.uint8)
    colour = Image.fromarray(turned_hue(shade, hue) if hue else shade)
    mask = Image.fromarray(pixels[..., 3].astype(np.uint8))
    left = round(at[0] * canvas.shape[1] - colour.width / 2)
    top = round(at[1] * canvas.shape[0] - colour.height / 2)
    base.paste(colour, (left, top), mask)
    return np.asarray(base)


def caption(canvas: Rgb, text: str, rng: random.Random) -> Rgb:
    """Write a caption on a plate, as phones do."""
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture, "RGBA")
    font = ImageFont.load_default(rng.choice((22, 25)))
    words, lines = text.replace("\n", " \n ").split(" "), [""]
    for word in words:
        if word == "\n" or draw.textlength(f"{lines[-1]} {word}", font) > picture.width * 0.86:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    body = "\n".join(line for line in lines if line)
    box = draw.multiline_textbbox((0, 0), body, font)
    left = (picture.width - box[2]) / 2
    top = picture.height * rng.choice((0.08, 0.72))
    draw.rectangle((left - 10, top - 8, left + box[2] + 10, top + box[3] + 10), fill=(0, 0, 0, 190))
    draw.multiline_text((left, top), body, font=font, fill=(255, 255, 255, 255), align="center")
    return np.asarray(picture)


def stage(scene: Scene, size: tuple[int, int], rough: float, rng: random.Random) -> Rgb:
    """What the camera of a scene moves over: a sprite on a background, things around it."""
    wide = background(size, rng)
    scale, turn = rng.uniform(0.5, 0.8), rng.uniform(-22, 22)
    if not scene.sprite:
        return wide
    if not rough:
        at = (rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.6))
        return place(wide, scene.sprite, scale / 1.15, turn, at, rng.uniform(0.75, 1.1))
    for _ in range(rng.randrange(1 + round(4 * rough))):
        at = (rng.random(), rng.random())
        wide = place(wide, rng.choice(STRANGERS), rng.uniform(0.2, 0.4), turn, at, 1.0)
    heap = rng.randrange(3, 9) if rng.random() < 0.4 * rough else 1
    for _ in range(heap):
        spread = 0.1 if heap == 1 else 0.35
        at = (0.5 + rng.uniform(-spread, spread), 0.5 + rng.uniform(-spread, spread))
        big = rng.uniform(0.45, 0.95) if heap == 1 else rng.uniform(0.3, 0.5)
        turn = rng.uniform(-60, 60) * rough
        lit = rng.uniform(0.75, 1.1)
        wide = place(wide, scene.sprite, big / 1.15, turn, at, lit, scene.hue, scene.label)
    return wide


def render_scene(
    scene: Scene, size: tuple[int, int], rough: float, rng: random.Random
) -> list[Rgb]:
    """All frames of a shot: its stage under a slow camera."""
    wide = stage(scene, size, rough, rng)
    if rough:
        light = Light.of(rough, rng)
        if scene.beside:
            other = stage(Scene(0.0, sprite=scene.beside), size, rough, rng)
            wide = split(wide, other)
        wide = light.on(wide)
    seed, dx, dy = rng.random(), rng.uniform(-1, 1), rng.uniform(-1, 1)
    frames = []
    count = round(scene.seconds * FPS)
    width, height = size
    for i in range(count):
        t = i / count
        zoom = 1.0 + 0.1 * t
        w, h = width * 1.2 / zoom, height * 1.2 / zoom
        centre = (
            wide.shape[1] / 2 + dx * 12 * (t - 0.5),
            wide.shape[0] / 2 + dy * 12 * (t - 0.5),
        )
        corners = np.array(
            [[centre[0] - w / 2, centre[1] - h / 2], [centre[0] + w / 2, centre[1] - h / 2],
             [centre[0] - w / 2, centre[1] + h / 2]], np.float32,
        )  # fmt: skip
        target = np.array([[0, 0], [width, 0], [0, height]], np.float32)
        frame = cv2.warpAffine(
            wide, cv2.getAffineTransform(corners, target), size, borderMode=cv2.BORDER_REFLECT
        )
        if scene.caption:
            frame = caption(frame, scene.caption, random.Random(seed))
        frames.append(frame)
    return frames


def render(plan: Plan, folder: Path, rng: random.Random) -> list[dict[str, object]]:
    """Write one video, and some as a copy as well; return their rows of labels."""
    size = (512, 288) if plan.landscape else (288, 512)
    voice = rng.choice(("en-us", "en-gb", "en-us+f3", "en-gb+f2"))
    film = filmed(
        plan.scenes,
        lambda scene: render_scene(scene, size, plan.rough, rng),
        lambda text: say(text, voice),
        plan.music,
        plan.rough or None,
        rng,
    )
    videos = folder / "videos"
    rows = [film.write(videos, plan.video_id, plan.kind, "slow")]
    if plan.rough and rng.random() <= 0.12:
        rows.append(film.write_copy(videos, plan.video_id, plan.kind, "slow", rng))
    return rows


def picture(item: Item, number: int, rough: bool, rng: random.Random) -> Image.Image:
    """A product picture: on white first, then as a customer might have taken it."""
    size = (256, 256)
    if number == 0:
        canvas = np.full((256, 256, 3), 250, np.uint8)
        return Image.fromarray(
            place(canvas, item.art, 0.85, 0, (0.5, 0.5), 1.0, item.hue, item.label)
        )
    if rough:
        bad = rng.random()
        scene = stage(
            Scene(0.0, sprite=item.art, hue=item.hue, label=item.label), size, bad or 0.1, rng
        )
        return Image.fromarray(cv2.resize(Light.of(bad, rng).on(scene), size))
    canvas = cv2.resize(background(size, rng), size)
    lit = rng.uniform(0.85, 1.1)
    return Image.fromarray(place(canvas, item.art, 0.8, rng.uniform(-15, 15), (0.5, 0.5), lit))


def write_catalogue(out: Path, items: list[Item], rough: bool, rng: random.Random) -> None:
    """Write products.jsonl and the pictures."""
    rows = []
    for item in items:
        images = []
        for number in range(rng.choice((1, 2, 3)) if rough else 2):
            name = f"images/{item.sku}_{number}.webp"
            picture(item, number, rough, rng).save(out / "catalog" / name, quality=80, method=6)
            images.append(name)
        rows.append(
            {"sku": item.sku, "title": item.title, "brand": item.brand,
             "category": list(item.category), "price": item.price, "currency": "EUR",
             "description": item.description, "images": images,
             "attributes": dict(item.attributes)}
        )  # fmt: skip
    write_lines(out / "catalog" / "products.jsonl", rows)


def write_queries(
    out: Path, items: list[Item], labels: list[dict[str, object]], rng: random.Random
) -> None:
    """Text queries by title and by description, image queries, and one spoken phrase."""
    found: dict[str, list[str]] = {}
    spoken_in: dict[str, list[str]] = {}
    for row in labels:
        for link in row["links"]:  # type: ignore[attr-defined]
            found.setdefault(link["sku"], []).append(str(row["video_id"]))
            if link["evidence"] == ["asr"]:
                spoken_in.setdefault(link["sku"], []).append(str(row["video_id"]))
    shown = [item for item in items if item.sku in found]
    (out / "query_images").mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    for item in shown:
        rows.append({"kind": "title", "text": item.title, "skus": [item.sku]})
        rows.append({"kind": "paraphrase", "text": item.spoken, "skus": [item.sku]})
    for item in rng.sample(shown, min(6, len(shown))):
        name = f"query_images/{item.sku}.webp"
        picture(item, 1, False, rng).save(out / name, quality=80)
        rows.append({"kind": "image", "text": None, "image": name, "skus": [item.sku]})
    for item in [i for i in items if i.sku in spoken_in][:1]:
        rows.append({"kind": "speech", "text": f"I really like the {item.title}",
                     "skus": [item.sku]})  # fmt: skip
    for number, row in enumerate(rows):
        skus = row.pop("skus")
        row["query_id"] = f"q{number:03d}"
        row["relevant_skus"] = skus
        row["relevant_video_ids"] = sorted({v for s in skus for v in found[s]})  # type: ignore[attr-defined]
    write_lines(out / "queries.jsonl", rows)


def write_lines(path: Path, rows: list[dict[str, object]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def main() -> None:
    """Make the shop."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--videos", type=int, default=len(KINDS))
    parser.add_argument("--rough", action="store_true", help="as real videos are, see rough.py")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for name in ("catalog/images", "videos"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    catalogue = with_siblings(ITEMS, rng) if args.rough else list(ITEMS)
    write_catalogue(args.out, catalogue, args.rough, rng)
    labels: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    for number in range(args.videos):
        kind = KINDS[number % len(KINDS)]
        items = rng.sample(catalogue, rng.choice((1, 1, 2)))
        plan = plan_video(number + 1, kind, items, rng)
        if args.rough:
            roughen(plan, catalogue, rng)
        made = render(plan, args.out, rng)
        labels += made
        skus = [item.sku for item in plan.merchant]
        rows += [
            {"video_id": row["video_id"], "file": f"videos/{row['video_id']}.mp4",
             "merchant_skus": skus if row["duplicate_of"] is None else []}
            for row in made
        ]  # fmt: skip
    write_lines(args.out / "videos.jsonl", rows)
    write_lines(args.out / "labels.jsonl", labels)
    write_queries(args.out, catalogue, labels, rng)


if __name__ == "__main__":
    main()
