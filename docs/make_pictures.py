"""Draw the figures of ``reading-the-report.md`` from the demonstration log: ``python docs/make_pictures.py``."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from simulacra.data import load_demo
from simulacra.formalism import PersonaMixture, ScoreEmission
from simulacra.inference import Result, fit
from simulacra.report import figures

PICTURES: dict[str, Callable[[Result], Figure]] = {
    "rate_differences": figures.rate_differences,
    "explained_rates": figures.explained_rates,
    "rate_by_question": figures.rate_by_question,
    "weights": figures.weights,
    "shifts": figures.shifts,
    "portrait": lambda result: figures.portrait(result, "misaligned"),
    "posterior_predictive": figures.posterior_predictive,
    "trace": figures.trace,
    "rank": figures.rank,
    "energy": figures.energy,
}


def main() -> None:
    """Fit the log of ``load_demo`` and write one PNG file per figure."""
    log, _ = load_demo()
    result = fit(PersonaMixture(emissions=[ScoreEmission("aligned"), ScoreEmission("coherent")]), log, seed=0)
    folder = Path(__file__).parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        draw(result).savefig(folder / f"{name}.png", dpi=150, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
