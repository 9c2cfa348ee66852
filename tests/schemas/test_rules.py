"""Rules are read whole or not at all, and whoever wrote them is told all that is wrong."""

import datetime as dt
from pathlib import Path

import pytest

from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.rules import Rules, read_rules


def rules_of(text: str, folder: Path) -> Rules:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return read_rules(path)


def test_a_text_stands_for_a_list_of_one_and_a_date_for_its_first_instant(tmp_path: Path) -> None:
    found = rules_of('[[pin]]\nquery = "shoes"\nskus = "A"\nsince = 2026-11-20\n', tmp_path)
    pin = found.pin[0]
    assert (pin.query, pin.skus) == (("shoes",), ("A",))
    first = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    assert not pin.holds(None, first - dt.timedelta(seconds=1))
    assert pin.holds(None, first)


def test_a_rule_ends_before_its_last_instant_and_holds_in_its_language(tmp_path: Path) -> None:
    text = '[[hide]]\nvideos = "v"\nlanguage = "de"\nbefore = 2026-12-01T00:00:00+01:00\n'
    rule = rules_of(text, tmp_path).hide[0]
    last = dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)
    assert not rule.holds("de", last)
    assert rule.holds("de", last - dt.timedelta(seconds=1))
    assert not rule.holds("fr", last - dt.timedelta(seconds=1))
    assert rule.holds(None, last - dt.timedelta(seconds=1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[pin]]\nquery = "x"', "pin 1: name what is shown"),
        ('[[pin]]\nskus = "A"', "pin 1: name the queries"),
        ('[[pin]]\nquery = "x"\nskus = "A"\nat = 0', "pin 1: at: got 0"),
        ('[[boost]]\nskus = "A"\nby = 0.5', "boost 1: by: got 0.5"),
        ('[[bury]]\nskus = "A"\nby = 1', "bury 1: by: got 1"),
        ('[[boost]]\nquery = "x"', "boost 1: name what it is on"),
        ("[[hide]]\nskus = [1]", "hide 1: skus: got 1"),
        ('[[hide]]\nskus = [""]', "hide 1: skus: got ''"),
        ('[[hide]]\nskus = "A"\ncolour = "red"', "hide 1: unknown key colour"),
        ('[[synonyms]]\nwords = ["purse"]', "synonyms 1: one word alone stands for nothing"),
        ('[[synonyms]]\nmeans = ["purse"]', "synonyms 1: words is missing"),
        ('[[redirect]]\nquery = "x"\nto = "javascript:alert(1)"', "redirect 1: to must be"),
        ('[[redirect]]\nquery = "x"\nto = "//evil.example"', "redirect 1: to must be"),
        ('[[redirect]]\nto = "/sale"', "redirect 1: name the queries"),
        ('[[slot]]\nat = 1\nkind = "shop"', "slot 1: kind: got 'shop'"),
        ('[[pins]]\nquery = "x"', "[[pins]]: no kind of rule; did you mean pin?"),
        ('pin = "x"', "pin: write each rule under [[pin]]"),
        ("[[pin", "not valid TOML"),
        (
            '[[hide]]\nskus = "A"\nsince = 2026-02-01\nbefore = 2026-01-01',
            "hide 1: it ends before it begins",
        ),
    ],
)
def test_what_is_wrong_is_told_by_kind_and_number(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        rules_of(text, tmp_path)
    assert told in str(raised.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        rules_of('[[pin]]\nquery = "x"\n[[hide]]\n[[slot]]\nat = 1\n', tmp_path)
    assert all(place in str(raised.value) for place in ("pin 1", "hide 1", "slot 1"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rules(tmp_path / "rules.toml")
