"""PyMC with nutpie and its low-rank mass matrix, on the same model as the contestant ``pymc``."""

from benchmarks.contestant import Clock, Task, run_contestant
from benchmarks.contestants.pymc import race_nutpie
from benchmarks.quality import Draws

__all__ = ["contestant"]


def contestant(task: Task, clock: Clock) -> tuple[Draws, dict]:
    """Compile and sample with ``low_rank_modified_mass_matrix``."""
    return race_nutpie(task, clock, low_rank_modified_mass_matrix=True)


if __name__ == "__main__":
    run_contestant(contestant)
