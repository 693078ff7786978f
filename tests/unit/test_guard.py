"""No orphans: real processes, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cases.processes import assert_gone, gone

from learngenes import guard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone does this")

CHILD = "from learngenes import guard; guard.die_with_parent(); print('here', flush=True); import time; time.sleep(60)"
"""Asks to die with its parent, says that it has, and stays."""

PARENT = f"""
import os, subprocess, sys
os.environ["LEARNGENES_PARENT"] = str(os.getpid())
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def start(*command: str, **more: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | more
    return subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_process_ends_within_a_second_of_the_kill_of_its_parent() -> None:
    with start("-c", PARENT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not gone(child)
        parent.kill()
    assert_gone(child)


def test_a_command_that_does_not_ask_itself_is_asked_for() -> None:
    command = [sys.executable, "-m", "learngenes.guard", sys.executable, "-c", "import time; print(1); time.sleep(60)"]
    script = f"import subprocess; p = subprocess.Popen({command!r}); print(p.pid, flush=True); p.wait()"
    with start("-c", script) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while not (running := Path(f"/proc/{child}/cmdline").read_bytes()) or b"learngenes.guard" in running:
            time.sleep(0.01)  # while a process becomes another program it has no command line
        parent.kill()
    assert_gone(child)


def test_it_leaves_at_once_if_whoever_started_the_work_is_gone_already() -> None:
    with start("-c", "pass") as ended:
        pass
    with start("-c", CHILD, LEARNGENES_PARENT=str(ended.pid)) as late:
        out, errors = late.communicate(timeout=30)
    assert (late.returncode, out) == (1, "")
    assert f"process {ended.pid}, which started this work, is gone" in errors


def test_a_parent_a_grandparent_and_nobody_named_are_all_right() -> None:
    script = "from learngenes import guard; guard.die_with_parent(); print('here')"
    nested = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {script!r}]))"
    for command, named in ((script, str(os.getpid())), (nested, str(os.getpid())), (script, "")):
        with start("-c", command, LEARNGENES_PARENT=named) as child:
            assert child.communicate(timeout=30)[0] == "here\n"
        assert child.returncode == 0


def test_a_command_that_can_not_be_started_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with start("-m", "learngenes.guard", "/nowhere/at/all") as child:
        assert "can't start /nowhere/at/all: No such file" in child.communicate(timeout=30)[1]
    assert child.returncode == 127
    assert guard.main([]) == 2
    assert "usage: python -m learngenes.guard COMMAND" in capsys.readouterr().err


def test_a_job_started_by_hand_outlives_its_terminal_and_one_of_a_worker_or_of_ranks_does_not(tmp_path: Path) -> None:
    words = ["job", "nowhere.json", "--run", str(tmp_path), "--store", str(tmp_path)]
    asked = "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"
    script = f"from learngenes.__main__ import main; main({words}); {asked}"
    for environment, dies_by in (({}, "0"), ({"LEARNGENES_PARENT": str(os.getpid())}, "9"), ({"WORLD_SIZE": "2"}, "9")):
        with start("-c", script, **environment) as child:
            assert child.communicate(timeout=60)[0].splitlines()[-1] == dies_by


def test_the_signal_is_the_one_that_nobody_can_ignore() -> None:
    script = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"
    wrapped = PARENT.replace(repr(CHILD), repr(script))
    with start("-c", wrapped) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGTERM)
        time.sleep(0.1)
        assert not gone(child)
        parent.kill()
    assert_gone(child)
