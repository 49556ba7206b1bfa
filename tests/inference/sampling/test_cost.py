"""What a fit will cost is measured before its chains run, and said where it is much."""

import importlib
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import psutil
import pytest

from simulacra.data import CompletionLog, read_completions
from simulacra.formalism import Archetype, LabelEmission, Persona, PersonaMixture
from simulacra.inference import Thresholds
from simulacra.inference.sampling import cost, ensembles
from simulacra.inference.sampling.space import Space

fitting = importlib.import_module("simulacra.inference.fit")


def test_the_cost_is_that_of_the_trajectories(unadapted: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once a call, a trajectory takes one second."""
    space, size = unadapted, unadapted.centre.size
    states = ensembles.begin(space, np.zeros((4, size)), [0.2])
    monkeypatch.setattr(cost.time, "perf_counter", map(float, itertools.count()).__next__)
    few, many = (cost.expected_cost(space, states, num_iterations=n, num_draws=n) for n in (100, 1000))
    assert many.seconds == pytest.approx(10 * few.seconds)
    assert few.seconds == pytest.approx(100 * 1.25)
    assert few.device == "cpu"
    cells = len(space.density.problem.own)
    assert many.memory - few.memory == pytest.approx(900 * cells * (24 + 8))
    monkeypatch.setattr(cost.os, "cpu_count", lambda: 1)
    halves = ensembles.begin(space, np.zeros((2, size)), [0.2]) * 2
    assert cost.expected_cost(space, halves, num_iterations=100, num_draws=1).seconds == pytest.approx(2 * few.seconds)


def _log() -> CompletionLog:
    rows = [
        {"condition": name, "question_id": f"q{number % 2}", "completion": f"{name} {number}", "grade": 1 + number % 2}
        for name in ("base", "tuned")
        for number in range(8)
    ]
    return read_completions(pd.DataFrame(rows), measurements=["grade"])


@pytest.mark.parametrize("progress_bar", [None, False])
def test_a_long_fit_says_what_it_will_take(
    progress_bar: bool | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    personas = [
        Persona("yes", "Says yes.", {"grade": Archetype((1, 2), (8, 2))}),
        Persona("no", "Says no.", {"grade": Archetype((1, 2), (2, 8))}),
    ]
    model = PersonaMixture(personas, emissions=[LabelEmission("grade", [1, 2])], weights="(1 | condition)")
    settings = {"num_warmup": 200, "num_samples": 50, "num_chains": 2, "num_starts": 10}
    monkeypatch.setattr(fitting, "_LONG", 0.0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e8))
    fitting.fit(model, _log(), thresholds=Thresholds(r_hat=10.0, ess=1), progress_bar=progress_bar, **settings)
    said = capsys.readouterr().err
    if progress_bar is None:
        assert "about 1 min and 0.5 GB of memory (4 cells, 2 personas)" in said
        assert "Only 0.1 GB are available: pass a smaller num_samples, or fewer conditions" in said
    else:
        assert said == ""
