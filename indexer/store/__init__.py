"""Where everything is kept: Lance tables under one URI, and the releases that name their versions.

rows < tables < releases
"""
