"""The report of a result: one self-contained page, or the same facts in Markdown.

A page loads nothing and runs nothing: figures are inline SVG, the style is inside, and a content security policy
forbids scripts and requests. Completions are text that others' models wrote; templates escape them.
"""

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulacra.data import CompletionLog
from simulacra.inference import Result
from simulacra.report import figures
from simulacra.report.facts import Facts, gather_facts
from simulacra.report.missing import require

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["render_report", "write_report"]

_SUFFIXES = {".html": "report.html.jinja", ".md": "report.md.jinja"}
_SIGNS = {"increase": "▲", "decrease": "▼", "equivalent": "=", "undecided": "?", "withheld": "✕", "baseline": "·"}


def write_report(result: Result, path: str | Path, *, log: CompletionLog | None = None, rope: float = 0.01) -> Path:
    """Write the report of a result, whole or not at all.

    Args:
        result: a fit; where checks failed, what they concern is withheld with the reason.
        path: ending in ``.html``, one self-contained page; or in ``.md``, the same facts without pictures.
        log: the log that was fitted, for example completions. Without it the report has none, and says so.
        rope: half-width of the region of practical equivalence of rate differences, a probability.

    Returns:
        The path.

    Raises:
        ValueError: another suffix, or a log that is not the one that was fitted.
        ImportError: the extra ``report`` is not installed.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"write_report: expected a file name that ends in {' or '.join(_SUFFIXES)}; got {path}.")
    facts = gather_facts(result, log=log, rope=rope)
    text = render_report(result, facts, markdown=path.suffix == ".md")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.stem}-", delete=False
    ) as file:
        file.write(text)
    os.chmod(file.name, 0o666 & ~_umask())
    os.replace(file.name, path)
    return path


def render_report(result: Result, facts: Facts, *, markdown: bool = False) -> str:
    """The text of a report."""
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulacra.report", "templates"),
        autoescape=not markdown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "fence": _fence, "table": _gt}
    template = environment.get_template(_SUFFIXES[".md" if markdown else ".html"])
    return template.render(facts=facts, draw=_Pictures(result, facts), signs=_SIGNS)


class _Pictures:
    """Figures by name, for templates: ``draw.weights()`` has ``.svg`` and ``.finding``."""

    def __init__(self, result: Result, facts: Facts) -> None:
        self._result, self._facts = result, facts

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        options = {"rope": self._facts.rope} if name in ("rate_differences", "shifts") else {}
        return lambda *arguments: _picture(getattr(figures, name)(self._result, *arguments, **options), name, arguments)


def _picture(figure: "Figure", name: str, arguments: tuple[str, ...]) -> dict[str, Any]:
    own = re.sub(r"\W+", "-", "-".join((name, *arguments)))
    return {"svg": require("markupsafe").Markup(figures.to_svg(figure, own)), "finding": figure.get_label()}


def _gt(table: "pd.DataFrame", name: str, *, groups: str | None = None, numbers: tuple[str, ...] = ()) -> Any:
    """A table of texts as HTML by great_tables, which escapes them; the page's own style dresses it."""
    made = require("great_tables").GT(table, id=name, groupname_col=groups).cols_align("right", columns=list(numbers))
    bare = re.sub(r"<style>.*?</style>", "", made.as_raw_html(), count=1, flags=re.DOTALL)
    return require("markupsafe").Markup(bare)


def _cell(text: object) -> str:
    r"""Text for a line of Markdown: what would be markup is escaped, ``a_b|c`` as ``a\_b\|c``."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(str(text).split()))


def _fence(text: str) -> str:
    """A completion as a code block that none of its own backticks ends."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
