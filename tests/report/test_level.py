"""The probability of intervals and the region of equivalence of a fit are those of all that is said about it."""

import dataclasses
import inspect
import re
from pathlib import Path

import pandas as pd
import pytest

from simulacra.analysis import Monitor, fragility, judges, predict, reweighting, scorecard
from simulacra.data import CompletionLog, collapse
from simulacra.formalism import Outcome
from simulacra.inference import Result
from simulacra.inference.draws import DRAWS
from simulacra.report import figures, write_reports
from simulacra.report.facts import make_facts
from tests.report.conftest import BASE, LONG, OTHER

_OTHER_LEVEL = re.compile("eti89|89% (interval|ETI)|interval of 89%")


@pytest.fixture(scope="module")
def stored(passing: Result, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The fit, had it been asked for 95%, read from its file."""
    own = dataclasses.replace(passing, settings={**passing.settings, "ci_prob": 0.95})
    return Result.load(own.save(tmp_path_factory.mktemp("stored") / "fit.nc"))


def _levels(table: pd.DataFrame) -> set[str]:
    return set(re.findall(r"eti([\d.]+)_[lu]b", " ".join(map(str, table))))


def test_tables_have_the_level_of_the_fit(stored: Result, passing: Result) -> None:
    names = [name for name in DRAWS if not name.startswith("implied")]
    for name in (*names, "readings"):
        table = getattr(stored, name)()
        assert _levels(table) == {"95"}, name
        pd.testing.assert_frame_equal(table, getattr(passing, name)(ci_prob=0.95))
        assert _levels(getattr(stored, name)(ci_prob=0.5)) == {"50"}, name
    assert _levels(stored.summary(var_names=["weights"])) == {"95"}
    assert stored.ci_prob == 0.95
    assert passing.ci_prob == 0.89


def test_analyses_have_the_level_of_the_fit(stored: Result, log: CompletionLog) -> None:
    coherent = Outcome("coherent > 50", name="coherent")
    found = {
        "contrast": stored.contrast(OTHER, BASE),
        "pairs": stored.pairs(of="weights", persona="aligned"),
        "fragility": fragility(stored, {OTHER: {"more": LONG}}, capability=coherent),
        "judges": judges(stored),
        "reweighting": reweighting(stored, [(OTHER, BASE)]),
        "scorecard": scorecard(stored),
    }
    for name, own in found.items():
        assert _levels(own.table()) == {"95"}, name
        assert not _OTHER_LEVEL.search(repr(own)), name
    assert _levels(predict(stored, collapse(log, stored.model.emissions)).rates()) == {"95"}
    monitor = Monitor(stored, BASE, 0.05)  # without windows
    assert _levels(monitor.table()) == _levels(monitor.weights()) == {"95"}
    assert monitor.table().empty
    assert monitor.weights().empty
    assert "95% ETI" in str(found["contrast"].cite())
    assert "95% ETI" in str(found["scorecard"].cite("rate", OTHER))


def test_sentences_and_pages_have_the_level_of_the_fit(stored: Result, log: CompletionLog, tmp_path: Path) -> None:
    assert {stored.cite(key).interval_probability for key in stored.citable if key.startswith(("rate", "weight"))} == {
        0.95
    }
    pages = [path.read_text() for path in write_reports(stored, tmp_path, log=log) if path.suffix != ".parquet"]
    for page in (*pages, stored._repr_html_()):
        assert "95%" in page
        assert not _OTHER_LEVEL.search(page)


@pytest.mark.parametrize("name", ["rates", "rate_differences", "shifts", "weights", "posterior_predictive"])
def test_figures_have_the_level_of_the_fit(stored: Result, name: str) -> None:
    function = getattr(figures, name)
    assert "ci_prob" in inspect.signature(function).parameters
    drawn = figures.to_svg(function(stored), name)
    assert "95% interval" in drawn
    assert not _OTHER_LEVEL.search(drawn)


def test_claims_have_the_region_of_the_fit(passing: Result) -> None:
    stored = dataclasses.replace(passing, settings={**passing.settings, "rope": 0.6})
    assert (stored.rope, passing.rope) == (0.6, 0.01)
    pd.testing.assert_frame_equal(stored.contrasts(), passing.contrasts(rope=0.6))
    assert stored.contrasts()["claim"].tolist() != passing.contrasts()["claim"].tolist()
    assert stored.contrasts(rope=0.01)["claim"].tolist() == passing.contrasts()["claim"].tolist()
    for own in (stored.contrast(OTHER, BASE), stored.pairs()):
        assert set(own.table()["claim"]) <= {"equivalent", "undecided"}
    assert "±60" in make_facts(stored).explained["claims"]
    assert "2 equivalent" in figures.rate_differences(stored).get_label()
