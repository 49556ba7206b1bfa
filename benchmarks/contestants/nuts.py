"""The package with NumPyro's NUTS in the same preconditioned space."""

from benchmarks.contestant import Clock, Task, run_contestant
from benchmarks.contestants.ours import race_engine
from benchmarks.quality import Draws

__all__ = ["contestant"]


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Fit with ``engine="nuts"``."""
    return race_engine(task, clock, "nuts")


if __name__ == "__main__":
    run_contestant(contestant)
