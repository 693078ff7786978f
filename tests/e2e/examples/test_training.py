"""Examples that train, at a size that takes seconds."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.examples.programs import python
from e2e.hub import harness


def percents(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"([0-9.]+)%", text)]


def test_a_descendant_tuned_for_an_epoch_is_ahead_of_scratch(zoo: str, tmp_path: Path) -> None:
    said = python("finetune.py", "--url", zoo, "--depth", "3", "--width", "128", home=tmp_path)
    assert "sws-small-cifar100@2, depth 3, width 128: 605,194 parameters" in said
    learned, scratch = percents(said)
    assert learned > scratch + 5


def test_the_trainer_of_transformers_tunes_what_the_endpoint_variable_leads_to(zoo: str, tmp_path: Path) -> None:
    surroundings = harness.environment(harness.NEWEST, tmp_path, zoo)
    repository = "sws-small-cifar100/depth3-width128-hf"
    said = python("transformers_trainer.py", "--repository", repository, home=tmp_path, **surroundings)
    assert harness.outside(tmp_path) == []
    assert "IJepaForImageClassification of " + repository in said
    before, after = percents(said.splitlines()[-1].partition(":")[2])
    assert before < 25
    assert after > before + 25
