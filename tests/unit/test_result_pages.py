"""Pages of results that are made of the JSON beside them say what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.learning import page as learning
from experiments.faults import page as faults

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.mark.parametrize(("name", "made"), [("faults", faults.page), ("learning-speed", learning.markdown)])
def test_the_page_is_what_its_json_gives(name: str, made: Callable[[Any], str]) -> None:
    results = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    assert (RESULTS / f"{name}.md").read_text("utf-8") == made(results)
