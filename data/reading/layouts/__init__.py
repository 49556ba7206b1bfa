"""Layouts: what one row of a file is, and how it becomes one row a completion.

``rows`` is what every other layout is turned into. Which one a file has is seen from its columns, said in the log's
account with the reason, and never guessed between two that fit.
"""

from collections.abc import Mapping, Sequence

from simulacra.data.errors import LogError
from simulacra.data.reading.columns import ALIASES, folded
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.layouts.lists import list_candidates, unfold
from simulacra.data.reading.layouts.long import judges_of, long_columns, pivot

__all__ = ["LAYOUTS", "as_rows"]

LAYOUTS: Mapping[str, str] = {
    "rows": "one row a completion",
    "lists": "one row a question, its completions in a list",
    "long": "one row for every completion, judge and metric: columns such as item_id, judge, metric, score",
    "questions": "a JSON document whose key 'questions' holds the completions by question",
    "inspect": "an Inspect log",
}
"""The layouts by name."""

_COUNTS = ("n_scored", "n_misaligned", "n_total")


def as_rows(
    sheets: Sequence[Sheet],
    *,
    layout: str | None,
    columns: Mapping[str, str | None],
    on: Sequence[str] | None = None,
    verdicts: bool = False,
) -> list[Sheet]:
    """Turn every sheet into one with a row a completion.

    Args:
        sheets: what the files hold.
        layout: one of :data:`LAYOUTS`; None sees which it is, file by file.
        columns: canonical name to the file's own, where the caller settles it.
        on: columns that identify a completion, for the long layout.
        verdicts: whether the sheets hold judgments without the completions.

    Raises:
        LogError: an unknown layout, one that the file does not have, two that fit, or none.
    """
    if layout is not None and layout not in LAYOUTS:
        known = "; ".join(f"{name!r} ({meaning})" for name, meaning in LAYOUTS.items())
        raise LogError(
            f"layout={layout!r} is unknown",
            expected=known,
            remedy="leave it out to have it recognised",
            argument="layout",
        )
    seen = [_recognise(sheet, layout, columns, verdicts=verdicts) for sheet in sheets]
    judges = {judge for sheet, name in zip(sheets, seen, strict=True) if name == "long" for judge in judges_of(sheet)}
    return [_turn(sheet, name, columns, on, several=len(judges) > 1) for sheet, name in zip(sheets, seen, strict=True)]


def _turn(
    sheet: Sheet, name: str, columns: Mapping[str, str | None], on: Sequence[str] | None, *, several: bool
) -> Sheet:
    if name == "long":
        return pivot(sheet, on=on, several=several)
    if name in ("lists", "questions"):
        return unfold(sheet, list_candidates(sheet, columns)[0], layout=name)
    return sheet


def _recognise(sheet: Sheet, layout: str | None, columns: Mapping[str, str | None], *, verdicts: bool) -> str:
    lists = list_candidates(sheet, columns)
    fits = {
        "rows": sheet.layout == "rows" and (verdicts or _has_texts(sheet, columns)),
        "lists": sheet.layout == "rows" and bool(lists),
        "long": sheet.layout == "rows" and long_columns(sheet) is not None,
        "questions": sheet.layout == "questions" and bool(lists),
        "inspect": sheet.layout == "inspect",
    }
    if layout is not None:
        if not fits[layout] and layout != "rows":
            raise _refused(sheet, f"the file does not have the layout {layout!r}", LAYOUTS[layout])
        if layout == "rows" and sheet.layout != "rows":
            raise _refused(sheet, f"the file has the layout {sheet.layout!r}, not 'rows'", LAYOUTS["rows"])
        _refuse_several(sheet, lists, needed=layout in ("lists", "questions"))
        return layout
    found = [name for name, fit in fits.items() if fit]
    if fits["long"] and not fits["lists"]:  # the texts of a long table stand beside every judgment
        return "long"
    if len(found) > 1:
        raise _refused(
            sheet,
            f"the file could have the layouts {' and '.join(map(repr, found))}",
            "one of them",
            f'pass layout="{found[0]}" or layout="{found[-1]}"',
        )
    if not found and sheet.layout == "questions":
        raise _refused(sheet, "no question holds a list of completions", LAYOUTS["questions"])
    if not found and any(name in sheet.columns for name in _COUNTS):
        raise _refused(
            sheet,
            "the file holds counts, not completions",
            "one row a completion",
            "read it with read_counts",
            argument=(),
        )
    _refuse_several(sheet, lists, needed=found in (["lists"], ["questions"]))
    return found[0] if found else "rows"  # what a table of rows lacks is said when its columns are matched


def _has_texts(sheet: Sheet, columns: Mapping[str, str | None]) -> bool:
    if "completion" in columns:
        return columns["completion"] is None or columns["completion"] in sheet.columns
    names = {alias for tier in ALIASES["completion"] for alias in tier}
    return any(folded(name) in names for name in sheet.columns if name not in columns.values())


def _refuse_several(sheet: Sheet, lists: Sequence[str], *, needed: bool) -> None:
    if needed and len(lists) > 1:
        raise _refused(
            sheet,
            f"columns {list(lists)} could each hold the lists of completions",
            "one of them",
            f'pass columns={{"completion": "{lists[0]}"}}',
            argument="columns",
        )


def _refused(
    sheet: Sheet, what: str, expected: str, remedy: str | None = None, *, argument: str | Sequence[str] = "layout"
) -> LogError:
    lists = f"; lists in {', '.join(sheet.lists)}" if sheet.lists else ""
    known = ", ".join(map(repr, LAYOUTS))
    return LogError(
        f"{what}; the columns are {', '.join(sheet.columns) or 'none'}{lists}",
        file=sheet.file,
        expected=expected,
        remedy=remedy or f"leave layout= out, or name one of {known}; any table can be passed as a DataFrame",
        argument=argument,
    )
