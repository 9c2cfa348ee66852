"""Which language a text is in, and what languages have: stems, and words that say nothing.

Stems are Snowball's (Porter, 2001), stopwords those of bm25s; what a language does not have is left
out. Languages are ISO 639-1 codes.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Protocol

from reelshelf.indexer.text.folding import fold, script_of

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_SURE = 0.7
# A title is too short to tell its language by; so much of a text tells.
_LONG_ENOUGH, _MOST = 25, 600
_POOLED = 3000
_NORWEGIAN = {"nb": "no", "nn": "no"}
_OF_ISO_639_1 = 2  # letters
# Particles of Korean, the long ones first. No library of the size of a stemmer has them.
_LEAST_SYLLABLES = 2
_PARTICLES = (
    "에서는", "으로는", "에게서", "이라는", "에서", "에게", "까지", "부터", "보다", "처럼", "으로",
    "이나", "이랑", "하고", "은", "는", "이", "가", "을", "를", "에", "의", "로", "와", "과", "도",
    "만", "랑",
)  # fmt: skip
# A language that fewer products than this share have is a mistake of the detector.
_LEAST_SHARE = 0.05
_CODE = re.compile(r"[a-z]{2,3}")
# Scripts that one language writes, as far as shops go.
_BY_SCRIPT = {"HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "THAI": "th"}


def primary(language: str | None) -> str | None:
    """The code of a language without its country: "de" of "de-AT"; None where it is none."""
    code = re.split(r"[-_]", (language or "").strip().lower())[0]
    return code if _CODE.fullmatch(code) else None


def language_of(text: str) -> str | None:
    """The language of a text; None where it is too short, or may be several."""
    sample = text[:_MOST]
    scripts = Counter(script for c in sample if (script := script_of(c)))
    own = next((code for script, code in _BY_SCRIPT.items() if scripts[script] >= 2), None)
    if own is not None and scripts.total() and scripts["LATIN"] < 0.7 * scripts.total():
        return own
    # Letters of an alphabet say less each than those of Chinese.
    long_enough = scripts.total() >= _LONG_ENOUGH or scripts["HAN"] >= 6
    if not long_enough:
        return None
    code, sure = _detector().classify(sample)
    return str(code) if sure >= _SURE else None


def languages_of(texts: Iterable[tuple[str, str | None]]) -> tuple[str, ...]:
    """The languages of a list of texts, each with the one that is given for it, if any.

    Short texts are looked at together, by their script. Languages of a few are left out.
    """
    found: Counter[str] = Counter()
    short: dict[str, list[str]] = defaultdict(list)
    for text, given in texts:
        code = primary(given) or language_of(text)
        if code is not None:
            found[code] += 1
        elif text.strip():
            short[_script(text)].append(text)
    for script, parts in short.items():
        pooled = ". ".join(parts)[:_POOLED]
        code = _BY_SCRIPT.get(script) or _likeliest(pooled)
        if code is not None:
            found[code] += len(parts)
    least = _LEAST_SHARE * found.total()
    return tuple(sorted(code for code, count in found.items() if count >= least))


def _script(text: str) -> str:
    scripts = Counter(script for c in text[:_MOST] if (script := script_of(c)))
    return scripts.most_common(1)[0][0] if scripts else ""


def _likeliest(text: str) -> str | None:
    if not any(c.isalpha() for c in text):
        return None
    return str(_detector().classify(text)[0])


@cache
def script_of_language(code: str) -> str | None:
    """The script a language is written in, by its Unicode name; of Japanese its own letters."""
    from babel.core import get_global

    likely = str(get_global("likely_subtags").get(code, ""))
    return _SCRIPTS.get(likely.split("_")[1]) if "_" in likely else None


# ISO 15924 codes by the names that Unicode gives their letters.
_SCRIPTS = {
    "Arab": "ARABIC", "Armn": "ARMENIAN", "Beng": "BENGALI", "Cyrl": "CYRILLIC",
    "Deva": "DEVANAGARI", "Ethi": "ETHIOPIC", "Geor": "GEORGIAN", "Grek": "GREEK",
    "Gujr": "GUJARATI", "Guru": "GURMUKHI", "Hans": "HAN", "Hant": "HAN", "Hebr": "HEBREW",
    "Jpan": "HIRAGANA", "Khmr": "KHMER", "Knda": "KANNADA", "Kore": "HANGUL", "Laoo": "LAO",
    "Latn": "LATIN", "Mlym": "MALAYALAM", "Mymr": "MYANMAR", "Sinh": "SINHALA", "Taml": "TAMIL",
    "Telu": "TELUGU", "Thai": "THAI",
}  # fmt: skip


@cache
def _detector() -> "LanguageIdentifier":
    # Two megabytes, loaded where a language is not given.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Dialects and pidgins share their words with the languages that shops write.
    found.set_languages([label for label in found.labels if len(label) == _OF_ISO_639_1])
    return found


@cache
def stopwords_of(languages: tuple[str, ...]) -> frozenset[str]:
    """Words that say nothing in any of some languages, folded."""
    return frozenset(word for code in languages for word in _stopwords(code))


@cache
def _stopwords(code: str) -> frozenset[str]:
    from bm25s import stopwords

    lists = {
        "en": stopwords.STOPWORDS_EN,
        "da": stopwords.STOPWORDS_DANISH,
        "de": stopwords.STOPWORDS_GERMAN,
        "es": stopwords.STOPWORDS_SPANISH,
        "fr": stopwords.STOPWORDS_FRENCH,
        "it": stopwords.STOPWORDS_ITALIAN,
        "ko": stopwords.STOPWORDS_KOREAN,
        "nl": stopwords.STOPWORDS_DUTCH,
        "no": stopwords.STOPWORDS_NORWEGIAN,
        "pt": stopwords.STOPWORDS_PORTUGUESE,
        "ru": stopwords.STOPWORDS_RUSSIAN,
        "sv": stopwords.STOPWORDS_SWEDISH,
        "tr": stopwords.STOPWORDS_TURKISH,
        "zh": stopwords.STOPWORDS_CHINESE,
    }
    return frozenset(fold(word) for word in lists.get(_NORWEGIAN.get(code, code), ()))


@lru_cache(maxsize=262_144)
def stem(word: str, language: str) -> str:
    """A folded word without its endings; itself in languages that Snowball does not know."""
    if language == "ko":
        return _without_particle(word)
    stemmer = _stemmer(language)
    return word if stemmer is None else fold(stemmer.stemWord(word))


def _without_particle(word: str) -> str:
    """A Korean word without what is written behind it and says its part in the sentence.

    The end of a word itself may look like a particle: it is taken off too, with and without one.
    """
    while len(word) > _LEAST_SYLLABLES:
        end = next((p for p in _PARTICLES if word.endswith(p)), None)
        if end is None or len(word) - len(end) < _LEAST_SYLLABLES:
            break
        word = word[: -len(end)]
    return word


@cache
def _stemmer(code: str) -> "Stemmer | None":
    import snowballstemmer
    from babel import Locale

    # Snowball names its algorithms in English.
    name = Locale("en").languages.get(_NORWEGIAN.get(code, code), "").lower()
    return snowballstemmer.stemmer(name) if name in snowballstemmer.algorithms() else None


class Stemmer(Protocol):
    """What Snowball's stemmers have in common."""

    def stemWord(self, word: str) -> str:  # noqa: N802 (Snowball's name)
        """A word without its endings."""
        ...
