"""The words in which shoppers bound a price, by language.

All of them are looked for in every query: which language a query of three words is in cannot be
told. A phrase that means something else as often ("from", "max", "um") says nothing of a price
unless a currency stands at the amount; those are `weak`.
"""

from dataclasses import dataclass

Phrases = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PriceWords:
    """How one language bounds a price.

    `more` and `less` compare, and a `negation` before them, with any `filler` between, turns them
    around. `at_most`, `at_least` and `around` stand before an amount as well, `or_less`, `or_more`
    and `or_so` behind it. `between` stands before two amounts, `to` between them, and `dash`
    between them where nothing stands before. `lead` is what introduces a bound and is no part of
    what is wanted. `counted` are nouns that numbers count and `numbered` those that numbers follow:
    what stands beside these is no price. `is_spaced` tells languages that part words by spaces.
    """

    more: Phrases = ()
    less: Phrases = ()
    negation: Phrases = ()
    filler: Phrases = ()
    at_most: Phrases = ()
    at_least: Phrases = ()
    around: Phrases = ()
    or_less: Phrases = ()
    or_more: Phrases = ()
    or_so: Phrases = ()
    between: Phrases = ()
    to: Phrases = ()
    dash: Phrases = ()
    lead: Phrases = ()
    counted: Phrases = ()
    numbered: Phrases = ()
    weak: Phrases = ()
    is_spaced: bool = True


_SIGNS = PriceWords(
    more=(">",),
    less=("<",),
    at_most=("<=", "≤", "=<"),
    at_least=(">=", "≥", "=>"),
    around=("~", "≈", "±"),
    or_more=("+",),
    dash=("-", "–", "—", "~"),
    is_spaced=False,
)  # fmt: skip

ENGLISH = PriceWords(
    more=(
        "more than", "greater than", "higher than", "dearer than", "pricier than",
        "more expensive than", "upwards of", "north of", "exceed", "exceeds", "exceeding",
        "beyond", "over", "above",
    ),
    less=(
        "less than", "cheaper than", "lower than", "fewer than", "under", "below", "beneath",
        "underneath", "south of",
    ),
    negation=(
        "no", "not", "nothing", "never", "without", "cannot", "don't", "doesn't", "won't",
        "can't", "shouldn't", "mustn't", "dont", "doesnt", "wont", "cant", "shouldnt", "mustnt",
        "isn't", "isnt", "nor",
    ),
    filler=(
        "want", "wanting", "to", "spend", "spending", "cost", "costs", "costing", "pay",
        "paying", "be", "being", "is", "it", "that", "which", "go", "going", "priced",
        "anything", "much", "i", "any", "a", "bit",
    ),
    at_most=(
        "up to", "at most", "at the most", "no more than", "max", "max.", "max:", "max of",
        "maximum", "maximum of", "maximal", "budget", "budget of", "budget is",
        "on a budget of", "within", "limit of", "not exceeding", "as much as", "cap of",
        "until", "till",
    ),
    at_least=(
        "at least", "at the least", "min", "min.", "min:", "min of", "minimum", "minimum of",
        "starting at", "starting from", "from", "no less than", "not less than", "upward of",
    ),
    around=(
        "around", "about", "approximately", "approx", "approx.", "roughly", "circa", "ca.",
        "ca", "close to", "near", "nearly", "something like", "in the region of",
        "in the range of", "somewhere around", "more or less",
    ),
    or_less=(
        "or less", "and less", "or under", "and under", "or below", "and below", "or cheaper",
        "and cheaper", "or lower", "and lower", "at most", "at the most", "tops", "max", "max.",
        "maximum", "budget", "limit", "or so at most",
    ),
    or_more=(
        "or more", "and more", "or over", "and over", "or above", "and above", "or up",
        "and up", "or higher", "and higher", "and upwards", "or upwards", "upwards", "at least",
        "min", "min.", "minimum", "plus",
    ),
    or_so=(
        "or so", "or thereabouts", "give or take", "more or less", "ish", "-ish", "approx",
        "approx.",
    ),
    between=("between", "from", "anywhere between", "anywhere from", "in between"),
    to=("to", "and", "until", "till", "through"),
    dash=("to",),
    lead=(
        "for", "and", "but", "that", "which", "priced", "price", "price is", "prices",
        "costing", "costs", "cost", "that costs", "that cost", "which costs", "which cost",
        "worth", "at", "with a price", "with a price of", "for a price of", "with price",
        "price range", "in the price range", "to spend", "spend",
    ),
    counted=(
        "year", "years", "yr", "yrs", "month", "months", "week", "weeks", "day", "days", "hour",
        "hours", "minute", "minutes", "min", "mins", "sec", "hr", "hrs", "second", "seconds",
        "piece", "pieces", "pc", "pcs", "pack", "packs", "people", "persons", "person",
        "player", "players", "set", "sets", "page", "pages", "part", "parts", "star", "stars",
        "review", "reviews", "percent", "times", "colors", "colours", "items", "count", "ports",
        "port", "key", "keys", "channel", "channels", "cores", "core", "seats", "seater",
        "rows", "layers", "sheets", "cups", "bottles", "degrees", "pixels", "mp", "fps", "rpm",
        "mah", "th", "st", "nd", "rd",
    ),
    numbered=(
        "size", "sizes", "age", "ages", "aged", "number", "no.", "model", "version", "series",
        "type", "part", "chapter", "volume", "season", "level", "gen", "generation", "year",
    ),
    weak=(
        "from", "max", "max:", "min", "min.", "until", "till", "about", "near", "nearly", "ca",
        "within", "plus", "upwards", "limit", "to", "ish", "-ish", "as much as", "beyond",
        "exceed", "through", "more or less",
    ),
)  # fmt: skip

