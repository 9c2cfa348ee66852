"""Pauses of Python's collector."""

import gc


def set_aside() -> None:
    """Free what nobody holds, and have later collections pass over what lives now.

    Modules and an open release are hundreds of thousands of objects. A full collection looks at
    all of them, for a tenth of a second in which nothing is answered, to find them alive.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
