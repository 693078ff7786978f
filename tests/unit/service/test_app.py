from __future__ import annotations

from pathlib import Path

from learngenes_service.app import create_app
from learngenes_service.settings import Settings


def test_making_an_app_touches_neither_disk_nor_network(tmp_path: Path) -> None:
    create_app(Settings(data=tmp_path / "data", store=str(tmp_path / "store"), redis_url="redis://127.0.0.1:1/0"))
    assert not list(tmp_path.iterdir())
