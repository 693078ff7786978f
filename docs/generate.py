"""Makes the generated pages, see PAGES. `--check` says which are out of date."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import starter_page

DOCS = Path(__file__).parent
PYTHON = (3, 11)
"""argparse and http word some things differently from version to version."""


def openapi() -> str:
    """The service's OpenAPI document."""
    from learngenes_service.app import create_app
    from learngenes_service.settings import Settings

    app = create_app(Settings(data=Path("data"), store="store"))
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


def settings() -> str:
    """The table of environment variables."""
    from learngenes_service.settings import MEANINGS, PREFIX, from_environment

    defaults = from_environment({"HOME": "~"})
    values = {name: _as_given(getattr(defaults, name.lower())) for name in MEANINGS}
    rows = [f"| `{PREFIX}{name}` | {meaning} | {values[name]} |" for name, meaning in MEANINGS.items()]
    head = [
        "# Settings",
        "",
        "Read by the service and by workers from their environment; an empty variable counts as not given, and an",
        "unknown `LEARNGENES_` variable is an error. Sizes are bytes, or such as `500M` and `20G` (powers of ten).",
        "",
    ]
    client = [
        "",
        "The client reads `LEARNGENES_URL` (the service; `http://127.0.0.1:8000`), `LEARNGENES_KEY` (its key, if the",
        "service asks for one), `LEARNGENES_CACHE` (its cache directory) and `LEARNGENES_OFFLINE` (1: open no socket).",
        "An object store is reached with the provider's own variables, such as `AWS_ACCESS_KEY_ID`,",
        "`AWS_SECRET_ACCESS_KEY` and `AWS_ENDPOINT_URL`.",
    ]
    return "\n".join([*head, "| variable | meaning | default |", "|---|---|---|", *rows, *client]) + "\n"


def _as_given(value: Any) -> str:
    """A value as one would write it into a variable."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool | float):
        value = f"{value:g}"
    for zeros, unit in ((9, "G"), (6, "M")):
        if isinstance(value, int) and value and value % 10**zeros == 0:
            return f"`{value // 10**zeros}{unit}`"
    return f"`{value}`"


def cli() -> str:
    """The help of every command."""
    import learngenes_client.cli as client
    import learngenes_service.__main__ as service

    import learngenes.__main__ as library

    pages = ["# Commands", ""]
    for program, main, commands in (
        ("learngenes", library.main, library.COMMANDS),
        ("learngenes-client", client.main, (*client.COMMANDS, "cache ls", "cache verify", "cache prune")),
        ("learngenes-service", service.main, ("keys", "private")),
    ):
        for arguments in ([], *(command.split() for command in commands)):
            pages += [f"## `{' '.join([program, *arguments])}`", "", "```", _help(main, arguments), "```", ""]
    return "\n".join(pages)


def _help(main: Callable[[list[str]], int], arguments: list[str]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    return out.getvalue().rstrip()


PAGES: dict[str, Callable[[], str]] = {
    "openapi.json": openapi,
    "settings.md": settings,
    "cli.md": cli,
    "results/starter.md": starter_page.page,
}
"""By the page's place in this directory."""


def main() -> int:
    """Write the pages, or with --check exit 1 if one of them is not what it would be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    check = parser.parse_args().check
    if check and sys.version_info[:2] != PYTHON:
        print("not compared: the generated pages are made with Python 3.11, whose wording differs", file=sys.stderr)
        return 0
    os.environ["COLUMNS"] = "100"
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; make docs makes them anew", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
