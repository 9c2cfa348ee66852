"""What flows through reelshelf: frozen records, Arrow schemas, keys, errors and the config.

Each module is public. Nothing is imported here: `schemas.errors` must load without pydantic.
"""
