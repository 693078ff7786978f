"""The one error of the queue."""

from __future__ import annotations


class QueueDown(Exception):
    """Redis can't be asked just now; what the records tell is unaffected."""
