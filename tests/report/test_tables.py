"""One table in every format: what goes in comes out, awkward names included, and LaTeX compiles."""

import dataclasses
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from simulacra.data.numerals import grouped
from simulacra.inference import Result
from simulacra.inference.convergence import convergence
from simulacra.report import format_citation, format_table, result_tables
from simulacra.report.prose import interval, number, share
from simulacra.report.tables import TABLES, json_rows
from tests.report.conftest import LONG

ALWAYS = TABLES[:-1]


@pytest.fixture(scope="module")
def tables(failing: Result) -> dict[str, pd.DataFrame]:
    """With numbers and with withheld ones."""
    found = result_tables(failing)
    assert tuple(found) == ALWAYS
    assert found["weights"]["mean"].isna().any()
    assert found["weights"]["mean"].notna().any()
    assert [found[name]["scope"].unique().tolist() for name in ("rates", "contrasts")] == [["these", "new"]] * 2
    assert found["rates"]["rate"].notna().all()
    return found


@pytest.mark.parametrize("name", ALWAYS)
def test_csv_and_json_keep_every_digit(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    from_csv = pd.read_csv(io.StringIO(format_table(table, "csv")))
    from_json = pd.DataFrame(json.loads(format_table(table, "json")))
    assert from_json.equals(pd.DataFrame(json_rows(table)))
    numbers = dict.fromkeys(table.select_dtypes("number"), float)
    for back in (from_csv, from_json.astype(numbers)):  # a column of nulls alone has no type
        pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-14)


_HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "-2-3", "@SUM(A1)", "-1.5", "+3", "plain", "a\x1b[31m\u202eb"]


def test_text_is_no_formula_in_a_spreadsheet() -> None:
    table = pd.DataFrame({"condition": _HOSTILE, "=mean": -1.5})
    back = pd.read_csv(io.StringIO(format_table(table, "csv")))
    assert back["condition"].tolist()[:4] == [f"'{text}" for text in _HOSTILE[:4]]
    assert back["condition"].tolist()[4:] == _HOSTILE[4:]  # a number is a number, whatever its sign
    assert back["'=mean"].tolist() == [-1.5] * len(table)
    assert json.loads(format_table(table, "json"))[0]["condition"] == "=1+1"


@pytest.mark.parametrize("style", ["markdown", "latex", "html"])
def test_characters_that_act_are_shown(style: str) -> None:
    text = format_table(pd.DataFrame({"condition": _HOSTILE, "\x1b\u202e": "a\n\nb"}), style)
    assert not {"\x1b", "\u202e"} & set(text)
    shown = text.replace("\\textbackslash ", "\\").replace("\\\\", "\\")
    assert shown.count("x1b") == 2
    assert shown.count("u202e") == 2
    assert "a  b" in text


def test_markup_in_names_is_text() -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    text = format_table(pd.DataFrame({"condition": [attack], attack: ["x"]}), "html")
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script" in text


