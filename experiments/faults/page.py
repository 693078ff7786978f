"""The page of docs/results, from its JSON alone."""

from __future__ import annotations

from typing import Any


def page(results: dict[str, Any]) -> str:
    """faults.md."""
    lines = [
        "# What breaks, and what it costs",
        "",
        "Made by `python -m experiments.faults`: real processes (Redis or Valkey, service, workers, trainers), each",
        "row in an empty directory, broken in the middle of a real job: SWS on scikit-learn's digits, a checkpoint",
        f"every 1.2 s. Queue: {results['server']}. Hardware: {results['hardware']}.",
        f"A job that nothing happens to takes {results['undisturbed_seconds']:.0f} s.",
        "",
        "*Lost* compares with an undisturbed run: the job ends as finished, its weights are the same bytes, and they",
        "are published once. *Recovered* is the time until training is further than it was when broken, or until what",
        "was asked for is so. *Repeated* are the steps trained twice, since the last checkpoint.",
        "",
        "| fault | lost | recovered after | repeated steps | |",
        "|---|---|---|---|---|",
    ]
    for row in results["faults"]:
        lost = "; ".join(row["lost"]) or "nothing"
        ranks = "" if row["ranks"] == 1 else f", {row['ranks']} ranks"
        repeated = f"{row['repeated_steps']} of {row['steps']}" if row["steps"] else ""
        lines.append(
            f"| {row['fault']}{ranks} | {lost} | {row['recovery_seconds']:.1f} s | {repeated} | {row['note']} |"
        )
    lines += [
        "",
        "A killed worker's job waits for its lease, 65 s by RQ's own floor, and for an idle worker to look.",
        "",
        "## Downloads meanwhile",
        "",
    ]
    load = results["load"]
    lines += [
        f"{load['downloads']} downloads of {load['file_bytes']:,} bytes at once, while a job trains on the same cores: "
        f"{load['wrong']} with a wrong byte, {load['seconds']:.0f} s in all, the job did {load['steps_meanwhile']} "
        f"steps meanwhile. The service's own memory went from {load['before_bytes'] / 1e6:.0f} MB to at most "
        f"{load['peak_bytes'] / 1e6:.0f} MB.",
        "",
    ]
    return "\n".join(lines)
