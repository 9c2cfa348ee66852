"""The report as one HTML page: nothing is fetched, and nothing that a stranger wrote is code.

Templates escape every value. A content security policy allows the page's own script and styles by
their hashes and no others, no connections, pictures from the page itself and videos from this
machine's files.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import TypeAdapter

from reelshelf.indexer.report import charts, tables
from reelshelf.indexer.report.compare import Comparison
from reelshelf.indexer.report.facts import ReportFacts, TrendPoint
from reelshelf.indexer.report.figures import FIGURES, Figure
from reelshelf.indexer.report.headline import in_order, missed, night_in_words
from reelshelf.indexer.report.pictures import LinkPictures
from reelshelf.indexer.text import wording as words

# The figures shown at the top, where there are any.
_CARDS = (
    "videos",
    "video_coverage",
    "products",
    "product_coverage",
    "links",
    "recall_at_10",
    "ndcg_at_10",
    "unanswered_share",
    "failure_rate",
    "run_seconds",
)
_FACTS = TypeAdapter(ReportFacts)
_COMPARISON = TypeAdapter(Comparison)


def report_json(facts: ReportFacts) -> str:
    """The facts as one JSON object."""
    return _json(_FACTS.dump_python(facts, mode="json"))


def comparison_json(found: Comparison) -> str:
    """Two releases side by side as one JSON object."""
    return _json(_COMPARISON.dump_python(found, mode="json"))


def _json(plain: object) -> str:
    return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"


def report_page(facts: ReportFacts, pictures: Mapping[str, LinkPictures]) -> str:
    """The whole report. `pictures` are by the keys of the sampled links."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(facts=facts, pictures=pictures, cards=[n for n in _CARDS if n in facts.figures])
    )


def comparison_page(found: Comparison) -> str:
    """Two releases side by side."""
    return _environment().get_template("compare.html.j2").render(found=found)


def _trending(points: Sequence[TrendPoint]) -> list[Figure]:
    """The figures that two releases and more have, so that there is a line."""
    return [
        figure
        for name, figure in FIGURES.items()
        if sum(name in point.figures for point in points) > 1
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reelshelf.indexer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,
    )
    style, script, unscripted = (_part(name) for name in ("page.css", "page.js", "noscript.css"))
    environment.globals.update(
        charts=charts,
        tables=tables,
        words=words,
        figures=FIGURES,
        missed=missed,
        night_in_words=night_in_words,
        in_order=in_order,
        trending=_trending,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        unscripted=Markup(unscripted),  # noqa: S704 - our own file
        policy=(
            "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
            f"media-src file:; script-src '{_hash(script)}'; "
            f"style-src '{_hash(style)}' '{_hash(unscripted)}'"
        ),
    )
    return environment


def _part(name: str) -> str:
    return (
        resources.files("reelshelf.indexer.report").joinpath("templates", name).read_text("utf-8")
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
