"""The completions of a log inside the report, compressed, and the script that shows, filters and sorts them.

The page needs no network: it contains the rows as gzip in base64, which the script reads with the browser's
``DecompressionStream``, and the table library Tabulator (``templates/tabulator.js``, bundled by ``make tabulator``).
The content security policy of the page names the hash of this one script, so that no other script runs, whatever a
completion contains; the script itself writes texts as text nodes only.
"""

import base64
import gzip
import hashlib
import json
import math
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from simulacra.data import CompletionLog
from simulacra.data.extras import import_extra
from simulacra.data.numerals import grouped
from simulacra.formalism.display import place
from simulacra.inference import Result
from simulacra.inference.responsibilities import STATUS, responsibility_column
from simulacra.report.palette import persona_colors
from simulacra.report.prose import WITHHELD

__all__ = ["Browser", "make_browser"]

_MOST_ROWS = 20_000
_MOST_LETTERS = 16_000_000
"""Of all texts together: about 5 MB when compressed."""
_LONGEST = 2_000
"""Letters of a text; those of judged completions are rarely longer."""
_READING = (
    "The probability of a persona is that it generated the completion: the posterior mean of P(persona | completion), "
    "which follows from what was measured, the question and the condition. Completions of a condition with the same "
    "measurements on the same question have the same probabilities. Texts may be harmful or wrong; they are shown as "
    "text."
)
_PARTS = 1_000
"""In which a responsibility is written, as an integer: a probability has three decimals."""


class Browser(NamedTuple):
    """The rows of the report's completion browser.

    Attributes:
        rows: the embedded rows: JSON by column, as gzip in base64.
        contents: which rows of how many are embedded, and what of them, in words.
        withheld: estimates that are withheld, with the reason; one line each.
        texts: whether the rows have texts.
    """

    rows: str
    contents: str
    withheld: tuple[str, ...]
    texts: bool

    @property
    def script(self) -> Any:
        """The library and the script of the page, as markup."""
        return import_extra("markupsafe", "report").Markup("\n".join(map(_template, ("tabulator.js", "browser.js"))))

    @property
    def policy(self) -> Any:
        """The source expression of the script for a content security policy, as markup."""
        digest = hashlib.sha256(self.script.encode()).digest()
        return import_extra("markupsafe", "report").Markup(f"'sha256-{base64.b64encode(digest).decode()}'")


def make_browser(result: Result, log: CompletionLog, attributed: pd.DataFrame) -> Browser:
    """The rows of a browser.

    Args:
        result: the fit.
        log: the log that was fitted.
        attributed: its completions with responsibilities (:meth:`~simulacra.inference.Result.attributions`).

    If there are more rows or letters than a page can hold, it has a random sample, drawn with the seed of the fit.
    """
    texts = "completion" in attributed
    lengths = attributed["completion"].str.len().fillna(0).clip(upper=_LONGEST) if texts else np.zeros(len(attributed))
    order = np.random.default_rng(int(result.settings["seed"])).permutation(len(attributed))
    within = np.cumsum(np.asarray(lengths, dtype=float)[order]) <= _MOST_LETTERS
    kept = np.sort(order[:_MOST_ROWS][within[:_MOST_ROWS]])
    packed = gzip.compress(
        json.dumps(_columns(result, log, attributed.iloc[kept]), separators=(",", ":"), allow_nan=False).encode(),
        compresslevel=6,
        mtime=0,  # the same report is the same file
    )
    cut = bool((attributed["completion"].str.len() > _LONGEST).any()) if texts else False
    return Browser(
        rows=base64.b64encode(packed).decode("ascii"),
        contents=_contents(len(kept), len(attributed), texts=texts, cut=cut),
        withheld=_withheld(result),
        texts=texts,
    )


def _columns(result: Result, log: CompletionLog, rows: pd.DataFrame) -> dict[str, Any]:
    """The rows as JSON by column, which is smaller than by row; names are written once."""
    where = [str(name) for name in result.prepared.groups]  # the condition, and the contexts that rates are given by
    places = [place(dict(zip(where, own, strict=True))) for own in rows[where].itertuples(index=False)]
    conditions, condition_names = _coded(pd.Series(places, dtype=object))
    others = [name for name in log.contexts if name not in where]
    questions, question_names = _coded(rows["question_id"])
    statuses, status_names = _coded(rows[STATUS])
    parts = rows[[responsibility_column(name) for name in result.personas]].to_numpy()
    return {
        "personas": list(result.personas),
        "colors": list(persona_colors(result.personas).values()),
        "measurements": list(log.measurements),
        "contexts": others,
        "conditions": condition_names,
        "questions": question_names,
        "statuses": status_names,
        "condition": conditions,
        "question": questions,
        "status": statuses,
        "responsibility": [_numbers(np.round(_PARTS * column)) for column in parts.T],
        "parts": _PARTS,
        "scores": [_values(rows[name]) for name in log.measurements],
        "context": [_values(rows[name].astype(str)) for name in others],
        "text": [text and text[:_LONGEST] for text in _values(rows["completion"])] if "completion" in rows else None,
        "longest": _LONGEST,
        "place": [f"{source}:{record}" for source, record in zip(rows["source"], rows["record"], strict=True)],
    }


def _coded(names: pd.Series) -> tuple[list[int], list[str]]:
    codes, known = pd.factorize(names.astype(str), sort=True)
    return codes.tolist(), list(map(str, known))


def _numbers(values: np.ndarray) -> list[int | None]:
    return [None if value != value else int(value) for value in values.tolist()]


def _values(column: pd.Series) -> list[Any]:
    """Values that JSON has; None for others."""
    return [
        None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
        for value in column.tolist()
    ]


def _contents(kept: int, total: int, *, texts: bool, cut: bool) -> str:
    which = (
        f"All {grouped(total)} completions of the log."
        if kept == total
        else f"A random sample of {grouped(kept)} of the {grouped(total)} completions of the log, as many as a page "
        "can hold; result.attributions(log) has all of them."
    )
    said = "" if texts else " Their texts were left out of this report."
    return f"{which}{said} {_READING}" + (f" Texts are cut after {grouped(_LONGEST)} characters." if cut else "")


def _withheld(result: Result) -> tuple[str, ...]:
    """What is withheld, by reason: of a persona in all conditions, or in some."""
    table = result.weights()
    held = table[table["status"].str.startswith(WITHHELD)]
    lines = []
    for (persona, status), own in held.groupby(["persona", "status"], sort=False):
        conditions = list(own["condition"])
        within = "every condition" if len(conditions) == len(result.conditions) else ", ".join(conditions)
        lines.append(f"{persona} in {within}: {str(status).removeprefix(WITHHELD).lstrip(': ')}")
    return tuple(lines)


def _template(name: str) -> str:
    return (resources.files("simulacra.report") / "templates" / name).read_text(encoding="utf-8")
