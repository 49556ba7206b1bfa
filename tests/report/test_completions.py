"""The completions in the report and beside it: every row, with its responsibilities or why they are withheld."""

import base64
import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simulacra.data import CompletionLog
from simulacra.formalism import InputError
from simulacra.inference import Result
from simulacra.inference.responsibilities import attributions, responsibility_column
from simulacra.report import browser, write_reports
from tests.report.conftest import ATTACK, OTHER


def unpacked(made: browser.Browser) -> dict[str, Any]:
    return json.loads(gzip.decompress(base64.b64decode(made.rows)))


def test_the_page_has_the_rows_of_the_log(passing: Result, log: CompletionLog) -> None:
    attributed = passing.attributions(log)
    made = browser.make_browser(passing, log, attributed)
    found = unpacked(made)
    assert made.contents.startswith("All 480 completions of the log. ")
    assert [found["conditions"][code] for code in found["condition"]] == log.table["condition"].tolist()
    assert [found["questions"][code] for code in found["question"]] == log.table["question_id"].tolist()
    assert found["text"] == log.table["completion"].tolist()
    for persona, column in zip(found["personas"], found["responsibility"], strict=True):
        exact = attributed[responsibility_column(persona)]
        np.testing.assert_allclose(np.array(column) / found["parts"], exact, atol=0.5 / found["parts"])


def test_a_page_that_cannot_hold_all_rows_says_which_it_holds(
    passing: Result, log: CompletionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    attributed = passing.attributions(log)
    monkeypatch.setattr(browser, "_MOST_ROWS", 100)
    made = browser.make_browser(passing, log, attributed)
    assert "A random sample of 100 of the 480 completions of the log" in made.contents
    places = unpacked(made)["place"]
    assert len(set(places)) == 100
    assert places == unpacked(browser.make_browser(passing, log, attributed))["place"]
    monkeypatch.setattr(browser, "_LONGEST", 10)
    monkeypatch.setattr(browser, "_MOST_LETTERS", 345)
    made = browser.make_browser(passing, log, attributed)
    assert unpacked(made)["text"] == [ATTACK[:10]] * 34
    assert made.contents.endswith("Texts are cut after 10 characters.")


def test_what_failed_is_withheld_in_every_row_with_the_reason(failing: Result, log: CompletionLog) -> None:
    table, whole = failing.attributions(log), failing.attributions(log, withhold=False)
    held = responsibility_column("misaligned")
    assert table[held].isna().all()
    assert whole[held].notna().all()
    assert table["persona_status"].str.startswith("misaligned withheld: name: misaligned failed").all()
    made = browser.make_browser(failing, log, table)
    assert set(unpacked(made)["responsibility"][1]) == {None}
    (line,) = made.withheld
    assert line.startswith("misaligned in every condition: name: misaligned failed")


def test_a_condition_that_failed_is_withheld_in_its_own_rows(passing: Result, log: CompletionLog) -> None:
    checks = tuple(
        dataclasses.replace(check, passed=not (check.name == "unexplained share" and check.condition == OTHER))
        for check in passing.checks
    )
    table = dataclasses.replace(passing, checks=checks).attributions(log)
    own = table["condition"] == OTHER
    columns = [responsibility_column(name) for name in passing.personas]
    assert table.loc[own, columns].isna().all(axis=None)
    assert table.loc[~own, columns].notna().all(axis=None)
    assert table.loc[own, "persona_status"].str.contains("withheld: unexplained share failed").all()


def test_responsibilities_average_to_the_weights(passing: Result, log: CompletionLog) -> None:
    table = passing.attributions(log)
    columns = [responsibility_column(name) for name in passing.personas]
    np.testing.assert_allclose(table[columns].sum(axis=1), 1, rtol=1e-9)
    means = table.groupby("condition")[columns].mean()
    weights = passing.draws("weights").mean(("chain", "draw")).sel(condition=list(means.index)).to_numpy()
    # The mean responsibility of n completions varies around the weight by at most sqrt(w (1 - w) / n) = 0.04.
    np.testing.assert_allclose(means, weights, atol=4 * np.sqrt(0.25 / 160))


def test_without_texts_no_file_has_any(
    passing: Result, log: CompletionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, text, table = write_reports(passing, tmp_path, log=log, texts=False)
    assert [path.name for path in (page, text, table)] == ["report.html", "report.md", "responsibilities.parquet"]
    assert "completion" not in pd.read_parquet(table)
    monkeypatch.setattr("simulacra.report.document._write", lambda *_: ())  # the pages remain those without texts
    whole = write_reports(passing, tmp_path, log=log)[-1]  # replaces the one without texts
    assert whole == table
    kept = whole.read_bytes()
    other = write_reports(passing, tmp_path, log=log, texts=False)[-1]
    assert other.name == "responsibilities-no-texts.parquet"
    assert "completion" not in pd.read_parquet(other)
    assert whole.read_bytes() == kept
    made = browser.make_browser(passing, log, passing.attributions(log, texts=False))
    assert unpacked(made)["text"] is None
    for path in (page, text):
        written = path.read_text(encoding="utf-8")
        assert "<script>document.title" not in written.replace("&lt;", "<")
        assert "The texts were left out of this report, so it shows no example completions." in written
    assert "Text contains" not in page.read_text(encoding="utf-8")


def test_a_column_of_the_log_is_not_overwritten(passing: Result, log: CompletionLog) -> None:
    table = log.table.rename(columns={"coherent": responsibility_column("aligned")})
    other = dataclasses.replace(log, table=table)
    mean = passing.responsibilities(log)
    with pytest.raises(InputError, match="the log has a column 'responsibility_aligned' of its own"):
        attributions(other, mean, {}, texts=True, withhold=True)
