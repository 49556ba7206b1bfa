"""Tables of a result, and formatting of a table as CSV, JSON, Markdown, LaTeX or HTML."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from simulacra.data.extras import import_extra
from simulacra.data.numerals import grouped
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.outcomes import Outcome
from simulacra.formalism.partitions import Partition
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.citation import decimals
from simulacra.inference.tables import bounds, level, probability_of
from simulacra.report.citations import latex_signs
from simulacra.report.columns import paper_columns
from simulacra.report.names import refuse_unknown
from simulacra.report.prose import WITHHELD

__all__ = ["SCOPES", "TABLES", "format_table", "json_rows", "result_tables", "tables_of_rates"]

_LABELS = {
    "p_gt_0": "P(> 0)",
    "log_ratio": "log-ratio (nats)",
    "rate_difference": "rate difference",
    "total_variation": "total variation",
    "jensen_shannon": "Jensen-Shannon (nats)",
    "reading_lb": "lowest reading",
    "reading_ub": "highest reading",
    "ess_bulk": "ESS bulk",
    "ess_tail": "ESS tail",
    "r_hat": "R-hat",
}
_DIGITS = {"ess_bulk": 0, "ess_tail": 0, "log_ratio": 2}
_OF_DRAWS = ("mean", "rate", "rate_difference")  # columns that the equal-tailed interval of a table belongs to
_OTHER_INTERVALS = ("implied", "explained", "unexplained")
_PACKAGES = "% Needs \\usepackage{booktabs,siunitx} and, for signs such as < and |, \\usepackage[T1]{fontenc}.\n"


TABLES = ("weights", "shifts", "rates", "contrasts", "unexplained", "emissions", "readings")
"""Names of the tables of a result; there is one of readings only if there are several."""
SCOPES = ("these", "new")
"""The scopes of rates and claims that are reported together."""


def result_tables(
    result: Result, *, rope: float | int | None = None, ci_prob: float | None = None
) -> dict[str, pd.DataFrame]:
    """The tables of a result by name; ``rates`` and ``contrasts`` only if the model has an outcome.

    These two have rows for these questions and for new ones, which the column ``scope`` distinguishes.

    Args:
        result: a fit.
        rope: half-width of the region of practical equivalence of rate differences, a probability. Default: that
            of the fit.
        ci_prob: probability of all intervals. Default: that of the fit.

    Raises:
        InputError: a probability outside (0, 1).
    """
    tables = {"weights": result.weights(ci_prob=ci_prob), "shifts": result.shifts(ci_prob=ci_prob)}
    if result.model.outcome is not None:
        tables |= tables_of_rates(result, result.model.outcome, rope=rope, ci_prob=ci_prob)
    if result.model.measurements:
        tables |= {"unexplained": result.unexplained()}
    tables |= {"emissions": result.emissions(ci_prob=ci_prob)}
    readings = result.readings(ci_prob=ci_prob)
    return tables | ({"readings": readings} if readings["reading"].max() > 1 else {})


def tables_of_rates(
    result: Result, outcome: Outcome | Partition, *, rope: float | int | None = None, ci_prob: float | None = None
) -> dict[str, pd.DataFrame]:
    """The tables ``rates`` and ``contrasts`` of any outcome, or of the categories of a partition, in both scopes.

    Arguments as for :func:`result_tables`.

    Raises:
        InputError: a threshold of the outcome is not a bin edge, or a probability outside (0, 1).
    """
    rates = [result.rates(outcome, scope=scope, ci_prob=ci_prob) for scope in SCOPES]
    contrasts = [result.contrasts(outcome, scope=scope, rope=rope, ci_prob=ci_prob) for scope in SCOPES]
    return {"rates": pd.concat(rates, ignore_index=True), "contrasts": pd.concat(contrasts, ignore_index=True)}


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table in plain JSON types; missing numbers are ``None``."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def format_table(
    table: pd.DataFrame,
    style: str,
    *,
    columns: Sequence[str] | None = None,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    """Format a table of :func:`result_tables`, or any other, as text.

    Args:
        table: the table.
        style: ``"csv"`` and ``"json"`` keep the column names and all digits; withheld numbers are empty or ``null``. In
            CSV, text that a spreadsheet would run as a formula begins with an apostrophe, as OWASP recommends.
            ``"markdown"`` (GFM), ``"latex"`` (with ``booktabs`` and ``siunitx``, as its first line states) and
            ``"html"`` (a great_tables table) use readable column names, show *withheld*, and round to a number of
            decimals that follows from the interval (``simulacra.inference.citation.decimals``); control characters and
            bidirectional marks are shown as escapes.
        columns: which columns, in order. Default: all; for LaTeX the seven most important ones, and a comment lists the
            others.
        caption: of a LaTeX table, in LaTeX. With it, the table floats; without it, there is only the ``tabular``.
        label: of a LaTeX table with a caption, such as ``"tab:rates"``.

    Raises:
        InputError: an unknown style or column, or a caption or label in another style than LaTeX.
        MissingExtraError: the extra ``report`` is not installed; CSV and JSON do not need it.
    """
    expect_type(table, pd.DataFrame, "table", "format_table", expected="a DataFrame")
    expect_type(style, str, "style", "format_table", expected=f"one of {', '.join(_STYLES)}")
    if style not in _STYLES:
        raise InputError(f"format_table: expected one of {', '.join(_STYLES)}; got {style!r}", argument="style")
    refuse_unknown(columns or (), list(map(str, table)), "columns of this table", "columns")
    if style != "latex":
        if caption is not None or label is not None:
            raise InputError(f"format_table: {style} has no captions", expected="latex", argument=("caption", "label"))
        return _WRITERS[style](table if columns is None else table[list(columns)])
    if label is not None and caption is None:
        raise InputError("format_table: a label needs a caption", argument="caption")
    return _latex(table, paper_columns(table) if columns is None else list(columns), caption, label)


def _csv(table: pd.DataFrame) -> str:
    guarded = table.rename(columns=_guarded)
    for name in guarded.select_dtypes(exclude="number"):
        guarded[name] = guarded[name].map(_guarded)
    return guarded.to_csv(index=False)


def _guarded(value: object) -> object:
    """Text that a spreadsheet would take for a formula, as text; a number with its sign is none."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _json(table: pd.DataFrame) -> str:
    return json.dumps(json_rows(table), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _markdown(table: pd.DataFrame) -> str:
    import_extra("tabulate", "report")
    texts = _rounded(table)
    for name in texts:
        texts[name] = [str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for value in texts[name]]
    sides = ["right" if name in _numeric(table) else "left" for name in table]
    return texts.rename(columns=_labels(table)).to_markdown(index=False, disable_numparse=True, colalign=sides) + "\n"


def _html(table: pd.DataFrame) -> str:
    gt = import_extra("great_tables", "report").GT(_rounded(table)).cols_label(cases=_labels(table))
    return gt.cols_align("right", columns=_numeric(table)).as_raw_html()


def _latex(whole: pd.DataFrame, columns: list[str], caption: str | None, label: str | None) -> str:
    """Numeric columns use the column type S of siunitx; all others are escaped text."""
    import_extra("jinja2", "report")
    table = whole[columns]
    left = visible(", ".join(str(name) for name in whole if name not in columns)).replace("\n", " ")
    note = f"% Not shown: {left}.\n" if left else ""
    texts, numbers = _rounded(table, "{:.{}f}".format), _numeric(table)
    texts[numbers] = texts[numbers].replace(WITHHELD, f"{{{WITHHELD}}}")
    kinds = "".join("S" if name in numbers else "l" for name in table)
    words: list[Hashable] = [label for name, label in _labels(table).items() if name not in numbers]
    shown = texts.rename(columns=_labels(table)).style.hide(axis="index").format(escape="latex", subset=words)
    shown = shown.format_index(escape="latex", axis="columns")
    floating = {"caption": caption, "label": label, "position": "htbp", "position_float": "centering"}
    options: dict[str, Any] = {} if caption is None else floating
    return _PACKAGES + note + latex_signs(shown.to_latex(hrules=True, siunitx=True, column_format=kinds, **options))


_WRITERS: Mapping[str, Callable[[pd.DataFrame], str]] = {
    "csv": _csv,
    "html": _html,
    "json": _json,
    "markdown": _markdown,
}
_STYLES = sorted([*_WRITERS, "latex"])


def _labels(table: pd.DataFrame) -> dict[str, str]:
    """The readable name of every column."""
    ci_prob = probability_of(table)
    known = dict(_LABELS)
    if ci_prob is not None:
        (lower, upper), shown = bounds(ci_prob), level(ci_prob)
        known |= {lower: f"{shown} ETI from", upper: "to"}
    for number, name in enumerate(_OTHER_INTERVALS, start=1):
        known |= {f"{name}_lb": f"{name} from", f"{name}_ub": "to" + " " * number}  # labels must differ
    return {str(name): known.get(str(name), visible(str(name))) for name in table}


def _numeric(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.select_dtypes("number")]


def _digits(table: pd.DataFrame, name: str) -> list[int]:
    """Number of decimals of every row of a column."""
    ci_prob = probability_of(table)
    others = [((f"{own}_lb", f"{own}_ub"), (own,)) for own in _OTHER_INTERVALS]
    for ends, own in (*others, (() if ci_prob is None else bounds(ci_prob), _OF_DRAWS)):
        if name in (*own, *ends) and ends and set(ends) <= set(table):
            return [decimals(*pair) for pair in zip(*(table[end] for end in ends), strict=True)]
    return [0 if table[name].dtype.kind in "iu" else _DIGITS.get(name, 3)] * len(table)


def _elsewhere(table: pd.DataFrame, name: str) -> list[bool]:
    """For every row, whether a column does not exist there, which is not the same as withheld.

    Personas explain rates on these questions only, and a proportion of a difference needs a difference.
    """
    explains = name in {f"{own}{end}" for own in _OTHER_INTERVALS for end in ("", "_lb", "_ub")}
    elsewhere = [explains and scope != "these" for scope in table.get("scope", ["these"] * len(table))]
    if name.startswith("explained") and "unexplained" in table:
        return [other or known for other, known in zip(elsewhere, table["unexplained"].notna(), strict=True)]
    return elsewhere


def _rounded(table: pd.DataFrame, write: Callable[[float, int], str] = grouped) -> pd.DataFrame:
    """Every column as text, numbers rounded to their decimals."""
    texts = table.astype(object)
    for name in _numeric(table):
        texts[name] = [
            write(value, digits) if pd.notna(value) else "" if elsewhere else WITHHELD
            for value, digits, elsewhere in zip(table[name], _digits(table, name), _elsewhere(table, name), strict=True)
        ]
    return texts.where(texts.notna(), "").astype(str).map(lambda text: visible(text.replace("\n", " ")))