@pytest.mark.parametrize("name", ALWAYS)
def test_markdown_renders_as_one_table_with_the_same_cells(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    tokens = MarkdownIt("commonmark").enable("table").parse(format_table(table, "markdown"))
    assert tokens[0].type == "table_open"
    assert tokens[-1].type == "table_close"
    cells = [token.content for token in tokens if token.type == "inline"]
    assert len(cells) == table.shape[1] * (len(table) + 1)
    first = [cells[table.shape[1] * row] for row in range(1, len(table) + 1)]
    assert first == list(table.iloc[:, 0])
    explained = [column for column in table if str(column).startswith(("implied", "unexplained"))]
    new = table.get("scope", pd.Series("these", table.index)) == "new"
    absent = table.select_dtypes("number").isna()
    absent.loc[new, [column for column in absent if column in explained]] = False  # not withheld: they do not exist
    absent = absent.drop(columns=[column for column in absent if str(column).startswith("explained")])
    assert cells.count("withheld") >= int(absent.to_numpy().sum())
    if new.any():
        texts = pd.DataFrame([cells[row * table.shape[1] :][: table.shape[1]] for row in range(1, len(table) + 1)])
        texts.columns = list(table)
        assert (texts.loc[new, explained] == "").to_numpy().all()
        assert (texts.loc[~new, explained] != "").to_numpy().all()


@pytest.mark.parametrize("name", ALWAYS)
def test_html_shows_names_and_runs_none(tables: dict[str, pd.DataFrame], name: str) -> None:
    page = format_table(tables[name], "html")
    assert "<b>" not in page
    if "condition" in tables[name]:
        assert "&lt;b&gt;" in page


def test_an_unknown_format_is_refused(tables: dict[str, pd.DataFrame], passing: Result) -> None:
    with pytest.raises(ValueError, match="expected one of csv, html, json, latex, markdown; got 'docx'"):
        format_table(tables["rates"], "docx")
    with pytest.raises(ValueError, match="expected one of ascii, json, latex, markdown, text; got 'bibtex'"):
        format_citation(passing.cite("implied_rate[base]"), "bibtex")


def test_a_citation_says_the_same_in_every_format(passing: Result) -> None:
    cited = passing.cite(next(key for key in passing.citable if key.startswith("shift")))
    record = json.loads(format_citation(cited, "json"))
    assert record["value"] == cited.value
    assert record["provenance"]["seed"] == 0
    for style in ("text", "markdown", "latex"):
        words = format_citation(cited, style)
        for fact in (cited.rounded(cited.lower).replace("−", "")[:4], "ETI", "ESS", cited.provenance.data_hash):
            assert fact in words, style
        assert cited.provenance.model in words


@pytest.mark.parametrize("name", ALWAYS)
def test_latex_escapes_headings_and_says_what_it_needs(tables: dict[str, pd.DataFrame], name: str) -> None:
    awkward = tables[name].rename(columns={"mean": "mean_of 100% & more", "claim": "a_claim"})
    first, *lines = format_table(awkward, "latex").splitlines()
    assert first.startswith(r"% Needs \usepackage{booktabs,siunitx}")
    heading = lines[lines.index(r"\toprule") + 1]
    assert not re.search(r"(?<!\\)[_%]", heading)


def test_one_rule_of_digits(passing: Result) -> None:
    """A number reads the same in a table, on a page, and when cited."""
    for scope, names in (("these", {"rate": "rate", "implied": "implied_rate"}), ("new", {"rate": "new_rate"})):
        table = format_table(passing.rates(scope=scope), "markdown").splitlines()
        for row, line in zip(passing.rates(scope=scope).to_dict("records"), table[2:], strict=True):
            assert f" {grouped(row['ess_bulk'])} |" in line
            for name, kind in names.items():
                cited = passing.cite(f"{kind}[{row['condition']}]")
                assert f" {cited.rounded(cited.value)} |" in line
                assert number(*interval(row, name)).startswith(cited.rounded(cited.value))
                shown = share(*interval(row, name))
                assert float(shown.partition("%")[0]) == pytest.approx(100 * float(cited.rounded(cited.value)))


def test_what_the_personas_imply_is_cited_with_the_diagnostics_of_their_own_draws(passing: Result) -> None:
    rates = convergence(passing.draws("implied_rates").to_dataset(name="own"), ["own"])["own"]
    differences = convergence(passing.draws("implied_contrasts").to_dataset(name="own"), ["own"])["own"]
    known = passing.contrasts().set_index("condition")
    implied, rest = passing.cite(f"implied_rate[{LONG}]"), passing.cite(f"unexplained[{LONG}]")
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        assert getattr(implied, name) == pytest.approx(float(rates.sel(condition=LONG, diagnostic=name)))
        worse = max if name == "r_hat" else min
        pair = float(differences.sel(condition=LONG, diagnostic=name)), known.loc[LONG, name]
        assert getattr(rest, name) == pytest.approx(worse(pair))
    limits = {**passing.settings["thresholds"], "ess": implied.ess + 1}
    strict = dataclasses.replace(passing, settings={**passing.settings, "thresholds": limits})
    assert strict.cite(f"rate[{LONG}]").value > 0
    with pytest.raises(ValueError, match=r"implied_rate\[.*\] is withheld: R-hat .*, ESS"):
        strict.cite(f"implied_rate[{LONG}]")


def test_a_citation_names_its_scope_and_its_context(passing: Result, triggered: Result) -> None:
    for key, words in {
        "rate[base]": "on these 4 questions",
        "weight[base, aligned]": "on these 4 questions",
        "new_rate[base]": "for new questions of this kind",
        f"new_rate_difference[{LONG}]": "for new questions of this kind",
    }.items():
        for style in ("text", "markdown", "latex"):
            assert f" {words} (" in format_citation(passing.cite(key), style)
        assert json.loads(format_citation(passing.cite(key), "json"))["scope"] == words
    cited = triggered.cite("rate_difference[backdoor, trigger=on]")
    row = triggered.contrasts().set_index(["condition", "trigger"]).loc[("backdoor", "on")]
    assert (cited.value, cited.lower) == (row["rate_difference"], row["eti89_lb"])
    assert "trigger=on" in format_citation(cited, "markdown") + cited.key
    assert "| backdoor" in format_table(triggered.rates(), "markdown")
    assert "| trigger " in format_table(triggered.rates(), "markdown").splitlines()[0]


def test_digits_stand_in_groups_but_in_latex_which_groups_them_itself() -> None:
    table = pd.DataFrame({"condition": ["base"], "total": [12345], "ess_bulk": [2302.4]})
    assert "12\u202f345 |" in format_table(table, "markdown")
    assert "2\u202f302 |" in format_table(table, "markdown")
    assert "12345 & 2302" in format_table(table, "latex")


@pytest.mark.parametrize("name", ALWAYS)
def test_latex_has_seven_columns_and_names_the_others(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    lines = format_table(table, "latex").splitlines()
    kinds = re.search(r"begin{tabular}{([lS]+)}", "".join(lines))[1]
    assert len(kinds) == min(7, table.shape[1])
    left = lines[1].removeprefix("% Not shown: ").removesuffix(".").split(", ") if table.shape[1] > 7 else []
    assert len(left) == table.shape[1] - len(kinds)
    assert set(left) < set(table)
    assert not {"condition", "persona", "mean", "rate", "rate_difference", "claim", "eti89_lb", "eti89_ub"} & set(left)
    assert ("status" in left) == ("status" in table and bool((table["status"] == "ok").all()))
    every = format_table(table, "latex", columns=list(table)).splitlines()
    assert len(re.search(r"begin{tabular}{([lS]+)}", "".join(every))[1]) == table.shape[1]


def test_latex_floats_with_a_caption(tables: dict[str, pd.DataFrame]) -> None:
    text = format_table(tables["rates"], "latex", columns=["rate", "condition"], caption="Rates, 89\\%.", label="tab:r")
    assert r"\begin{table}[htbp]" in text
    assert r"\caption{Rates, 89\%.}" in text
    assert r"\label{tab:r}" in text
    assert r"\begin{tabular}{Sl}" in text
    assert format_table(tables["rates"], "markdown", columns=["condition"]).count("|") < 40
    with pytest.raises(ValueError, match=r"columns of this table: there is no 'rat'; .*; did you mean 'rate'"):
        format_table(tables["rates"], "latex", columns=["rat"])
    with pytest.raises(ValueError, match="markdown has no captions"):
        format_table(tables["rates"], "markdown", caption="x")
    with pytest.raises(ValueError, match="a label needs a caption"):
        format_table(tables["rates"], "latex", label="x")


def test_signs_that_pdflatex_does_not_know_are_commands() -> None:
    table = pd.DataFrame({"condition": ["ft"], "most_missed": ["aligned: −1.5 points of 10\u202f000"]})
    assert r"aligned: $-$1.5 points of 10\,000" in format_table(table, "latex")


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tables: dict[str, pd.DataFrame], passing: Result, tmp_path: Path) -> None:
    shown = "\n\n".join(format_table(tables[name], "latex") for name in ALWAYS)
    cited = "\n\n".join(format_citation(passing.cite(key), "latex") for key in passing.citable)
    preamble = (
        "\\documentclass{article}\\usepackage{booktabs,siunitx}\\usepackage[T1]{fontenc}"
        "\\usepackage[margin=1cm,paperwidth=90cm]{geometry}"
    )
    text = f"{preamble}\\begin{{document}}\\tiny {shown}\n\n{cited}\\end{{document}}"
    (tmp_path / "tables.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "Missing character" not in run.stdout


def test_labels_follow_the_probability_of_the_intervals(passing: Result) -> None:
    heads = {p: format_table(passing.rates(ci_prob=p), "markdown").splitlines()[0] for p in (0.89, 0.945)}
    assert "89% ETI from" in heads[0.89]
    assert heads[0.945] == heads[0.89].replace("89%", "94.5%")
    plain = format_table(passing.rates()[["condition", "implied", "implied_lb"]], "markdown").splitlines()[0]
    assert "implied from" in plain
    assert "%" not in plain
    lines = [format_table(passing.rates(ci_prob=p), "latex") for p in (0.5, 0.89)]
    assert "50\\% ETI from" in lines[0]
    assert "89\\% ETI from" in lines[1]
