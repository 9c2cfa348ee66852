"""What real shop videos add to a clean one: `make.py --rough`.

Siblings that share a picture's shape and most of a title; pictures taken in bad light among other
things; split screens; speech under noise, and talk that uses a product's word without selling it;
captions that mislead; merchants who declare the wrong thing; copies of videos, mirrored, cropped
and graded. How rough a video is varies from video to video. The link weights that ship with
reelshelf are fitted on such a shop, since a clean one teaches too much trust.
"""

import dataclasses
import random

from shop import Item

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
