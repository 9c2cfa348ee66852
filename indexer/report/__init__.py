"""What was published and how good it is, as facts, as one page for people, and as a few lines.

facts < collectors (headline, columns, coverage, demand, linked, searched, ran) < gather; figures,
compare and page read facts only. Nothing here writes to a store.
"""
