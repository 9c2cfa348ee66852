"""The quality report: sections, each with its records, as a page, as JSON and as lines."""

from reelshelf.indexer.report.build import Given, build_report, measured, release_before
from reelshelf.indexer.report.compare import compare
from reelshelf.indexer.report.demand import Log, demand
from reelshelf.indexer.report.figures import Condition, conditions_met
from reelshelf.indexer.report.history import NAME, history_text, read_history
from reelshelf.indexer.report.link_section import Labels
from reelshelf.indexer.report.page import comparison_json, comparison_page, report_json, report_page
from reelshelf.indexer.report.pictures import link_pictures
from reelshelf.indexer.report.search_section import Before, JudgedFile, search_section
from reelshelf.indexer.report.summary import comparison_summary, summary

__all__ = [
    "NAME",
    "Before",
    "Condition",
    "Given",
    "JudgedFile",
    "Labels",
    "Log",
    "build_report",
    "compare",
    "comparison_json",
    "comparison_page",
    "comparison_summary",
    "conditions_met",
    "demand",
    "history_text",
    "link_pictures",
    "measured",
    "read_history",
    "release_before",
    "report_json",
    "report_page",
    "search_section",
    "summary",
]