GERMAN = PriceWords(
    more=(
        "mehr als", "teurer als", "höher als", "über", "ueber", "oberhalb von", "jenseits von",
    ),
    less=(
        "weniger als", "billiger als", "günstiger als", "guenstiger als", "niedriger als",
        "unter", "unterhalb von", "unterhalb",
    ),
    negation=("nicht", "nichts", "nie", "kein", "keine", "keinen", "ohne", "niemals"),
    filler=(
        "mehr", "kosten", "kostet", "ausgeben", "zahlen", "sein", "darf", "soll", "sollte",
        "will", "möchte", "ich", "es", "das", "die", "der", "was", "als", "viel",
    ),
    at_most=(
        "bis", "bis zu", "bis maximal", "bis höchstens", "höchstens", "hoechstens", "maximal",
        "max", "max.", "maximum", "nicht mehr als", "nicht über", "nicht teurer als", "budget",
        "budget von", "budget bis",
    ),
    at_least=(
        "ab", "mindestens", "minimal", "wenigstens", "min", "min.", "minimum", "nicht unter",
        "nicht weniger als", "von mindestens",
    ),
    around=(
        "um", "um die", "um etwa", "rund", "rund um", "ungefähr", "ungefaehr", "etwa", "circa",
        "zirka", "ca.", "ca", "so um", "so um die", "in etwa", "nahe", "knapp",
    ),
    or_less=(
        "oder weniger", "und weniger", "oder günstiger", "und günstiger", "oder billiger",
        "und billiger", "oder darunter", "und darunter", "höchstens", "maximal", "maximum",
        "max", "max.",
    ),
    or_more=(
        "oder mehr", "und mehr", "oder teurer", "und teurer", "oder darüber", "und darüber",
        "aufwärts", "und höher", "oder höher", "mindestens",
    ),
    or_so=("oder so", "herum", "ungefähr", "circa", "in etwa", "plus minus"),
    between=("zwischen", "von"),
    to=("bis", "und", "bis zu"),
    dash=("bis",),
    lead=(
        "für", "fuer", "und", "preis", "preise", "im preis", "zum preis", "zum preis von",
        "kostet", "kosten", "die", "der", "das", "preislich", "zu",
    ),
    counted=(
        "jahr", "jahre", "jahren", "monat", "monate", "monaten", "woche", "wochen", "tag",
        "tage", "tagen", "stunde", "stunden", "minute", "minuten", "sekunden", "stück",
        "stueck", "stk", "teile", "teilen", "teilig", "personen", "person", "spieler", "seiten",
        "sterne", "sternen", "prozent", "mal", "farben", "er", "packung", "packungen", "tassen",
        "grad", "kammern",
    ),
    numbered=(
        "größe", "größen", "groesse", "groessen", "alter", "nummer", "nr", "nr.", "modell",
        "version", "serie", "typ", "band", "teil",
    ),
    weak=(
        "ab", "um", "max", "min", "min.", "minimal", "rund", "etwa", "knapp", "nahe", "ca",
        "von", "herum", "jenseits von",
    ),
)  # fmt: skip

