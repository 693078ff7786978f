from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import factories
import pytest
from cases.measurements import top1

from learngenes.__main__ import main
from learngenes.arguments import amount
from learngenes.errors import InvalidValue
from learngenes.store.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> str:
    manifest, raw = factories.learngene()
    measured = replace(manifest, quality=(top1(4, 32, 0.3), top1(8, 32, 0.5)))
    factories.catalog(None, (measured, raw), store=LocalStore(tmp_path))
    return str(tmp_path)


def test_a_budget_prints_candidates_best_first_and_why_not_the_others(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--store", store, "--max-params", "0.1M"]) == 0
    head, first, *rest = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["learngene", "depth", "width", "parameters"]
    assert first.startswith("tiny@1         7     32      91,018")
    assert "interpolated between 4x32 and 8x32" in first
    assert "accuracy: top-1 on digits test, untuned, with its 95 % interval" in rest
    assert any(line.startswith("not tiny@1, depths 8 to 512 at width 32: 104K parameters") for line in rest)


def test_a_size_prints_what_it_would_be_and_json_all_of_it(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tiny", "--store", store, "--depth", "4", "--num-classes", "3"]) == 0
    head, id, parameters, *rest = capsys.readouterr().out.splitlines()
    assert head == "tiny@1 (sws), depth 4, width 32, F32"
    assert parameters.endswith(" copied, 99 fresh)")
    assert "accuracy    not measured" in rest
    assert any(line.startswith("note        head.bias and head.weight are fresh") for line in rest)
    assert main(["plan", "tiny", "--store", store, "--depth", "4", "--num-classes", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == id.split()[1]
    assert main(["plan", "tiny", "--store", store, "--depth", "4"]) == 0
    assert "accuracy    30.0 % top1 of 1,000 images of digits test, untuned\n" in capsys.readouterr().out


def test_json_has_every_reason(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "tiny", "--store", store, "--max-bytes", "100K", "--json", "--limit", "2"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert (len(table["candidates"]), table["budget"]["max_bytes"]) == (2, 100_000)
    assert sum(entry["sizes"] for entry in table["exclusions"]) + table["total"] == 2 * 512


def test_where_nothing_fits_the_reasons_remain(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--store", store, "--max-params", "1"]) == 0
    assert capsys.readouterr().out.startswith("nothing fits\n")


def test_a_size_and_a_budget_exclude_each_other(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--store", store, "--max-params", "1M", "--depth", "4"]) == 2
    assert "--depth names one descendant, a budget finds one" in capsys.readouterr().err
    assert main(["plan", "--store", store]) == 2
    assert "plan needs a learngene, such as `name`, or a budget" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "number"), [("24M", 24_000_000), ("1.5G", 1_500_000_000), ("2k", 2000), ("7", 7)])
def test_an_amount_may_be_written_short(text: str, number: int) -> None:
    assert amount(text) == number


@pytest.mark.parametrize(
    "text", ["", "M", "0", "-1M", "1.5", "0.0001K", "1e3", "1e999999999", "24 million", "1/0", "nan"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"is no whole number above 0; write 24000000, 24M or 1\.5G"):
        amount(text)


def test_who_has_seen_enough_of_the_output_ends_it_without_a_word(store: str) -> None:
    words = [sys.executable, "-m", "learngenes", "plan", "tiny", "--store", store, "--depth", "400", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1
