"""What the clips of a made shop show, say and write, and what is true of them."""

import random
from dataclasses import dataclass, field

from benchmarks.made.goods import Item
from benchmarks.made.styles import Style

CLIPS = 70
# Forty clips sell something: by what they show, write and say. Thirty sell nothing.
_SELLING = (
    ["visual"] * 13 + ["ocr"] * 7 + ["asr"] * 8 + ["visual+ocr"] * 4 + ["visual+asr"] * 4
    + ["visual+ocr+asr"] * 4
)  # fmt: skip
_NOTHING = (
    ["near miss"] * 9 + ["same brand"] * 4 + ["same words"] * 6 + ["screen"] * 3 + ["pattern"] * 3
    + ["chatter"] * 3 + ["wrong declaration"] * 2
)  # fmt: skip
_OTHER_GOODS = ("Gift Card", "Sticker Sheet", "Care Kit", "Spare Lid", "Winter Catalog", "Bundle")


@dataclass
class Shown:
    """A thing in a picture: its art, from which side, in which hue, with which print."""

    art: str
    side: int = 0
    hue: int = 0
    label: str | None = None


@dataclass
class Scene:
    """One shot: what is seen, written and said in it, and which products that shows."""

    seconds: float
    shown: Shown | None = None
    caption: str | None = None
    speech: str | None = None
    kind: str = "wall"
    sold: list[tuple[Item, str]] = field(default_factory=list)


@dataclass
class Clip:
    """One video before it is filmed. `rough`, 0..1, is how far it is from a studio."""

    video_id: str
    kind: str
    scenes: list[Scene]
    declared: list[Item]
    rough: float
    music: bool
    copy: bool


def plan(shop: str, items: list[Item], style: Style, sides: int, rng: random.Random) -> list[Clip]:
    """All clips of a shop, in the order of their ids."""
    kinds = _SELLING + _NOTHING
    assert len(kinds) == CLIPS
    rng.shuffle(kinds)
    planner = _Planner(items, style, sides, rng)
    clips = [planner.clip(f"{shop}-{number:02d}", kind) for number, kind in enumerate(kinds)]
    for clip in rng.sample([clip for clip in clips if clip.declared or clip.kind == "visual"], 4):
        clip.copy = True
    return clips


class _Planner:
    def __init__(self, items: list[Item], style: Style, sides: int, rng: random.Random) -> None:
        self._items, self._style, self._sides, self._rng = items, style, sides, rng

    def clip(self, video_id: str, kind: str) -> Clip:
        rng = self._rng
        sells = kind in _SELLING
        sold = rng.sample(self._items, rng.choice((1, 1, 2))) if sells else []
        if "visual" in kind:
            sold = [item if item.pictures else self._items[0] for item in sold]
        scenes = [self._opening()]
        for item in sold:
            scenes.append(self._selling(item, set(kind.split("+"))))
            if rng.random() < 0.4:
                scenes.append(Scene(rng.uniform(1.4, 2.2), shown=self._stranger()))
        if not sells:
            scenes += self._nothing(kind)
        if "asr" not in kind and rng.random() < 0.6:
            scenes[-1].speech = scenes[-1].speech or rng.choice(self._style.chatter)
        silent = "asr" not in kind and not any(scene.speech for scene in scenes)
        return Clip(
            video_id, kind, scenes, self._declared(sold, kind), rng.random(),
            music=silent and rng.random() < 0.6, copy=False,
        )  # fmt: skip

    def _opening(self) -> Scene:
        rng, style = self._rng, self._style
        caption = rng.choice(style.teasers) if rng.random() < 0.7 else None
        speech = rng.choice(style.chatter) if rng.random() < 0.6 else None
        return Scene(rng.uniform(1.5, 2.3), caption=caption, speech=speech)

    def _selling(self, item: Item, modalities: set[str]) -> Scene:
        rng, style = self._rng, self._style
        scene = Scene(rng.uniform(2.4, 3.6), shown=self._stranger())
        if "visual" in modalities:
            scene.shown = Shown(item.art, self._other_side(), item.hue, item.label)
            scene.sold.append((item, "visual"))
        elif rng.random() < 0.4:
            scene.shown = None
        if "ocr" in modalities:
            template = rng.choice(style.writes)
            scene.caption = template.format(item.title, price=style.price.format(item.price))
            scene.sold.append((item, "ocr"))
        if "asr" in modalities:
            named = item.title if rng.random() < 0.5 else item.spoken
            scene.speech = rng.choice(style.says).format(named)
            scene.sold.append((item, "asr"))
        return scene

    def _nothing(self, kind: str) -> list[Scene]:
        rng, style = self._rng, self._style
        # A word of a title is not the title.
        item = rng.choice([item for item in self._items if " " in item.title])
        noun = item.title.split()[-1]
        scenes = [Scene(rng.uniform(2.0, 3.2), shown=self._stranger()) for _ in range(2)]
        match kind:
            case "near miss":
                scenes[0].shown = self._stranger(nearest=8)
            case "same brand":
                brand = item.brand or item.category[-1]
                name = f"{brand} {rng.choice(_OTHER_GOODS)}"
                if rng.random() < 0.5:
                    scenes[0].caption = name
                else:
                    scenes[0].speech = rng.choice(style.says).format(f"the {name}")
            case "same words":
                if rng.random() < 0.5:
                    scenes[0].caption = rng.choice(style.bait).format(noun)
                else:
                    scenes[0].speech = rng.choice(style.hearsay).format(noun.lower())
            case "screen":
                scenes[0] = Scene(3.0, kind="screen", caption=rng.choice(style.teasers))
            case "pattern":
                scenes = [Scene(2.5, kind="pattern"), Scene(2.0, kind="pattern")]
            case "chatter":
                scenes[0].speech, scenes[1].speech = rng.sample(style.chatter, 2)
        return scenes

    def _declared(self, sold: list[Item], kind: str) -> list[Item]:
        rng = self._rng
        if kind == "wrong declaration":
            return [rng.choice(self._items)]
        declared = [item for item in sold if rng.random() < 0.3]
        if rng.random() < 0.04:
            declared.append(rng.choice([item for item in self._items if item not in sold]))
        return declared

    def _stranger(self, nearest: int | None = None) -> Shown:
        art = self._rng.choice(self._style.strangers[:nearest])
        return Shown(art, self._other_side())

    def _other_side(self) -> int:
        """A side that no catalog picture shows, where there is one."""
        return self._rng.randrange(3, self._sides) if self._sides > 3 else 0
