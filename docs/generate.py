"""Makes the generated pages: docs/openapi.json, docs/settings.md, docs/cli.md. `--check` says which are out of date."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).parent
PYTHON = (3, 11)
"""argparse and http word some things differently from version to version."""


def openapi() -> str:
    """The service's OpenAPI document."""
    from learngenes_service.app import create_app
    from learngenes_service.settings import Settings

    app = create_app(Settings(data=Path("data"), store=Path("store")))
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


def settings() -> str:
    """The table of environment variables."""
    from learngenes_service.settings import MEANINGS, PREFIX, from_environment

    defaults = from_environment({"HOME": "~"})
    values = {"HOST": defaults.host, "PORT": defaults.port, "DATA": defaults.data, "STORE": defaults.store}
    values["DEFAULT"] = defaults.default
    values["ZERO_COPY"] = int(defaults.zero_copy)
    rows = [f"| `{PREFIX}{name}` | {meaning} | `{values[name]}` |" for name, meaning in MEANINGS.items()]
    head = [
        "# Settings",
        "",
        "Read by the service from its environment. An unknown `LEARNGENES_` variable is an error.",
        "",
    ]
    client = [
        "",
        "The client reads `LEARNGENES_URL` (the service; `http://127.0.0.1:8000`) and",
        "`LEARNGENES_CACHE` (its cache directory).",
    ]
    return "\n".join([*head, "| variable | meaning | default |", "|---|---|---|", *rows, *client]) + "\n"


def cli() -> str:
    """The help of every command."""
    import learngenes_client.cli as client
    import learngenes_service.__main__ as service

    import learngenes.__main__ as library

    pages = ["# Commands", ""]
    for program, main, commands in (
        ("learngenes", library.main, library.COMMANDS),
        ("learngenes-client", client.main, ("fetch", "describe", "plan", "learngenes", "methods")),
        ("learngenes-service", service.main, ()),
    ):
        for arguments in ([], *([command] for command in commands)):
            pages += [f"## `{' '.join([program, *arguments])}`", "", "```", _help(main, arguments), "```", ""]
    return "\n".join(pages)


def _help(main: Callable[[list[str]], int], arguments: list[str]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*arguments, "--help"])
    return out.getvalue().rstrip()


PAGES: dict[str, Callable[[], str]] = {"openapi.json": openapi, "settings.md": settings, "cli.md": cli}


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
