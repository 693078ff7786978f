"""One function for each way to break things: it breaks a running job and sees the job through."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from experiments.faults.broken import JOB, PATIENCE_SECONDS, Outcome, begun, versions
from experiments.faults.cluster import Cluster, alive, wait


def trainer_killed(at: Cluster, reference: str) -> Outcome:
    """kill -9 of the training process"""
    run = begun(at)
    run.breaks()
    for pid in at.trainers(run.workers[0]):
        os.kill(pid, signal.SIGKILL)
    return run.finished(reference=reference, recovery=run.recovered(anew=True))


def worker_killed(at: Cluster, reference: str) -> Outcome:
    """kill -9 of the worker, another one idle"""
    run = begun(at, workers=2)
    busy = next(worker for worker in run.workers if at.trainers(worker))
    below = at.trainers(busy)
    run.breaks()
    busy.kill()
    busy.wait()
    orphans = wait("the orphan's end", lambda: not any(alive(pid) for pid in below), seconds=10)
    note = f"its trainer was gone after {orphans:.1f} s"
    return run.finished(reference=reference, recovery=run.recovered(anew=True), note=note)


def worker_asked(at: Cluster, reference: str) -> Outcome:
    """SIGTERM to the worker, a new one started"""
    run = begun(at)
    run.breaks()
    run.workers[0].send_signal(signal.SIGTERM)
    run.workers[0].wait(PATIENCE_SECONDS)
    left = time.time() - run.broken_time
    run.workers.append(at.worker())
    return run.finished(reference=reference, recovery=run.recovered(anew=True), note=f"handed back after {left:.1f} s")


def redis_killed(at: Cluster, reference: str) -> Outcome:
    """kill -9 of Redis, back after 2 s (AOF)"""
    run = begun(at)
    run.breaks()
    at.servers[-1].kill()
    at.servers[-1].wait()
    time.sleep(2)
    at.redis()
    return run.finished(reference=reference, recovery=run.recovered(), note="training went on meanwhile")


def redis_wiped(at: Cluster, reference: str) -> Outcome:
    """FLUSHALL with one job running and one waiting"""
    run = begun(at)
    waiting = at.ask("POST", "/v1/jobs", {**JOB, "spec": {**JOB["spec"], "name": "digits-2", "seed": 1}})["id"]
    run.breaks()
    at.wipe()
    outcome = run.finished(reference=reference, recovery=run.recovered(), note="the waiting job ran as well")
    wait("the waiting job", lambda: at.status(waiting) == "finished", seconds=PATIENCE_SECONDS)
    return outcome


def service_killed(at: Cluster, reference: str) -> Outcome:
    """kill -9 of the service, started again"""
    run = begun(at)
    run.breaks()
    at.services[-1].kill()
    at.services[-1].wait()
    at.service()
    return run.finished(reference=reference, recovery=run.recovered(), note="training went on meanwhile")


def everything_killed(at: Cluster, reference: str) -> Outcome:
    """kill -9 of Redis, service, worker and trainer (a power cut), all started again"""
    run = begun(at)
    below = at.trainers(run.workers[0])
    run.breaks()
    for process in (*run.workers, at.servers[-1], at.services[-1]):
        process.kill()
        process.wait()
    wait("the orphan's end", lambda: not any(alive(pid) for pid in below), seconds=10)
    at.redis()
    at.service()
    at.worker()
    return run.finished(reference=reference, recovery=run.recovered(anew=True))


def cancelled(at: Cluster, reference: str) -> Outcome:
    """DELETE of a running job"""
    run = begun(at)
    below = at.trainers(run.workers[0])
    run.breaks()
    at.ask("DELETE", f"/v1/jobs/{run.job}")
    wait("the cancelling", lambda: at.status(run.job) == "cancelled", seconds=PATIENCE_SECONDS)
    seconds = round(time.time() - run.broken_time, 1)
    lost = [f"pid {pid} still trains" for pid in below if alive(pid)]
    lost += ["the worker is gone"] if run.workers[0].poll() is not None else []
    lost += ["it was published"] if versions(at) else []
    return Outcome(tuple(lost), seconds, note=f"{len(below)} process{'es' * (len(below) > 1)} ended, worker goes on")


def posted_twice(at: Cluster, reference: str) -> Outcome:
    """The same job posted 20 times, two workers"""
    run = begun(at, workers=2)
    run.breaks()
    ids = {at.ask("POST", "/v1/jobs", JOB)["id"] for _ in range(20)}
    lost = [f"{len(ids)} jobs were made of one"] if ids != {run.job} else []
    running = [worker for worker in run.workers if at.trainers(worker)]
    lost += [f"{len(running)} workers train it"] if len(running) != 1 else []
    seen = run.finished(reference=reference, recovery=0.0)
    return Outcome((*lost, *seen.lost), 0.0, seen.repeated_steps, seen.steps, "one job, one worker, one version")


Scenario = Callable[[Cluster, str], Outcome]

SCENARIOS: tuple[Scenario, ...] = (
    trainer_killed, worker_killed, worker_asked, redis_killed, redis_wiped, service_killed, everything_killed,
    cancelled, posted_twice,
)  # fmt: skip
"""With one process a job."""

RANKED: tuple[Scenario, ...] = (cancelled, worker_killed)
"""Again with two ranks under torchrun; weights depend on their number."""
