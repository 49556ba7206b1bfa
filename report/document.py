"""The report of a result: a self-contained HTML document, or the same content in Markdown.

The document loads no external resources: figures are inline SVG, the style sheet is embedded, and a content security
policy forbids requests, and all scripts but the one that shows the completions (``report/browser.py``), if there are
any. Completions are untrusted text; templates escape them.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from simulacra.data import CompletionLog
from simulacra.data.atomic import write_atomically
from simulacra.data.extras import import_extra
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.visible import visible
from simulacra.inference import Result
from simulacra.inference.tables import chosen_probability, chosen_rope
from simulacra.report import figures
from simulacra.report.facts import make_facts
from simulacra.report.figures.style import matplotlib_defaults
from simulacra.report.prose import failure, gate_sentence

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["ATTRIBUTIONS", "WITHOUT_TEXTS", "render_template", "write_report", "write_reports"]

ATTRIBUTIONS = "responsibilities.parquet"
"""The file with the responsibilities of all completions, in the folder of the reports."""
WITHOUT_TEXTS = "responsibilities-no-texts.parquet"
"""The same without texts, where the folder has a file with them, which stays."""
_TEMPLATES = {".html": "report.html.jinja", ".md": "report.md.jinja"}
_SIGNS = {"increase": "▲", "decrease": "▼", "equivalent": "=", "undecided": "?", "withheld": "✕", "baseline": "·"}


def write_report(
    result: Result,
    path: str | Path,
    *,
    log: CompletionLog | None = None,
    texts: bool = True,
    rope: float | int | None = None,
    ci_prob: float | None = None,
) -> Path:
    """Write the report of a result; if writing fails, no partial file is left.

    Args:
        result: a fit; estimates that failed checks concern are withheld, with the reason.
        path: ending in ``.html``, a self-contained document; or in ``.md``, the same content without figures.
        log: the log that was fitted. With it, the report has example completions and, as HTML, a table of all of them.
        texts: whether the texts of the completions are part of the report.
        rope: half-width of the region of practical equivalence of rate differences, a probability. Default: that
            of the fit.
        ci_prob: probability of all intervals. Default: that of the fit. It also affects claims, see
            :meth:`~simulacra.inference.Result.contrasts`.

    Returns:
        The path.

    Raises:
        InputError: an unsupported suffix, a log that is not the one that was fitted, or a probability outside (0, 1).
        MissingExtraError: the extra ``report`` is not installed.
    """
    _check_arguments(result, path, "write_report", "path")
    attributed = None if log is None else result.attributions(log, texts=texts)
    return _write(result, [Path(path)], log, attributed, rope, ci_prob)[0]


def write_reports(
    result: Result,
    folder: str | Path,
    *,
    log: CompletionLog | None = None,
    texts: bool = True,
    rope: float | int | None = None,
    ci_prob: float | None = None,
) -> tuple[Path, ...]:
    """Write ``report.html`` and ``report.md`` into a folder; arguments as in :func:`write_report`.

    With the log, the file ``responsibilities.parquet`` has all completions of
    :meth:`~simulacra.inference.Result.attributions`. It is written even if the extra ``report`` is not installed. If
    the folder has this file with texts, it is not replaced by one without: ``responsibilities-no-texts.parquet`` is
    written instead.

    Raises:
        InputError: as :func:`write_report`.
    """
    _check_arguments(result, folder, "write_reports", "folder")
    reports = [Path(folder) / f"report{suffix}" for suffix in _TEMPLATES]
    if log is None:
        return _write(result, reports, None, None, rope, ci_prob)
    attributed, path = result.attributions(log, texts=texts), Path(folder) / ATTRIBUTIONS
    if not texts and _has_texts(path):
        path = path.with_name(WITHOUT_TEXTS)
    write_atomically(path, functools.partial(attributed.to_parquet, index=False, compression="zstd"))
    return (*_write(result, reports, log, attributed, rope, ci_prob), path)


def _has_texts(path: Path) -> bool:
    """Whether this is a table of completions with their texts."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return path.is_file() and "completion" in parquet.read_schema(path).names
    except pa.ArrowInvalid:  # damaged, so that nothing is lost if it is replaced
        return False


