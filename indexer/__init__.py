"""The work itself, as plain functions: no scheduling, no Ray.

Rooms, each knowing only those before it:
media < reading, segments, catalog < linking < store < index < search < quality.
"""
