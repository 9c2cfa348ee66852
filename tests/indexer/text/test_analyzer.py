"""Words of many languages: cut, folded, stemmed; numbers with their units."""

import lancedb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lancedb.query import MatchQuery

from reelshelf.indexer.text.analyzer import IcuAnalyzer, SimpleAnalyzer, base_form, terms_of
from reelshelf.indexer.text.folding import fold
from reelshelf.indexer.text.languages import language_of, languages_of, primary, stem

ALL = IcuAnalyzer(["en", "de", "es", "fr", "zh", "ja", "ko", "ru", "ar", "hi", "th"])
ENGLISH = IcuAnalyzer(["en"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("高跟鞋 和手机壳。", ["高跟鞋", "和", "手机", "壳"]),
        ("ガラスのコップ", ["ガラス", "の", "コップ"]),
        ("รองเท้าส้นสูง", ["รองเท้า", "ส้น", "สูง"]),
        ("जूते चप्पल", ["जूते", "चप्पल"]),
        ("스마트폰 케이스", ["스마트폰", "케이스"]),
        ("USB-C, wi-fi; foo_bar", ["usb", "c", "wi", "fi", "foo", "bar"]),
        ("Don't stop John's", ["dont", "stop", "john"]),
        ("l'eau d'été dell'acqua", ["eau", "ete", "acqua"]),
        ("12,5 and 1.299,00", ["12.5", "and", "1.299.00"]),
        ("", []),
        ("!!! ...", []),
    ],
)
def test_words_are_those_that_a_reader_sees(text: str, words: list[str]) -> None:
    assert ENGLISH.words(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("500ml", "500 ml"), ("500 mL", "500 milliliters"), ("1,5 l", "1.5L"),
        ("15 inches", "15in"),
        ("128 GB", "128gb"), ("500 мл", "500ml"), ("2 Kilogramm", "2kg"),
    ],
)  # fmt: skip
def test_a_number_and_its_unit_are_one_word(one: str, other: str) -> None:
    assert ALL.words(one) == ALL.words(other)
    assert len(ALL.words(one)) == 1


@pytest.mark.parametrize("text", ["2 in one", "5 a day", "3 shoes", "iPhone 15 pro"])
def test_a_number_before_another_word_stays_alone(text: str) -> None:
    assert len(ENGLISH.words(text)) == len(text.split())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Größe", "grosse", True), ("CAFÉ", "cafe", True), ("Ёлка", "елка", True),
        ("ﬁne", "fine", True), ("ＡＢＣ", "abc", True), ("Łódź", "lodz", True),
        ("مَكْتَب", "مكتب", True), ("أحذية", "احذية", True), ("İstanbul", "istanbul", True),
        ("ガラス", "カラス", False), ("йод", "иод", False), ("जूता", "जता", False),
        ("ไม้", "ไม", False), ("한국", "한구", False),
    ],
)  # fmt: skip
def test_marks_that_carry_meaning_stay_and_others_go(one: str, other: str, same: bool) -> None:
    assert (fold(one) == fold(other)) is same


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "shoes", "shoe"), ("de", "lampen", "lampe"), ("es", "zapatos", "zapato"),
        ("fr", "chaussures", "chaussure"), ("ru", "лампы", "лампа"), ("ar", "المصباح", "مصباح"),
        ("hi", "जूते", "जूतों"), ("ko", "주전자를", "주전자"),
    ],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(language: str, one: str, other: str) -> None:
    assert stem(fold(one), language) == stem(fold(other), language)


def test_stems_are_of_the_languages_at_hand_and_no_other() -> None:
    assert ENGLISH.forms("shoes") == ("shoes", "shoe")
    assert IcuAnalyzer(["th"]).forms("shoes") == ("shoes",)
    assert base_form("shoes", ENGLISH) == base_form("shoe", ENGLISH)
    assert ENGLISH.is_stopword("the")
    assert not IcuAnalyzer(["th"]).is_stopword("the")
    assert IcuAnalyzer(["de"]).is_stopword("und")


def test_the_first_stores_have_the_words_they_had() -> None:
    simple = SimpleAnalyzer()
    assert simple.words("Don't: Café 12,5") == ["dont", "cafe", "12.5"]
    assert simple.forms("shoes") == ("shoes", "shoe")
    assert simple.stems("shoes") == ()
    assert simple.is_stopword("the")
    assert not simple.is_stopword("are")


@given(st.text(max_size=60))
def test_any_text_has_words_that_stay_as_they_are(text: str) -> None:
    for word in ALL.words(text):
        assert word
        assert not any(c.isspace() for c in word)
        assert fold(word) == word


@given(st.text(max_size=80))
def test_terms_are_cut_in_the_index_where_they_are_cut_here(text: str) -> None:
    terms = terms_of(text, ALL)
    assert terms.split() == [part for part in terms.split(" ") if part]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Today I want to show you the walnut desk lamp that I love", "en"),
        ("Heute zeige ich euch die Lampe, die ich jeden Tag benutze", "de"),
        ("今天给大家介绍胡桃木台灯", "zh"), ("今日はランプをご紹介します", "ja"),
        ("오늘은 램프를 소개합니다", "ko"), ("วันนี้จะมาแนะนำโคมไฟ", "th"),
        ("Сегодня я покажу вам лампу, которую люблю", "ru"), ("lamp", None), ("", None),
    ],
)  # fmt: skip
def test_the_language_of_a_sentence_is_found(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_a_catalogs_languages_are_given_or_found_in_titles_together() -> None:
    english = [("Walnut Desk Lamp", None), ("Copper Kettle", None), ("Leather Sandals", None)]
    assert languages_of(english) == ("en",)
    assert languages_of([*english, ("Schreibtischlampe", "de-AT")]) == ("de", "en")
    assert languages_of([("铜制烧水壶", None), ("ガラスの花瓶", None)]) == ("ja", "zh")
    assert languages_of([]) == ()
    assert primary("zh-Hans") == "zh"
    assert primary("english please") is None


def test_full_text_finds_each_word_of_each_language(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """What Lance's index of terms finds is what the analyzer says are words."""
    said = ["高跟鞋和手机壳", "ガラスのカラス", "รองเท้าส้นสูง", "जूते चप्पल", "스마트폰을 샀어요",
            "red running shoes 500 ml", "rote Laufschuhe", "новые лампы", "w" * 200]  # fmt: skip
    table = lancedb.connect(tmp_path).create_table(
        "t", pa.table({"terms": [terms_of(text, ALL) for text in said]})
    )
    table.to_lance().create_scalar_index(
        "terms", "INVERTED", base_tokenizer="whitespace", stem=False, remove_stop_words=False,
        lower_case=False, ascii_folding=False, max_token_length=256,
    )  # fmt: skip
    table = lancedb.connect(tmp_path).open_table("t")

    def found(query: str) -> list[str]:
        forms = " ".join(form for word in ALL.words(query) for form in ALL.forms(word))
        hits = table.search(MatchQuery(forms, "terms"), query_type="fts").limit(5).to_list()
        return [said[[terms_of(s, ALL) for s in said].index(hit["terms"])] for hit in hits]

    wanted = {
        "手机": 0, "カラス": 1, "รองเท้า": 2, "जूते": 3, "스마트폰": 4, "shoe": 5, "500ml": 5,
        "лампа": 7,
    }  # fmt: skip
    for query, place in wanted.items():
        assert found(query) == [said[place]]
    assert found("ガ") == []
