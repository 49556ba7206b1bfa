"""Layouts: what one row of a file represents, and its conversion to one row per completion.

Every other layout is converted to ``rows``. The layout of a file is detected from its columns and reported in the
log's account with the reason; if two layouts match, an error is raised.
"""

from collections.abc import Mapping, Sequence

from simulacra.data.errors import LogError
from simulacra.data.reading.columns import ALIASES, folded
from simulacra.data.reading.formats.sheet import Sheet
from simulacra.data.reading.layouts.judges import has_judges, pivot_judges
from simulacra.data.reading.layouts.lists import list_candidates, unfold
from simulacra.data.reading.layouts.long import judges_of, long_columns, pivot

__all__ = ["LAYOUTS", "as_rows", "recognise"]

LAYOUTS: Mapping[str, str] = {
    "rows": "one row per completion",
    "lists": "one row per question, with its completions in a list",
    "long": "one row per completion, judge and metric: columns such as item_id, judge, metric, score",
    "judges": "one row per completion and judge, with a column such as judge",
    "questions": "a JSON document whose key 'questions' contains the completions by question",
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
    """Convert every sheet to one with one row per completion.

    Args:
        sheets: the contents of the files.
        layout: one of :data:`LAYOUTS`; None detects it for each file.
        columns: canonical name to the file's own, as given by the caller.
        on: columns that identify a completion, for the long layout.
        verdicts: whether the sheets contain judgments without the completions.

    Raises:
        LogError: an unknown layout, one that the file does not have, two that match, or none.
    """
    seen = [recognise(sheet, layout, columns, verdicts=verdicts) for sheet in sheets]
    judges = {judge for sheet, name in zip(sheets, seen, strict=True) if name == "long" for judge in judges_of(sheet)}
    return [_turn(sheet, name, columns, on, several=len(judges) > 1) for sheet, name in zip(sheets, seen, strict=True)]


def _turn(
    sheet: Sheet, name: str, columns: Mapping[str, str | None], on: Sequence[str] | None, *, several: bool
) -> Sheet:
    if name == "long":
        return pivot(sheet, on=on, several=several)
    if name == "judges":
        return pivot_judges(sheet, columns)
    if name in ("lists", "questions"):
        return unfold(sheet, list_candidates(sheet, columns)[0], layout=name)
    return sheet


def recognise(sheet: Sheet, layout: str | None, columns: Mapping[str, str | None], *, verdicts: bool) -> str:
    """The layout of a sheet, one of :data:`LAYOUTS`, from its columns; arguments are those of :func:`as_rows`.

    Raises:
        LogError: an unknown layout, one that the file does not have, two that match, or none.
    """
    if layout is not None and layout not in LAYOUTS:
        known = "; ".join(f"{name!r} ({meaning})" for name, meaning in LAYOUTS.items())
        raise LogError(
            f"layout={layout!r} is unknown",
            expected=known,
            remedy="omit layout= to have it detected",
            argument="layout",
        )
    lists = list_candidates(sheet, columns)
    fits = {
        "rows": sheet.layout == "rows" and (verdicts or _has_texts(sheet, columns)),
        "lists": sheet.layout == "rows" and bool(lists),
        "long": sheet.layout == "rows" and long_columns(sheet) is not None,
        "judges": sheet.layout == "rows" and has_judges(sheet, columns),
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
    if fits["long"] and not fits["lists"]:  # a long table repeats the text next to every judgment
        return "long"
    if fits["judges"] and not fits["lists"]:
        return "judges"
    if len(found) > 1:
        raise _refused(
            sheet,
            f"the file could have the layouts {' and '.join(map(repr, found))}",
            "one of them",
            f'pass layout="{found[0]}" or layout="{found[-1]}"',
        )
    if not found and sheet.layout == "questions":
        raise _refused(sheet, "no question contains a list of completions", LAYOUTS["questions"])
    if not found and any(name in sheet.columns for name in _COUNTS):
        raise _refused(
            sheet,
            "the file contains counts, not completions",
            "one row per completion",
            "read it with read_counts",
            argument="events",
        )
    _refuse_several(sheet, lists, needed=found in (["lists"], ["questions"]))
    return found[0] if found else "rows"  # missing columns are reported when the columns are matched


def _has_texts(sheet: Sheet, columns: Mapping[str, str | None]) -> bool:
    if "completion" in columns:
        return columns["completion"] is None or columns["completion"] in sheet.columns
    names = {alias for tier in ALIASES["completion"] for alias in tier}
    return any(folded(name) in names for name in sheet.columns if name not in columns.values())


def _refuse_several(sheet: Sheet, lists: Sequence[str], *, needed: bool) -> None:
    if needed and len(lists) > 1:
        raise _refused(
            sheet,
            f"columns {list(lists)} could each contain the lists of completions",
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
        remedy=remedy or f"omit layout=, or name one of {known}; any table can be passed as a DataFrame",
        argument=argument,
    )
