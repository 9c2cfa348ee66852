"""Made shops that differ: eight of them, no two with a product, picture, voice or style in common.

The shops that link weights are fitted on, and that they are measured on (`benchmarks.shops`).
"""
