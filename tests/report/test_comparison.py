"""The page of a batch: what a run withholds is said, and every number has its interval and its marks."""

from pathlib import Path

import pandas as pd
import pytest

from simulacra.report.comparison import write_comparison


def _tables(*, withheld: bool) -> dict[str, pd.DataFrame]:
    """Two runs, of which the second withholds all rates and weights, or that one alone."""
    runs = ["b"] if withheld else ["a", "b"]
    rates, contrasts, weights = [], [], []
    for run in runs:
        known = (0.25, 0.2, 0.3) if run == "a" else (None, None, None)
        for scope in ("these", "new"):
            rates.append([run, "ft", scope, 25, 100, *known, "ok" if run == "a" else "withheld: readings"])
            contrasts.append([run, "ft", scope, *known, "increase" if run == "a" else "withheld"])
        status = "prior-driven (0.100 to 0.400)" if run == "a" else "withheld: readings"
        weights.append([run, "ft", "villain", *known, status])
    ends = ["eti95_lb", "eti95_ub"]
    return {
        "rates": pd.DataFrame(rates, columns=["run", "condition", "scope", "events", "total", "rate", *ends, "status"]),
        "contrasts": pd.DataFrame(contrasts, columns=["run", "condition", "scope", "rate_difference", *ends, "claim"]),
        "weights": pd.DataFrame(weights, columns=["run", "condition", "persona", "mean", *ends, "status"]),
    }


@pytest.mark.parametrize("alone", [False, True])
def test_a_run_that_withholds_all_is_on_the_page(alone: bool, tmp_path: Path) -> None:
    tables = _tables(withheld=alone)
    page = write_comparison(tmp_path / "batch.html", tables, links={}, withheld=["b"], failed=["c"]).read_text()
    assert f"<h1>{2 if alone else 3} runs</h1>" in page
    row = "<tr><td>b</td><td>ft</td><td>withheld</td><td>withheld</td><td></td></tr>"
    assert row in page
    assert "<tr><td>ft</td><td>withheld</td></tr>" in page
    if not alone:
        assert "<td>25.0% (20.0–30.0)</td><td>25.0% (20.0–30.0)</td><td>95%" in page
        assert "<h3>a, intervals of 95%" in page
        assert "<td>0.250 (.200–.300), prior-driven (0.100 to 0.400)</td>" in page
