"""What was published and how good it is, as facts, as one page for people, and as a few lines.

facts, figures, words < columns, coverage, linked, demand, searched, ran, changes, history <
headline < gather < compare < tables, charts, pictures, page, summary. Nothing here writes to a
store.
"""