def _check_arguments(result: object, place: object, call: str, argument: str) -> None:
    swapped = f"the result comes first: {call}(result, {argument})" if isinstance(place, Result) else None
    expect_type(result, Result, "result", call, expected="a Result, as fit returns", remedy=swapped)
    expect_type(place, (str, Path), argument, call, expected="a path such as 'report.html'")


def _write(
    result: Result,
    paths: Sequence[Path],
    log: CompletionLog | None,
    attributed: "pd.DataFrame | None",
    rope: float | int | None,
    ci_prob: float | None,
) -> tuple[Path, ...]:
    for path in paths:
        if path.suffix not in _TEMPLATES:
            raise InputError(
                f"write_report: expected a file name that ends in {' or '.join(_TEMPLATES)}; got {path}",
                argument="path",
            )
    ci_prob, rope = chosen_probability(ci_prob, result.ci_prob), chosen_rope(rope, result.rope)
    browsed = any(path.suffix == ".html" for path in paths)
    facts = make_facts(result, log=log, attributed=attributed, browsed=browsed, rope=rope, ci_prob=ci_prob)
    draw = _painter(result, {"rope": rope, "ci_prob": ci_prob})
    texts = [render_template(_TEMPLATES[path.suffix], facts=facts, draw=draw, signs=_SIGNS) for path in paths]
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, functools.partial(Path.write_text, data=text, encoding="utf-8"))
    return tuple(paths)


def render_template(name: str, **content: Any) -> str:
    """A template of this folder with its content; texts are escaped in HTML, and invisible characters shown in both.

    Raises:
        MissingExtraError: the extra ``report`` is not installed.
    """
    jinja2 = import_extra("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulacra.report", "templates"),
        autoescape=".html" in name,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,  # and not markup, which is ours
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": _breakable, "cell": _cell, "fence": _fence, "table": _bare_table}
    environment.filters |= {"failure": failure, "gate": gate_sentence}
    return str(environment.get_template(name).render(**content))


class _Picture(NamedTuple):
    """A figure of the report, and its unique name on the page."""

    figure: "Figure"
    name: str

    @property
    def svg(self) -> Any:
        """The drawing as markup."""
        return import_extra("markupsafe", "report").Markup(figures.to_svg(self.figure, self.name))

    @property
    def finding(self) -> str:
        """What the drawing shows, as a sentence."""
        return str(self.figure.get_label())


def _painter(result: Result, options: Mapping[str, float | int]) -> Callable[..., _Picture]:
    """The function with which templates draw: ``draw("weights")``, ``draw("portrait", "mid")``. Results are cached.

    A figure receives only the options that it accepts.
    """

    @functools.cache
    def draw(name: str, *arguments: str) -> _Picture:
        function = getattr(figures, name)
        own_options = {key: options[key] for key in options.keys() & inspect.signature(function).parameters.keys()}
        with matplotlib_defaults():  # the page has colours and sizes of its own
            figure = function(result, *arguments, **own_options)
        return _Picture(figure, re.sub(r"\W+", "-", "-".join((name, *arguments))))

    return draw


def _bare_table(table: "pd.DataFrame", name: str, *, groups: str | None = None, numbers: tuple[str, ...] = ()) -> Any:
    """A table of texts as HTML by great_tables, which escapes them; the style sheet of the report applies to it."""
    shown = table.map(lambda value: visible(value) if isinstance(value, str) else value)
    made = (
        import_extra("great_tables", "report")
        .GT(shown, id=name, groupname_col=groups)
        .cols_align("right", columns=list(numbers))
    )
    bare = re.sub(r"<style>.*?</style>", "", made.as_raw_html(), count=1, flags=re.DOTALL)
    return import_extra("markupsafe", "report").Markup(bare)


def _breakable(name: str) -> Any:
    """A name that may wrap after underscores and hyphens on narrow screens."""
    markup = import_extra("markupsafe", "report")
    return markup.Markup(re.sub("(?<=[_/-])", "<wbr>", str(markup.escape(visible(name)))))


def _cell(text: object) -> str:
    r"""Text for a line of Markdown with markup escaped, ``a_b|c`` as ``a\_b\|c``."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(str(text).split()))


def _fence(text: str) -> str:
    """A completion as a fenced code block; the fence is longer than any run of backticks in the text."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
