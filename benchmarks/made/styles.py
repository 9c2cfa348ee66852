"""How each made shop films, writes and speaks: no two alike."""

from dataclasses import dataclass

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """Of one shop. `voices` are espeak-ng's, or flite's; `template` names how its scenes are cut.

    `strangers` are things that its videos show and that it does not sell: near misses first.
    Captions stand at `at` (share of the height), in `case`, on a plate of `plate` or outlined.
    """

    voices: tuple[str, ...]
    pace: int
    size: tuple[int, int]
    template: str
    walls: str
    font: str
    font_size: int
    case: str
    color: Color
    plate: Color | None
    at: float
    price: str
    says: tuple[str, ...]
    writes: tuple[str, ...]
    teasers: tuple[str, ...]
    chatter: tuple[str, ...]
    hearsay: tuple[str, ...]
    bait: tuple[str, ...]
    strangers: tuple[str, ...]


STYLES = {
    "kettle": Style(
        ("en-us+f2", "en-us+m3"), 150, (288, 512), "pan", "gradient",
        "Lato-Bold.ttf", 24, "title", (255, 255, 255), (20, 20, 20), 0.12, "{:.2f} EUR",
        ("Meet {}, I use it daily.", "This is {} and it is worth it.", "Have you seen {}?"),
        ("{}", "{}\n{price}"),
        ("Wait what", "Sunday reset", "Kitchen diaries", "Part 3", "No filter"),
        ("Good morning from my little flat.", "I could not sleep at all last night.",
         "Leave me a comment down below.", "My sister is visiting this weekend.",
         "The rain did not stop for days.", "Thank you for ten thousand views."),
        ("When I was young, our {} broke every winter.", "Nobody needs a {}, my uncle says."),
        ("{} day", "Guess the {}", "Code KT20"),
        ("stove", "largeFridge", "bowl", "old_jar", "towel", "com_bath2_soap",
         "medicoscopia_bottle", "bullet-trash-can", "stool2", "dinner-plate",
         "coffee_machine", "coffee-maker", "beer_bottle", "yogurtBottle", "cup", "spoon",
         "ashtray", "basin"),
    ),
    "salon": Style(
        ("en-gb-x-rp", "en-gb-x-rp+f1"), 135, (512, 288), "blurpad", "stripes",
        "OpenSans-Semibold.ttf", 21, "upper", (30, 30, 30), (245, 240, 225), 0.8, "£{:.2f}",
        ("Here we have {}.", "I finally bought {} for the new place.", "My favourite is {}."),
        ("{}", "{} - {price}"),
        ("ROOM TOUR", "BEFORE AND AFTER", "DAY ONE", "MOVING OUT", "STAY TUNED"),
        ("Hello everybody and welcome to another week.", "We painted all walls in one night.",
         "The landlord has not called back yet.", "I am so tired of boxes and tape.",
         "Tell me what your home looks like.", "The neighbours were very kind."),
        ("A {} is what my aunt never had.", "He slept beside the {} on the train."),
        ("Which {} is it?", "Mind the {}", "OPEN HOUSE"),
        ("sofa2", "chair3", "chair4", "couch3", "spider_plant", "lamp2", "dresserWithDrawers",
         "plant", "fountain", "mofx_mailbox", "sofa3", "table", "glass-dining-table", "pianoBench",
         "decorativePlant", "wall-spotlight", "relaxChair", "rowboat", "seesaw", "barrel"),
    ),
    "attic": Style(
        ("flite:slt",), 150, (288, 512), "zoomcuts", "checks",
        "Comfortaa-Bold.ttf", 22, "lower", (255, 240, 60), None, 0.7, "${:.2f}",
        ("Let us unbox the {}.", "Number one on my list is the {}.", "The {} arrived today."),
        ("{}", "{} {price}"),
        ("unboxing", "top five", "not sponsored", "mail time", "honest review"),
        ("What is up guys, it is me again.", "I dropped my keys in the lift.",
         "Smash that like button if you agree.", "Traffic was terrible on the bridge.",
         "We had pancakes for dinner twice.", "My cat walked into the picture."),
        ("Somebody left a {} on the bus.", "The museum shows a {} from 1950."),
        ("my old {}", "lost {} reward", "win a trip"),
        ("sef-kasa", "pencil1", "phone", "slippers", "briefcase", "wardrobe", "glasses", "mobile",
         "ballonFoot", "scooter", "wheelchair", "crate", "gift", "fireExtinguisher",
         "table_football", "doll", "bunkBed", "filing-cabinet"),
    ),
    "orchard": Style(
        ("flite:rms",), 150, (360, 360), "shaky", "wood",
        "LinLibertine_RB.otf", 28, "title", (255, 255, 255), None, 0.15, "{:.2f} €",
        ("Today at the market: {}.", "You have to taste {}.", "We just got {} in."),
        ("{}", "{}, {price}"),
        ("Market Day", "From The Fields", "In Season", "Early Bird", "Fresh Start"),
        ("The sun came up over the hills.", "My father planted those rows.",
         "Watch out for the tractor.", "It smells like rain this morning.",
         "We open at seven and close at noon.", "The dog is asleep in the shade."),
        ("My daughter draws {} with crayons.", "They named their boat {}."),
        ("{} Festival", "Song: {}", "Pick Your Own"),
        ("pattypan_squash", "flower1", "flower10", "birch", "Lightbulb", "glass", "t_shirt", "t_pants",
         "feathered_hat", "green_fedora", "jackolantern_mean", "bolsom", "whitestar-petunia", "marigold",
         "tree336", "candle", "Christmas_Tree_photo", "spade", "balloon360", "candy_cane"),
    ),
    "menagerie": Style(
        ("flite:awb",), 150, (512, 288), "slidein", "spots",
        "Quicksand-Bold.ttf", 23, "title", (255, 255, 255), (120, 30, 110), 0.85, "{:.2f} CHF",
        ("Say hello to {}.", "This little friend is {}.", "New in the zoo: {}."),
        ("{}", "{} {price}"),
        ("Cuteness", "Zoo Time", "Collect Them", "Who Is It", "Tiny World"),
        ("The children built a tower of bricks.", "We sang all the way home.",
         "Grandma sends her love.", "It was snowing in April.",
         "He counts to twenty already.", "Ask your parents before you order."),
        ("He roared like a {} at the gate.", "She drew a {} on the fogged window."),
        ("{} Crossing", "Year Of The {}", "Paint Along"),
        ("peacock", "duck", "vulture", "seahorse", "hoverfly", "Woodlouse", "chimp", "european-bear",
         "zebu", "cow_white", "yak", "zebra", "lion-2", "doe", "ferret", "squirrel", "wombat",
         "capybara", "turkey", "747"),
    ),
    "pixel": Style(
        ("en-gb-scotland+f3", "en-gb-scotland"), 160, (288, 512), "inset", "noise",
        "Cantarell-ExtraBold.otf", 20, "title", (255, 255, 255), (0, 90, 160), 0.06, "{:.2f} GBP",
        ("Can we talk about the {}?", "I am obsessed with the {}.", "Run, do not walk, for the {}."),
        ("{}", "{}\nnow {price}"),
        ("POV", "Get Ready With Me", "Haul", "Things I Love", "Day In My Life"),
        ("Okay so storytime.", "My phone is at two percent.", "I missed the last train again.",
         "Do you also hate Mondays?", "The wifi here is so slow.", "I cut my own fringe, help."),
        ("My ex had a {} tattoo.", "There was a {} in the joke."),
        ("{} Emoji", "Team {}", "Follow For More"),
        ("1f345", "1f350", "1f347", "1f36a", "1f370", "1f32d", "1f95e", "1f378", "1f37c", "1f9e2",
         "1f392", "1f45c", "1f4bb", "1f4f1", "1f4fa", "1f3bb", "1f941", "1f4d7", "1f3ae", "1f525"),
    ),
    "ink": Style(
        ("flite:kal16",), 150, (400, 400), "split", "grid",
        "DejaVuSansMono-Bold.ttf", 18, "lower", (0, 0, 0), (255, 255, 255), 0.5, "{:.2f} kr",
        ("We tested the {}.", "Our pick is the {}.", "Rated best: the {}."),
        ("{}", "{} / {price}"),
        ("test lab", "versus", "round two", "the verdict", "how it works"),
        ("Welcome to the laboratory.", "All results are on our page.",
         "The camera team was late today.", "We repeat each run five times.",
         "Nobody paid us for this.", "Next month we test gloves."),
        ("Our intern lost a {} once.", "A {} is also a dance."),
        ("{} quiz", "spot the {}", "vote now"),
        ("MOTOR SCOOTER", "CANOE", "BRIEFCASE", "GLOBE WITH MERIDIANS", "LADDER", "WRENCH", "AXE",
         "RADIO", "LAPTOP", "CAMERA", "STOPWATCH", "TEAPOT", "SPONGE", "BASKET", "KEY", "ANCHOR",
         "BALANCE SCALE", "TEST TUBE", "HEADPHONE", "PUSHPIN"),
    ),
    "clip": Style(
        ("en-us+f5", "en-us+m7"), 140, (288, 512), "flash", "sky",
        "LiberationSans-Bold.ttf", 25, "upper", (255, 60, 60), (255, 255, 255), 0.3, "{:,.2f} zł",
        ("On offer this week: {}.", "Take home {}.", "Do not miss {}."),
        ("{}", "{} {price}"),
        ("OFFERS", "WEEKEND", "LAST CHANCE", "LUCKY YOU", "HURRY UP"),
        ("Our store is open until nine.", "Parking is free on the roof.",
         "The band plays at the entrance.", "Please bring your own bags.",
         "Have a wonderful holiday.", "We are hiring students."),
        ("The song about the {} is stuck in my head.", "Her nickname was {}."),
        ("{} NIGHT", "NO {} HERE", "FREE PARKING"),
        ("food/bowl_of_steaming_soup_01", "food/french_fries_juliane_kr_r",
         "food/beverages/orange_juice_box", "food/beverages/mug", "food/desserts/cone4_ganson",
         "food/desserts/cake_mateya_01", "food/fruit/apple_mateya_01", "food/fruit/lemon",
         "food/vegetables/paprika_mateya_01", "recreation/sports/baseball_anthony_liekens_01",
         "recreation/sports/8_ball_jarno_vasamaa", "recreation/toys/wagon_01",
         "recreation/toys/rubik", "recreation/music/harp1_ganson",
         "recreation/music/drums_jarno_vasamaa_", "tools/hammer_peterm1", "plants/sun_flower_ganson",
         "computer/crt_monitor_01", "office/calculator", "transportation/bicycle_philippe_colin_01"),
    ),
}  # fmt: skip
# ruff: noqa: E501
