"""The package with its trajectories on a GPU."""

from benchmarks.contestant import Clock, Task, run_contestant
from benchmarks.contestants.ours import race_engine
from benchmarks.quality import Draws

__all__ = ["contestant"]


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Fit with ``device="gpu"``."""
    return race_engine(task, clock, "hmc", device="gpu")


if __name__ == "__main__":
    run_contestant(contestant)
