"""The benchmark of learning measures what it says, on networks that take no time."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.learning import cases, page
from bench.learning.peak import Peak, step_flops
from bench.learning.turns import Turn, measure
from learngenes.families.vit import macs
from learngenes.training.device import Place

PLACE = Place(0, 1, torch.device("cpu"))
TINY = cases.vit(2, 16, 2, image=8, patch=4)
PLAIN = cases.Case("plain", TINY, 4, "float32", False, steps=2, pairs=3)
SWS = replace(PLAIN, what="sws", stages=(1, 1), teacher=TINY)


@pytest.mark.parametrize("case", [PLAIN, SWS], ids=lambda case: case.what)
def test_our_loop_and_the_bare_one_take_turns(case: cases.Case) -> None:
    turns = measure(case, PLACE)
    assert len(turns) == 3
    assert all(turn.ours > 0 and turn.bare > 0 for turn in turns)


def test_half_the_speed_misses_the_goal_and_shared_layers_have_none() -> None:
    turns = [Turn(ours=0.2, bare=0.1, foreign_cores=0.0)] * 3
    flops = step_flops(PLAIN)
    assert flops == 6 * 4 * macs(TINY)
    one = page.outcome(PLAIN, turns, Peak(flops * 10.0, "made up"))
    assert (one.ratio, one.images_per_second, one.step_ms) == (0.5, (20.0, 40.0), (200.0, 100.0))
    assert one.share_of_peak == (0.5, 1.0) and one.goal == 0.95
    assert page.outcome(SWS, turns, Peak(1.0, "made up")).goal is None
    assert math.isclose(step_flops(SWS), flops * 4 / 3)


def test_measuring_one_device_leaves_the_numbers_of_the_other(tmp_path: Path) -> None:
    turns = [Turn(ours=0.2, bare=0.1, foreign_cores=2.0)] * 3
    one = page.outcome(PLAIN, turns, Peak(1e9, "made up"))
    page.write(tmp_path, {"gpu": page.part("first", {"hardware": "a"}, [one])})
    page.write(tmp_path, {"processor": page.part("second", {"hardware": "b"}, [one])})
    known = json.loads((tmp_path / "learning-speed.json").read_text())
    assert {kind: part["command"] for kind, part in known.items()} == {"gpu": "first", "processor": "second"}
    text = (tmp_path / "learning-speed.md").read_text()
    assert text.index("On a gpu") < text.index("On a processor")
    assert "| plain | 0.500 | 0.500–0.500 | 3 | ≥ 0.95 | NOT met | 20 / 40 |" in text
    assert "plain: 3 of 3 pairs unclean." in text