FRENCH = PriceWords(
    more=(
        "plus de", "plus cher que", "plus chère que", "plus chers que", "supérieur à",
        "supérieure à", "au-dessus de", "au dessus de", "au delà de", "au-delà de",
    ),
    less=(
        "moins de", "moins cher que", "moins chère que", "moins chers que", "inférieur à",
        "inférieure à", "en dessous de", "en-dessous de", "sous", "sous les", "au-dessous de",
        "à moins de",
    ),
    negation=("pas", "non", "sans", "jamais", "ne"),
    filler=(
        "coûter", "coûte", "coûtant", "payer", "dépenser", "être", "est", "qui", "cher", "de",
        "veux", "doit", "pas",
    ),
    at_most=(
        "jusqu'à", "jusqu'a", "jusque", "au plus", "au maximum", "maximum", "max", "max.",
        "tout au plus", "pas plus de", "pas plus cher que", "budget", "budget de", "budget max",
        "dans la limite de",
    ),
    at_least=(
        "au moins", "au minimum", "minimum", "min", "min.", "à partir de", "a partir de", "dès",
        "pas moins de", "à compter de",
    ),
    around=(
        "environ", "autour de", "autour des", "aux alentours de", "à peu près", "a peu près",
        "vers", "près de", "dans les", "aux environs de", "approximativement", "à environ",
        "grosso modo", "quelque",
    ),
    or_less=(
        "ou moins", "et moins", "ou moins cher", "maximum", "max", "max.", "au plus",
        "au maximum", "grand maximum",
    ),
    or_more=("ou plus", "et plus", "ou davantage", "minimum", "au moins", "au minimum"),
    or_so=("environ", "à peu près", "à quelque chose près"),
    between=("entre", "de", "à partir de"),
    to=("et", "à", "a", "jusqu'à"),
    dash=("à",),
    lead=(
        "pour", "et", "qui", "prix", "à un prix", "au prix de", "coûtant", "coûte", "qui coûte",
        "qui coûtent", "à", "d'un prix", "dont le prix est",
    ),
    counted=(
        "an", "ans", "année", "années", "mois", "semaine", "semaines", "jour", "jours", "heure",
        "heures", "minutes", "pièce", "pièces", "personne", "personnes", "joueurs", "pages",
        "étoiles", "pourcent", "pour cent", "fois", "couleurs", "tasses", "places", "degrés",
        "lots",
    ),
    numbered=(
        "taille", "tailles", "âge", "âges", "pointure", "pointures", "numéro", "n°", "modèle",
        "version", "série", "type", "tome",
    ),
    weak=(
        "max", "min", "min.", "dès", "vers", "près de", "dans les", "de", "quelque", "jusque",
        "à partir de", "a partir de",
    ),
)  # fmt: skip

SPANISH = PriceWords(
    more=(
        "más de", "mas de", "más caro que", "más caros que", "más cara que", "mayor que",
        "mayor a", "superior a", "por encima de", "encima de",
    ),
    less=(
        "menos de", "más barato que", "más baratos que", "más barata que", "menor que",
        "menor a", "inferior a", "por debajo de", "debajo de", "bajo",
    ),
    negation=("no", "sin", "nunca", "nada", "ni"),
    filler=(
        "cueste", "cuesten", "costar", "cuesta", "gastar", "pagar", "ser", "sea", "que", "de",
        "quiero", "valga", "pase", "supere",
    ),
    at_most=(
        "hasta", "como máximo", "como maximo", "como mucho", "a lo sumo", "máximo", "maximo",
        "máximo de", "max", "max.", "no más de", "no mas de", "presupuesto", "presupuesto de",
        "que no pase de", "que no supere", "que no supere los", "que no pase de los",
    ),
    at_least=(
        "al menos", "por lo menos", "como mínimo", "como minimo", "mínimo", "minimo",
        "mínimo de", "min", "min.", "desde", "a partir de", "no menos de",
    ),
    around=(
        "alrededor de", "aproximadamente", "aprox", "aprox.", "cerca de", "unos", "unas",
        "sobre", "sobre los", "más o menos", "mas o menos", "en torno a", "cosa de",
    ),
    or_less=(
        "o menos", "y menos", "o más barato", "como máximo", "como mucho", "máximo", "maximo",
        "max", "max.", "a lo sumo",
    ),
    or_more=(
        "o más", "o mas", "y más", "y mas", "en adelante", "para arriba", "como mínimo",
        "mínimo", "minimo", "al menos",
    ),
    or_so=("más o menos", "mas o menos", "aproximadamente", "aprox", "aprox."),
    between=("entre", "de", "desde"),
    to=("y", "a", "hasta", "e"),
    dash=("a",),
    lead=(
        "por", "y", "que", "precio", "a un precio de", "con precio", "que cueste",
        "que cuesten", "que cuesta", "que valga", "para", "a",
    ),
    counted=(
        "año", "años", "mes", "meses", "semana", "semanas", "día", "días", "dia", "dias",
        "hora", "horas", "minutos", "pieza", "piezas", "personas", "persona", "jugadores",
        "páginas", "paginas", "estrellas", "por ciento", "veces", "colores", "tazas", "plazas",
        "grados", "unidades", "pares",
    ),
    numbered=(
        "talla", "tallas", "edad", "edades", "número", "numero", "modelo", "versión", "version",
        "serie", "tipo", "tomo",
    ),
    weak=(
        "max", "min", "min.", "desde", "sobre", "sobre los", "unos", "unas", "de", "encima de",
        "debajo de", "cerca de",
    ),
)  # fmt: skip

