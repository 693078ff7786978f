"""The DAG around it: put both files into the DAGs folder. `train` stands for what follows.

The folder of the checkpoint lies on a volume that all workers share: the second task may run on another one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag, task
from fetch_descendant import fetch_descendant


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def tune_a_descendant() -> None:
    """Fetch a checkpoint, then train from it."""

    @task
    def train(checkpoint: str) -> None:
        print(f"training starts from {checkpoint}")

    fetch = task(fetch_descendant, retries=3, retry_delay=timedelta(seconds=30))
    train(fetch("http://zoo:8000", "/mnt/shared/descendant"))


tune_a_descendant()
