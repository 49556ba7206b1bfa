"""One table in every format: what goes in comes out, awkward names included, and LaTeX compiles."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from simulacra.inference import Result
from simulacra.report import format_citation, format_table, result_tables
from simulacra.report.tables import TABLES, json_rows


@pytest.fixture(scope="module")
def tables(failing: Result) -> dict[str, pd.DataFrame]:
    """With numbers and with withheld ones."""
    found = result_tables(failing)
    assert tuple(found) == TABLES
    assert found["weights"]["mean"].isna().any()
    assert found["weights"]["mean"].notna().any()
    return found


@pytest.mark.parametrize("name", TABLES)
def test_csv_and_json_keep_every_digit(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    from_csv = pd.read_csv(io.StringIO(format_table(table, "csv")))
    from_json = pd.DataFrame(json.loads(format_table(table, "json")))
    assert from_json.equals(pd.DataFrame(json_rows(table)))
    for back in (from_csv, from_json):
        pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-14)


@pytest.mark.parametrize("name", TABLES)
def test_markdown_renders_as_one_table_with_the_same_cells(tables: dict[str, pd.DataFrame], name: str) -> None:
    table = tables[name]
    tokens = MarkdownIt("commonmark").enable("table").parse(format_table(table, "markdown"))
    assert tokens[0].type == "table_open"
    assert tokens[-1].type == "table_close"
    cells = [token.content for token in tokens if token.type == "inline"]
    assert len(cells) == table.shape[1] * (len(table) + 1)
    first = [cells[table.shape[1] * row] for row in range(1, len(table) + 1)]
    assert first == list(table.iloc[:, 0])
    assert cells.count("withheld") >= int(table.select_dtypes("number").isna().to_numpy().sum())


@pytest.mark.parametrize("name", TABLES)
def test_html_shows_names_and_runs_none(tables: dict[str, pd.DataFrame], name: str) -> None:
    page = format_table(tables[name], "html")
    assert "<b>" not in page
    if "condition" in tables[name]:
        assert "&lt;b&gt;" in page


def test_an_unknown_format_is_refused(tables: dict[str, pd.DataFrame], passing: Result) -> None:
    with pytest.raises(ValueError, match="expected one of csv, html, json, latex, markdown; got 'docx'"):
        format_table(tables["rates"], "docx")
    with pytest.raises(ValueError, match="expected one of json, latex, markdown, text; got 'bibtex'"):
        format_citation(passing.cite("implied_rate[base]"), "bibtex")


def test_a_citation_says_the_same_in_every_format(passing: Result) -> None:
    cited = passing.cite(next(key for key in passing.citable if key.startswith("shift")))
    told = json.loads(format_citation(cited, "json"))
    assert told["value"] == cited.value
    assert told["provenance"]["seed"] == 0
    for style in ("text", "markdown", "latex"):
        words = format_citation(cited, style)
        for fact in (cited.rounded(cited.lower).replace("−", "")[:4], "ETI", "ESS", cited.provenance.data_hash):
            assert fact in words, style
        assert cited.provenance.model in words


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tables: dict[str, pd.DataFrame], passing: Result, tmp_path: Path) -> None:
    shown = "\n\n".join(format_table(tables[name], "latex") for name in NAMES)
    cited = "\n\n".join(format_citation(passing.cite(key), "latex") for key in passing.citable)
    preamble = (
        "\\documentclass{article}\\usepackage{booktabs,siunitx}\\usepackage[margin=1cm,paperwidth=90cm]{geometry}"
    )
    text = f"{preamble}\\begin{{document}}\\tiny {shown}\n\n{cited}\\end{{document}}"
    (tmp_path / "tables.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    assert "Missing character" not in run.stdout
