"""No orphans: a process that ends, however its parent ends.

A trainer whose worker was killed would go on, and a second copy of it would be started elsewhere. So it asks the kernel
to be killed with its parent. `python -m learngenes.guard COMMAND ...` does that for a command that does not ask itself,
such as torchrun, whose ranks die with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

PARENT = "LEARNGENES_PARENT"
"""The variable with the process id of whoever started the work: a worker sets it for all that it starts."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Be killed as soon as the parent is gone; leave at once if it is already.

    It is gone if LEARNGENES_PARENT names a process that is none of our ancestors; without that variable nobody looks.
    The kernel counts the thread that started us as the parent: start children from a thread that stays.
    Linux alone knows how; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    wanted = os.environ.get(PARENT)
    # Asked after prctl: a parent that ends in between is seen by one of the two.
    if wanted and wanted not in _ancestors():
        sys.exit(f"learngenes: process {wanted}, which started this work, is gone; so this ends too")


def is_watched() -> bool:
    """Whether somebody set LEARNGENES_PARENT: a worker started this work, and starts it again elsewhere."""
    return bool(os.environ.get(PARENT))


def _ancestors() -> list[str]:
    """Process ids from the parent up."""
    found = []
    pid = os.getppid()
    while pid > 0:
        found.append(str(pid))
        try:
            status = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:  # it ended, or belongs to somebody else
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return found


def main(command: Sequence[str]) -> int:
    """Become the command, which then ends with the parent."""
    if not command:
        print("usage: python -m learngenes.guard COMMAND [ARGUMENT ...]", file=sys.stderr)
        return 2
    die_with_parent()
    try:
        os.execvp(command[0], list(command))  # noqa: S606
    except OSError as error:
        print(f"learngenes: can't start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