JAPANESE = PriceWords(
    at_most=("最大", "最高", "上限", "予算は", "予算", "高くても", "せいぜい", "多くても"),
    at_least=("最低でも", "最低", "最小", "下限", "少なくとも", "安くても"),
    around=("およそ", "おおよそ", "だいたい", "大体", "約", "ざっと"),
    or_less=(
        "以下", "以内", "未満", "まで", "までの", "より安い", "より安く", "よりも安い",
        "を超えない", "を越えない", "以下の", "未満の", "以内の", "より下", "を下回る",
        "でおさまる", "で収まる", "いない",
    ),
    or_more=(
        "以上", "以上の", "より高い", "よりも高い", "を超える", "を越える", "超の", "超",
        "から上", "より上", "を上回る", "からの", "以降",
    ),
    or_so=(
        "くらい", "ぐらい", "くらいの", "ぐらいの", "程度", "程度の", "前後", "前後の", "ほど",
        "ほどの", "あたり", "台", "台の",
    ),
    to=("から", "と", "より", "、"),
    dash=("から", "より"),
    lead=("価格", "値段", "値段が", "価格が", "予算", "税込", "税込み"),
    counted=(
        "歳", "才", "年", "ヶ月", "か月", "ヵ月", "カ月", "月", "週間", "日間", "日", "時間",
        "分", "秒", "個", "枚", "本", "人", "人用", "人前", "点", "冊", "台数", "回", "ページ",
        "ピース", "パック", "セット", "色", "段", "型", "インチ", "号", "畳", "倍", "番", "代",
    ),
    numbered=("サイズ", "年齢", "対象年齢", "型番", "第"),
    weak=(
        "まで", "までの", "から", "最大", "最高", "最低", "最小", "約", "超", "超の", "台",
        "台の", "ほど", "ほどの", "程度", "程度の", "と", "より", "、", "いない", "からの",
        "以降", "あたり", "大体",
    ),
    is_spaced=False,
)  # fmt: skip

CHINESE = PriceWords(
    at_most=(
        "不超过", "不超過", "不高于", "不高於", "不到", "低于", "低於", "少于", "少於", "小于",
        "小於", "便宜过", "最多", "最高", "至多", "顶多", "上限", "预算", "預算", "不多于",
        "不大于", "别超过", "不要超过", "不能超过",
    ),
    at_least=(
        "超过", "超過", "高于", "高於", "多于", "多於", "大于", "大於", "不低于", "不低於",
        "不少于", "不少於", "不小于", "至少", "最少", "最低", "起码", "贵过",
    ),
    around=("大约", "大約", "大概", "约", "約", "差不多", "接近", "左右在"),
    or_less=("以下", "以内", "以內", "之内", "之內", "内", "以下的", "以内的", "封顶", "之下"),
    or_more=("以上", "以上的", "起", "起步", "之上", "开外"),
    or_so=(
        "左右", "左右的", "上下", "上下的", "前后", "前後", "附近", "附近的", "出头", "的样子",
    ),
    between=("从", "從", "在", "介于", "介於"),
    to=("到", "至", "和", "与", "與"),
    dash=("到", "至"),
    lead=(
        "价格", "價格", "售价", "售價", "价钱", "價錢", "预算", "預算", "价位", "價位", "单价",
    ),
    counted=(
        "岁", "歲", "年", "个月", "個月", "月", "周", "天", "小时", "小時", "分钟", "分鐘",
        "秒", "个", "個", "件", "只", "隻", "片", "块装", "人", "人份", "人用", "本", "页",
        "頁", "次", "包", "套", "色", "寸", "英寸", "号", "號", "码", "碼", "倍", "支", "瓶",
        "盒", "张", "張", "颗", "层", "位", "款", "米", "克", "斤", "升", "代", "级", "度",
        "折",
    ),
    numbered=("尺码", "尺碼", "年龄", "年齡", "型号", "型號", "第", "大小", "码数"),
    weak=(
        "最高", "最低", "约", "約", "内", "起", "在", "和", "与", "與", "附近", "附近的",
        "接近", "到", "至", "出头",
    ),
    is_spaced=False,
)  # fmt: skip

LANGUAGES = (_SIGNS, ENGLISH, GERMAN, FRENCH, SPANISH, JAPANESE, CHINESE)
