"""What the example shop sells and what its videos show: data only, see make.py."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """A product and the picture in art/ it is made from."""

    art: str
    sku: str
    title: str
    brand: str | None
    category: tuple[str, ...]
    price: float
    description: str
    spoken: str
    attributes: tuple[tuple[str, str], ...] = ()
    hue: int = 0
    label: str | None = None


def _item(
    art: str,
    title: str,
    brand: str | None,
    category: str,
    price: float,
    description: str,
    spoken: str,
    **attributes: str,
) -> Item:
    # SKUs look like a shop's: letters of the department and a number that means nothing.
    number = 1000 + sum(ord(c) * (i + 3) for i, c in enumerate(art)) % 9000
    department = category.split("/")[0][:2].upper()
    return Item(
        art,
        f"{department}-{number}",
        title,
        brand,
        tuple(category.split("/")),
        price,
        description,
        spoken,
        tuple(attributes.items()),
    )


ITEMS = (
    _item("red-apple", "Ruby Orchard Apple", None, "Food/Fruit", 0.79,
          "A sweet red apple with a thin, crisp skin.", "this sweet red apple", colour="red"),
    _item("green-apple", "Tart Meadow Apple", None, "Food/Fruit", 0.69,
          "A sour green apple for baking and for salads.", "this sour green apple", colour="green"),
    _item("banana", "Sunny Bay Banana", None, "Food/Fruit", 0.35,
          "A ripe banana, soft and sweet.", "a ripe yellow banana", colour="yellow"),
    _item("avocado", "Butter Ridge Avocado", None, "Food/Fruit", 1.49,
          "A creamy avocado, ready to eat on toast.", "this creamy avocado", colour="green"),
    _item("cheese", "Alpine Hollow Cheese", "Almhof", "Food/Dairy", 4.95,
          "A mild yellow hard cheese with large holes.", "a mild cheese with holes"),
    _item("bread", "Old Mill Sandwich Loaf", "Almhof", "Food/Bakery", 2.80,
          "A soft white loaf of bread for toast and sandwiches.", "a soft loaf of white bread"),
    _item("doughnut", "Cocoa Sprinkle Doughnut", None, "Food/Bakery", 1.20,
          "A ring doughnut with chocolate icing and sprinkles.", "a chocolate doughnut"),
    _item("honey-pot", "Lime Blossom Honey", "Bienenfleiss", "Food/Pantry", 6.40,
          "Clear honey in an earthenware pot with a dipper.", "a pot of honey"),
    _item("teapot", "Rosso Teapot", "Casa Lume", "Home/Kitchen", 34.0,
          "A round red porcelain teapot for four cups.", "a round red pot for tea", colour="red"),
    _item("guitar", "Comet Electric Guitar", "Nordwind", "Music/Strings", 289.0,
          "An electric guitar with a red body and three pickups.", "an electric guitar"),
    _item("violin", "Sonata Student Violin", "Nordwind", "Music/Strings", 199.0,
          "A full-size violin of spruce and maple, with bow.", "a violin for students"),
    _item("trumpet", "Fanfare Brass Trumpet", "Nordwind", "Music/Brass", 159.0,
          "A B flat trumpet of lacquered brass.", "a trumpet made of brass"),
    _item("drum", "Parade Snare Drum", "Nordwind", "Music/Percussion", 119.0,
          "A marching drum with two sticks.", "a drum with two sticks"),
    _item("watch", "Meridian Wrist Watch", "Halden", "Accessories/Watches", 89.0,
          "A wrist watch with a blue strap and a dark dial.", "a watch with a blue strap"),
    _item("alarm-clock", "Twin Bell Alarm Clock", "Halden", "Home/Bedroom", 24.5,
          "A loud red alarm clock with two bells.", "a loud clock with two bells"),
    _item("camera", "Fieldnote Compact Camera", "Optik Brandt", "Electronics/Cameras", 420.0,
          "A compact camera with a fixed lens and a grey body.", "a small camera for travel"),
    _item("headphones", "Hush Over-Ear Headphones", "Tonlabor", "Electronics/Audio", 129.0,
          "Wireless headphones with soft pads and noise cancelling.", "headphones with soft pads"),
    _item("television", "Retro Nine Television", "Tonlabor", "Electronics/Video", 349.0,
          "A small television in the style of the seventies.", "a small retro tv set"),
    _item("backpack", "Ridgeway Day Backpack", "Fjellvind", "Bags/Backpacks", 59.0,
          "A pink backpack of 18 litres with a front pocket.", "a pink backpack for day trips"),
    _item("handbag", "Bellano Two-Tone Handbag", "Casa Lume", "Bags/Handbags", 99.0,
          "A brown and beige handbag of soft leather.", "a handbag made of leather"),
    _item("running-shoe", "Tempo Road Running Shoe", "Fjellvind", "Shoes/Sport", 110.0,
          "A light running shoe for roads, grey and violet.", "a light shoe for running"),
    _item("high-heel", "Serata Stiletto", "Casa Lume", "Shoes/Evening", 139.0,
          "A red evening shoe with a high heel.", "a red shoe with a high heel", colour="red"),
    _item("hiking-boot", "Granite Trail Boot", "Fjellvind", "Shoes/Outdoor", 149.0,
          "A yellow leather boot with a deep tread for mountain paths.",
          "a leather boot for the mountains"),
    _item("cap", "Harbour Baseball Cap", "Fjellvind", "Accessories/Hats", 19.0,
          "A light blue cap with a curved brim.", "a light blue cap", colour="blue"),
    _item("scarf", "Ember Knit Scarf", "Casa Lume", "Accessories/Scarves", 29.0,
          "A long warm red scarf of merino wool.", "a long warm scarf", colour="red"),
    _item("jeans", "Dockside Straight Jeans", "Fjellvind", "Clothing/Trousers", 69.0,
          "Straight blue jeans of heavy denim.", "blue jeans of heavy denim"),
    _item("dress", "Lagoon Summer Dress", "Casa Lume", "Clothing/Dresses", 79.0,
          "A blue summer dress with a dark belt.", "a blue dress for summer"),
    _item("chair", "Heron Dining Chair", "Casa Lume", "Home/Furniture", 85.0,
          "A dining chair of stained beech.", "a wooden chair for the table"),
    _item("basketball", "Courtside Basketball", "Sprungkraft", "Sport/Balls", 27.0,
          "An orange basketball of size 7, for halls and streets.", "an orange ball for hoops"),
    _item("football", "Kickoff Match Football", "Sprungkraft", "Sport/Balls", 32.0,
          "A stitched football with blue panels.", "a football with blue panels"),
    _item("skateboard", "Midnight Cruiser Skateboard", "Sprungkraft", "Sport/Boards", 75.0,
          "A skateboard with a maple deck and red wheels.", "a board with red wheels"),
    _item("teddy-bear", "Bruno Teddy Bear", None, "Toys/Plush", 22.0,
          "A soft brown teddy bear to hug.", "a soft bear to hug"),
    _item("cactus", "Desert Friend Cactus", None, "Home/Plants", 12.0,
          "A potted cactus that needs little water.", "a plant that needs no water"),
    _item("basket", "Willow Picnic Basket", "Casa Lume", "Home/Kitchen", 38.0,
          "A woven picnic basket with a handle.", "a woven basket for a picnic"),
)  # fmt: skip

# Things that videos show and the shop does not sell.
STRANGERS = [
    "carrot",
    "cake",
    "piano",
    "torch",
    "hammer",
    "key",
    "books",
    "bicycle",
    "boxing-glove",
    "bowling",
    "dice",
    "sunflower",
    "kite",
    "laptop",
    "tomato",
    "wrench",
]

CHATTER = (
    "Hello and welcome back to my channel.",
    "What a lovely day it has been.",
    "Tell me in the comments where you are from.",
    "See you next week, take care.",
    "I had so much fun making this.",
    "My neighbour laughed when I told him.",
)
TEASERS = ("Wait for it", "Part two", "So good", "Link below", "My morning", "Day 12")
