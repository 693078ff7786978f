"""What every test shares: hypothesis draws the same examples on every machine, and keeps nothing."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("fixed")
