"""The command line: the library's own commands, and those of the client and the service, which are run for it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence

from learngenes.arguments import Command, parser
from learngenes.commands import build, evaluate, export, fit_size, import_network, job, learn, plan, push, vouching
from learngenes.errors import LearngenesError

HANDED_OVER = {
    "fetch": ("learngenes_client", "learngenes-client", ["fetch"]),
    "push": ("learngenes_client", "learngenes-client", ["push"]),
    "yank": ("learngenes_client", "learngenes-client", ["yank"]),
    "unyank": ("learngenes_client", "learngenes-client", ["unyank"]),
    "submit": ("learngenes_client", "learngenes-client", ["submit"]),
    "jobs": ("learngenes_client", "learngenes-client", ["jobs"]),
    "watch": ("learngenes_client", "learngenes-client", ["watch"]),
    "cancel": ("learngenes_client", "learngenes-client", ["cancel"]),
    "cache": ("learngenes_client", "learngenes-client", ["cache"]),
    "serve": ("learngenes_service", "learngenes-service", []),
    "worker": ("learngenes_service", "learngenes-service", ["worker"]),
}
"""Commands of the other two distributions: module, distribution, arguments. They are run, never imported."""

COMMANDS: dict[str, Command] = {
    "learn": Command(learn.arguments, learn.run),
    "fit-size": Command(fit_size.arguments, fit_size.run),
    "plan": Command(plan.arguments, plan.run),
    "build": Command(build.arguments, build.run),
    "evaluate": Command(evaluate.arguments, evaluate.run),
    "job": Command(job.arguments, job.run),
    "import": Command(import_network.arguments, import_network.run),
    "export": Command(export.arguments, export.run),
    "push": Command(push.arguments, push.run),
    "sign": Command(vouching.signing_arguments, vouching.sign),
    "verify": Command(vouching.verifying_arguments, vouching.verify),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0, 1 if nobody reads on, 2 for what can't be, 130 for a stopped run."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] in HANDED_OVER and not _ours(words):
            return _hand_over(words[0], words[1:])
        chosen = parser(COMMANDS).parse_args(words)
        run: Callable[[argparse.Namespace], int] = chosen.run_command
        status = run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output, as `head` does, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (LearngenesError, OSError) as error:
        print(f"learngenes: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "learngenes":
            raise
        print(f"learngenes: {words[0]} needs {error.name}: pip install 'learngenes[train]'", file=sys.stderr)
    else:
        return status
    return 2


def _ours(words: Sequence[str]) -> bool:
    """Whether it is for this library after all: what lies in a store only we can read."""
    flags = {word.partition("=")[0] for word in words[1:]}
    return words[0] in COMMANDS and not flags.isdisjoint(("--store", "-h", "--help"))


def _hand_over(command: str, arguments: list[str]) -> int:
    module, distribution, first = HANDED_OVER[command]
    if importlib.util.find_spec(module) is None:
        print(f"learngenes: {command} needs the distribution {distribution}, which is not installed", file=sys.stderr)
        return 2
    os.execv(sys.executable, [sys.executable, "-m", module, *first, *arguments])  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
