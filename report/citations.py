"""A citation as text, ASCII, Markdown, LaTeX or JSON: the value with its interval, diagnostics and provenance."""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping

from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference import Citation

__all__ = ["format_citation", "latex_signs"]


def format_citation(citation: Citation, style: str = "text") -> str:
    r"""Value, scope, interval with kind and probability, R-hat, ESS, model, data hash, seed and version as text.

    Args:
        citation: returned by :meth:`simulacra.inference.Result.cite`.
        style: ``"text"``; ``"ascii"``, the same without signs beyond ASCII, except in names of the log;
            ``"markdown"``; ``"latex"``, for siunitx, with the model in a comment; or ``"json"``, an object with all
            digits.

    Raises:
        InputError: an unknown style.

    Example:
        ``format_citation(result.cite("shift[insecure, misaligned]"), "latex")`` gives
        ``\num{0.312} on these 8 questions (89\% ETI \numrange{0.273}{0.350}; $\hat R$ \num{1.00}, ESS \num{2113}; …)``.
    """
    expect_type(citation, Citation, "citation", "format_citation", expected="a Citation, as Result.cite returns")
    if style not in _STYLES:
        raise InputError(f"format_citation: expected one of {', '.join(_STYLES)}; got {style!r}", argument="style")
    return _STYLES[style](citation)


def _text(citation: Citation) -> str:
    source = citation.provenance
    return f"{citation.key}: {citation} Model: {source.model}. Seed {source.seed}, data SHA-256 {source.data_hash}."


def _ascii(citation: Citation) -> str:
    text = re.sub(r"(?<=\d)–(?=\d)", " to ", _text(citation))
    for sign, plain in (("−", "-"), ("R̂", "R-hat"), ("\N{NARROW NO-BREAK SPACE}", ""), ("…", "")):
        text = text.replace(sign, plain)
    return text


def _markdown(citation: Citation) -> str:
    source = citation.provenance
    shown = str(citation).replace(citation.rounded(citation.value), f"**{citation.rounded(citation.value)}**", 1)
    return (
        f"`{citation.key}`: {shown}  \n"
        f"<sub>Model: `{source.model}`. Seed {source.seed}, data SHA-256 `{source.data_hash}`.</sub>"
    )


def _latex(citation: Citation) -> str:
    source = citation.provenance
    value, lower, upper = (
        citation.rounded(number).replace("−", "-") for number in (citation.value, citation.lower, citation.upper)
    )
    mixing = rf" $\hat R$ \num{{{citation.r_hat:.2f}}}, ESS \num{{{citation.ess:.0f}}};"
    scope, caveat = (latex_signs(re.sub(r"([%_&#$])", r"\\\1", own)) for own in (citation.scope, citation.caveat))
    scope, caveat = scope and f" {scope}", caveat and f" {caveat};"
    comment = re.sub(r"\s+", " ", f"{citation.key}; model: {source.model}; data SHA-256 {source.data_hash}")
    return (
        f"% Needs \\usepackage{{siunitx}}. {comment}\n"
        rf"\num{{{value}}}{scope} ({100 * citation.interval_probability:g}\% {citation.interval} "
        rf"\numrange{{{lower}}}{{{upper}}};{mixing}{caveat} simulacra {source.version}, seed {source.seed}, "
        rf"data \texttt{{{source.data_hash[:8]}}})"
    )


def latex_signs(text: str) -> str:
    """Text with the signs that pdfLaTeX does not know by themselves, minus and narrow space, as commands."""
    return text.replace("−", "$-$").replace("\N{NARROW NO-BREAK SPACE}", r"\,")


def _json(citation: Citation) -> str:
    return json.dumps(dataclasses.asdict(citation), ensure_ascii=False, allow_nan=False)


_STYLES: Mapping[str, Callable[[Citation], str]] = {
    "ascii": _ascii,
    "json": _json,
    "latex": _latex,
    "markdown": _markdown,
    "text": _text,
}
