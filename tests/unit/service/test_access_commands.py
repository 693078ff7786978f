from __future__ import annotations

from pathlib import Path

import pytest
from learngenes_service.__main__ import main
from learngenes_service.access.keys import Keys

from learngenes.catalog import Catalog
from learngenes.store.local import LocalStore


def test_a_worker_without_a_queue_is_refused_whether_it_is_to_run_or_to_be_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEARNGENES_REDIS_URL", "none")
    assert [main(["worker"]), main(["worker", "--check"])] == [2, 2]
    assert "LEARNGENES_REDIS_URL is 'none'" in capsys.readouterr().err


def test_keys_and_marks_are_made_and_taken_back_by_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> tuple[int, str, str]:
        return main(list(words)), *capsys.readouterr()

    monkeypatch.setenv("LEARNGENES_DATA", str(tmp_path))
    status, text, said = command("keys", "add", "ada", "--scope", "train")
    assert (status, said) == (0, "")
    found = Keys(LocalStore(tmp_path / "store")).find(text.strip())
    assert found is not None
    assert found.scope == "train"
    _, listed, _ = command("keys", "list")
    assert listed.startswith("ada  train  20")
    assert "lgz_" not in listed
    status, text, said = command("keys", "add", "ada")
    assert (status, text) == (1, "")
    assert "revoke it first" in said
    assert [command("keys", "revoke", "ada")[0] for _ in range(2)] == [0, 1]
    assert command("private", "mine", "on")[0] == 0
    assert Catalog(LocalStore(tmp_path / "store")).private() == {"mine"}
    assert command("private", "mine", "off")[0] == 0
    assert command("private", "../x", "on")[0] == 1
