"""Markup in texts of exports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.text.markup import plain_text


@pytest.mark.parametrize(
    ("given_text", "plain"),
    [
        ("<p>One</p><p>two</p>", "One\ntwo"),
        ("a<br/>b <b>bold</b>", "a\nb bold"),
        ("<ul><li>x</li><li>y</li></ul>", "x\ny"),
        ("<style>p{}</style>seen<script>if (a<b) x()</script>", "seen"),
        ("&lt;p&gt;Escaped &amp;amp; shown&lt;/p&gt;", "Escaped & shown"),
        ("Caf&eacute; &amp; R&D", "Café & R&D"),
        ("size <M>, 3 < 4 > 2", "size <M>, 3 < 4 > 2"),
        ("<b>size <M></b>", "size <M>"),
        ("<img src=x onerror=alert(1)>lamp", "lamp"),
        ("<p>never closed", "never closed"),
        ("no markup  at all\n", "no markup  at all\n"),
        ("<!-- hidden -->shown", "shown"),
        ("<html><body><p>Hi</p></body></html>", "Hi"),
        ("<p>A<o:p></o:p></p>", "A"),
        ("<p>a</foo>b</p>", "a</foo>b"),
        ("Wedding <template> set", "Wedding set"),
        ('<a title="x > y">z</a>', "z"),
    ],
)
def test_tags_go_and_words_stay(given_text: str, plain: str) -> None:
    assert plain_text(given_text) == plain


@given(st.text("<>/abp &;!-\"'=", max_size=60))
def test_any_text_has_a_plain_form_without_elements(text: str) -> None:
    assert "<p>" not in plain_text(text)


@pytest.mark.parametrize(
    "part", ["<!--", "<script>", "<b ", "<a href='", "<p>\u3000", "&lt;", "<", '<p "']
)
def test_megabytes_of_broken_markup_are_read_at_once(part: str) -> None:
    """Nothing in it is looked at again and again: a hostile cell must not stop a catalog."""
    assert len(plain_text(part * (4_000_000 // len(part)))) <= 200_000
