"""All figures of a result as files, one per figure, persona or measurement."""

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra.data.atomic import write_atomically
from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference import Result
from simulacra.report import figures
from simulacra.report.names import refuse_unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "FORMATS", "write_figures"]

FIGURES: Mapping[str, Callable[..., "Figure"]] = {
    each.__name__: each
    for each in (
        figures.rates,
        figures.rate_differences,
        figures.explained_rates,
        figures.rate_by_question,
        figures.weights,
        figures.shifts,
        figures.portrait,
        figures.posterior_predictive,
        figures.trace,
        figures.rank,
        figures.energy,
    )
}
"""The figures of one result, by name."""
FORMATS = ("pdf", "svg", "png")
"""The formats of files."""
_OF_AN_OUTCOME = ("rates", "rate_differences", "explained_rates", "rate_by_question")


def write_figures(
    result: Result,
    folder: str | Path,
    *,
    only: str | Sequence[str] = (),
    format: str | Sequence[str] = "pdf",
    width: float | int | None = None,
    **options: Any,
) -> tuple[Path, ...]:
    """Write figures of a result into a folder: ``shifts.pdf``, ``portrait-misaligned.pdf`` and so on.

    Args:
        result: a fit.
        folder: created if it does not exist; files of the same name are replaced.
        only: names of figures. Default: all, without those of an outcome if the model has none.
        format: one or several of ``pdf``, ``svg`` and ``png``.
        width: of every figure, in inches. Default: as in :class:`~simulacra.report.figures.Options`.
        options: other arguments, such as ``ci_prob``, ``rope``, ``against`` or ``rename``; each figure receives those
            that it has.

    Returns:
        The files.

    Raises:
        InputError: an unknown figure, format or option, or what the figures raise.
        MissingExtraError: the extra ``report`` is not installed.
    """
    expect_type(result, Result, "result", "write_figures", expected="a Result, as fit returns")
    only, formats = ((own,) if isinstance(own, str) else tuple(own) for own in (only, format))
    refuse_unknown(only, list(FIGURES), "figures of a result", "only")
    refuse_unknown(formats, FORMATS, "formats of figures", "format")
    if width is not None and not width > 0:
        raise InputError(f"The width of figures is {width}", expected="inches, such as 3.25", argument="width")
    known = {name for each in FIGURES.values() for name in inspect.signature(each).parameters}
    refuse_unknown(options, sorted(known - {"result", "options", "persona", "measurement"}), "write_figures", "options")
    named = list(only) or [name for name in FIGURES if result.model.outcome is not None or name not in _OF_AN_OUTCOME]
    size: dict[str, float] = {} if width is None else {"figsize": width}
    drawn: dict[str, Any] = {}  # all of them before the first is written
    for name, arguments in itertools.chain.from_iterable(_drawings(result, name) for name in dict.fromkeys(named)):
        own = {key: value for key, value in options.items() if key in inspect.signature(FIGURES[name]).parameters}
        stem = re.sub(r"[^\w+.-]+", "-", "-".join((name, *arguments)))
        drawn[stem] = FIGURES[name](result, *arguments, **own, **size)
    written = []
    for (stem, figure), suffix in itertools.product(drawn.items(), dict.fromkeys(formats)):
        ground = {"facecolor": figure.ground} if suffix == "png" else {}
        written.append(Path(folder) / f"{stem}.{suffix}")
        write_atomically(written[-1], functools.partial(figure.savefig, **ground))
    return tuple(written)


def _drawings(result: Result, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The drawings of a figure, each with its arguments: one per persona or measurement."""
    each = {"portrait": result.personas, "posterior_predictive": result.model.measurements}
    yield from ((name, (own,)) for own in each[name]) if name in each else ((name, ()),)
