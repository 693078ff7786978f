"""The images of a run directory by their bytes: tasks know names alone, and other images of a name are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from experiments.tasks import Learn, Measure, Task, Teach
from learngenes.errors import InvalidValue
from learngenes.job_options import first_of


def sources(tasks: Iterable[Task]) -> set[str]:
    """The data sets that these tasks look at, whole ones."""
    named: set[str] = set()
    for task in tasks:
        match task:
            case Measure():
                named |= {task.train, task.test}
            case Teach():
                named |= {task.data.train, task.data.test}
            case Learn() if task.job.data is not None:
                named |= {task.job.data.train, task.job.data.test}
    return {first_of(source)[0] for source in named}


def remember(run: Path, named: Iterable[str], *, data: Path) -> None:
    """Keep what these images are in the run directory; InvalidValue if it was measured on others of that name."""
    path = run / "images.json"
    known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for source in sorted(named):
        found = _digest(source, data)
        if found is None:
            continue  # what needs it will say that it is not there
        if known.setdefault(source, found) != found:
            raise InvalidValue(
                f"{source} has sha256 {found[:12]} in {data}, and {run} was measured on {known[source][:12]}; give the "
                f"directory of these images, or another --run"
            )
    run.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(path)


def _digest(source: str, data: Path) -> str | None:
    """Of the bytes of a file; of a directory's names and sizes; None of what is no file of ours, or not there."""
    kind, _, rest = source.partition(":")
    path = data / rest
    if kind == "parquet" and path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if kind == "folder" and path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file())
        listed = "\n".join(f"{one.relative_to(path)} {one.stat().st_size}" for one in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    return None
