"""RQ's worker, hardened: nothing that it starts outlives it, and what it is told to stop is handed back.

Tried on RQ 3.0. A dead worker's job is given away `lease_seconds` after its last sign of life, by whoever looks next:
the service every two seconds, an idle worker every quarter of a minute.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from redis import ConnectionError as RedisGone
from redis import Redis
from redis import TimeoutError as RedisSilent
from rq import Worker, worker_registration

from learngenes.guard import PARENT
from learngenes_service.jobs.queue import NAMES

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.executions import Execution
    from rq.job import Job
    from rq.queue import Queue

LEASE_SECONDS = 65
"""RQ's own: the monitoring interval and a minute."""


class ZooWorker(Worker):
    """A worker of all queues, the short one first."""

    max_connection_wait_time = 5.0
    """Seconds between looks for a Redis that is away; rq waits up to a minute, long after it is back."""

    def __init__(self, connection: Redis, *, name: str, lease_seconds: int = LEASE_SECONDS) -> None:
        super().__init__(
            list(NAMES),
            name=name,
            connection=connection,
            serializer="json",
            job_monitoring_interval=min(5, max(1, lease_seconds // 4)),
            maintenance_interval=15,
            worker_ttl=30,
            log_job_description=False,
        )
        self._lease_seconds = lease_seconds

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._shutdown_requested_date is not None

    def work(self, *arguments: Any, **options: Any) -> bool:
        """See rq. All that is started from here on ends with this process."""
        os.environ[PARENT] = str(os.getpid())
        return super().work(*arguments, **options)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """The lease of a job."""
        return self._lease_seconds

    def handle_warm_shutdown_request(self) -> None:
        """The job learns of it too, so that it comes to a checkpoint instead of to its end."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        self._tell_horse()

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Fork; a request to stop that came just before reaches the job as well."""
        super().fork_work_horse(job, queue)
        if self._stop_requested:
            self._tell_horse()

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Renew the lease. While Redis is away the job goes on: what it does is kept in its run directory."""
        if self._stop_requested:
            self._tell_horse()  # the first time it may not have been listening yet
        try:
            super().maintain_heartbeats(job, execution)
        except (RedisGone, RedisSilent) as error:
            self.log.warning("Worker %s: Redis is away, the job goes on: %s", self.name, error)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """See rq; a worker that Redis has forgotten introduces itself again."""
        super().heartbeat(timeout, pipeline)
        if not self.is_horse and not self.connection.sismember(self.redis_workers_keys, self.key):
            with self.connection.pipeline() as again:
                again.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, again)
                again.expire(self.key, timeout or self.worker_ttl + 60)
                again.execute()

    def _tell_horse(self) -> None:
        if self.horse_pid:
            try:
                os.kill(self.horse_pid, signal.SIGTERM)
            except ProcessLookupError:
                return
