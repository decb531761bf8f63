"""Giving memory back to the system where much of it was freed at once."""

import ctypes


def trim() -> None:
    """Let the C library give back what it keeps for later: a decoder's pictures are megabytes each.

    Only glibc keeps them, and only there is there anything to do.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
