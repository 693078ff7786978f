from __future__ import annotations

import os
import subprocess
import sys

import pytest
from learngenes_service.jobs.link import Link

PROBE = """
import sys
from learngenes_service.jobs.link import Link
link = Link("unix:///nowhere/redis.sock")
print("redis" in sys.modules, "rq" in sys.modules)
link.queue
print("redis" in sys.modules, "rq" in sys.modules)
"""


def test_the_way_to_a_private_queue_imports_nothing_before_it_is_taken() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True, env=environment, text=True)
    assert done.stdout.splitlines() == ["False False", "True True"]


@pytest.mark.parametrize("url", ["redis://queue:99999/0", "unix:///redis.sock?db=first"])
def test_a_url_that_makes_no_sense_is_found_out_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match=r"Port out of range|Invalid value for 'db'"):
        Link(url)


def test_nobody_at_the_other_end_is_no_pulse() -> None:
    assert Link("unix:///nowhere/redis.sock").pulse.beats() is False
