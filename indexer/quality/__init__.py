"""How good a release is, and whether it may be published.

measures < gate
"""
