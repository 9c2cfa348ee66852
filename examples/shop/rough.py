"""What real shop videos add to a clean one: `make.py --rough`.

Siblings that share a picture's shape and most of a title; pictures taken in bad light among other
things; split screens; speech under noise, and talk that uses a product's word without selling it;
captions that mislead; merchants who declare the wrong thing; copies of videos, mirrored, cropped
and graded. How rough a video is varies from video to video. The link weights that ship with
reelshelf are fitted on such a shop, since a clean one teaches too much trust.
"""

import dataclasses
import random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from shop import Item

Rgb = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.float32]

EDITIONS = ("Classic", "Sport", "Mini", "Deluxe", "Eco", "Junior")

# Sentences that use the words of products and sell none.
HEARSAY = (
    "An apple a day keeps the doctor away, they say.",
    "My uncle plays the trumpet at every wedding.",
    "Somebody kicked a football over the fence again.",
    "We watched television until midnight.",
    "The watch on the tower has stopped at noon.",
    "She read us a story about a bear and a honey thief.",
    "He lost his camera on the train to the coast.",
    "It was as dry as a cactus and as flat as bread.",
    "Keep your backpack on your lap, said the driver.",
    "They danced in a red dress and one shoe.",
    "The drum solo went on for ten minutes.",
    "There is no cheese on the moon, I checked.",
    "Put all your eggs in one basket, why not.",
    "The alarm clock of my neighbour wakes me every day.",
)
BAIT = (
    "Red carpet night",
    "2 for 1",
    "Apple pie recipe?",
    "Guitar hero mood",
    "Best price ever",
    "Order before 18:00",
    "Code 4TXXB",
    "New in",
    "Boot camp day",
    "Cap the bottle",
    "Violin lessons wanted",
    "Fresh bread smell",
)


def with_siblings(items: tuple[Item, ...], rng: random.Random) -> list[Item]:
    """The items, half of them with print on them, and other editions of every third."""
    family = [
        dataclasses.replace(item, label=item.brand or item.title.split()[0])
        if rng.random() < 0.5
        else item
        for item in items
    ]
    for item in family[::3]:
        edition = rng.choice(EDITIONS)
        family.append(
            dataclasses.replace(
                item,
                sku=f"{item.sku}-{edition[:2].upper()}",
                title=f"{item.title} {edition}",
                price=round(item.price * rng.uniform(0.8, 1.6), 2),
                description=f"{item.description} The {edition.lower()} edition.",
                spoken=f"the {edition.lower()} edition of {item.spoken}",
                hue=rng.choice((25, 50, 90, 130)),
            )
        )
    return family


def printed(sprite: Image.Image, label: str) -> Image.Image:
    """A sprite with a name on it, as packs and shoes have."""
    marked = sprite.copy()
    draw = ImageDraw.Draw(marked)
    font = ImageFont.load_default(marked.height // 8)
    box = draw.textbbox((0, 0), label.upper(), font)
    left, top = (marked.width - box[2]) // 2, (marked.height - box[3]) // 2
    pad = marked.height // 32
    draw.rectangle((left - pad, top, left + box[2] + pad, top + box[3] + pad), fill="white")
    draw.text((left, top), label.upper(), font=font, fill="black")
    return marked


def turned_hue(sprite: Rgb, hue: int) -> Rgb:
    """A sprite's colours `(H, W, 3)` moved by `hue` of OpenCV's 180 steps."""
    hsv = cv2.cvtColor(sprite, cv2.COLOR_RGB2HSV).astype(np.int32)
    hsv[..., 0] = (hsv[..., 0] + hue) % 180
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


@dataclasses.dataclass(frozen=True)
class Light:
    """How a camera saw one scene; the same for all its frames."""

    gains: tuple[float, float, float]
    gamma: float
    blur: float
    noise: float
    tilt: tuple[float, float]

    @classmethod
    def of(cls, rough: float, rng: random.Random) -> "Light":
        """Draw one; `rough` in 0..1 is how far from a studio it may be."""
        spread = 0.3 * rough
        return cls(
            tuple(rng.uniform(1 - spread, 1 + spread) for _ in range(3)),  # type: ignore[arg-type]
            rng.uniform(1 - 0.4 * rough, 1 + 0.7 * rough),
            rng.uniform(0.0, 2.2 * rough),
            rng.uniform(0.0, 14.0 * rough),
            (rng.uniform(-0.16, 0.16) * rough, rng.uniform(-0.16, 0.16) * rough),
        )

    def on(self, picture: Rgb) -> Rgb:
        """The picture under this light."""
        height, width = picture.shape[:2]
        x, y = self.tilt[0] * width, self.tilt[1] * height
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + np.array([[x, y], [-x, -y], [x, y], [-x, -y]], np.float32) / 2
        seen = cv2.warpPerspective(
            picture,
            cv2.getPerspectiveTransform(corners, moved),
            (width, height),
            borderMode=cv2.BORDER_REFLECT,
        )
        if self.blur > 0.3:
            seen = cv2.GaussianBlur(seen, (0, 0), self.blur)
        linear = (seen.astype(np.float32) / 255.0) ** self.gamma * np.array(self.gains, np.float32)
        # The same grain for the same picture, so that a still scene is still.
        grain = np.random.default_rng(height).normal(0.0, self.noise, seen.shape)
        return np.clip(linear * 255.0 + grain, 0, 255).astype(np.uint8)


def split(upper: Rgb, lower: Rgb) -> Rgb:
    """Two scenes in one frame, one above the other."""
    height = upper.shape[0]
    half = height // 2
    top = height // 4
    return np.concatenate([upper[top : top + half], lower[top : top + height - half]])


def under_noise(speech: Sound, rough: float, rng: random.Random) -> Sound:
    """Speech with brown noise at 26 dB (smooth) down to 4 dB (rough)."""
    generator = np.random.default_rng(rng.randrange(2**31))
    noise = np.cumsum(generator.normal(0.0, 1.0, len(speech)))
    noise -= np.convolve(noise, np.ones(801) / 801, mode="same")
    level = float(np.sqrt(np.mean(speech**2))) / 10 ** ((26 - 22 * rough) / 20)
    loud = float(np.sqrt(np.mean(noise**2))) or 1.0
    return np.clip(speech + noise * level / loud, -1.0, 1.0).astype(np.float32)


def copied(frames: list[Rgb], rng: random.Random) -> tuple[str, list[Rgb]]:
    """A video again, as others post it: what was done to it, and its frames."""
    how = rng.choice(("mirror", "crop", "grade", "trim"))
    if how == "mirror":
        return how, [np.ascontiguousarray(frame[:, ::-1]) for frame in frames]
    if how == "grade":
        gains = np.array([rng.uniform(0.85, 1.15) for _ in range(3)])
        return how, [np.clip(frame * gains, 0, 255).astype(np.uint8) for frame in frames]
    if how == "trim":
        return how, frames[len(frames) // 12 : -len(frames) // 12]
    height, width = frames[0].shape[:2]
    y, x = height // 14, width // 14
    return how, [cv2.resize(frame[y:-y, x:-x], (width, height)) for frame in frames]
