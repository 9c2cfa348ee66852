"""The work itself, as plain functions: no scheduling, no Ray.

Rooms, each knowing only those before it:
media < catalog < reading, products < segments < linking < store < index < search < quality
< report.
"""
