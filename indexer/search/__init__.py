"""Answering a shopper's words or picture from a pinned release.

Needs lancedb and a query encoder, no decoder and no Ray.

results < routes < searcher
"""
