"""The work itself, as plain functions: no scheduling, no Ray.

Each package may import those before it: text < sources < media < extract < linking < store < index
< search < quality < pipeline < report.
"""
