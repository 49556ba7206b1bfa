"""The equations of a model with its names, as HTML without typesetting."""

from collections.abc import Sequence

from simulacra.formalism.display import escaped, html_table_of_html, listing
from simulacra.formalism.errors import InputError
from simulacra.formalism.formula_text import term_text
from simulacra.formalism.weights import describe_formula

__all__ = ["model_equations"]

_W, _F, _SUM = "<i>w<sub>z</sub></i>", "<i>f<sub>z</sub></i>", "Σ<sub><i>z</i></sub>"


def model_equations(
    personas: Sequence[str], measurements: Sequence[str], weights: str, rule: str | None, *, texts: bool
) -> str:
    """Eqs. (1) to (4) and (7) of a mixture.

    Args:
        personas: their names.
        measurements: the measurements of a completion.
        weights: the Wilkinson formula.
        rule: rule of the outcome, if there is one.
        texts: whether the text itself is an observation.
    """
    observed = [*map(escaped, measurements), *(["text"] if texts else [])]
    y = listing(observed, 60)
    factors = " · ".join(f"{_F}({name})" for name in observed) if len(observed) <= 6 else f"∏ {_F}(·)"
    names, logits = escaped(listing(personas, 70)), _logits(weights)
    rows = [
        ("(1)", f"<i>p</i>({y}) = {_SUM} {_W} {_F}({y}), <i>z</i> ∈ {{{names}}}"),
        ("(2)", f"log <i>w</i> = log softmax(<i>η</i>), <i>η</i> = {logits}"),
        ("(3)", f"{_F}({y}) = {factors}"),
    ]
    if texts:
        rows.append(("(4)", f"{_F}(text) ∝ softmax<sub><i>z</i></sub>(<i>τ ℓ</i> + <i>b</i>)"))
    if rule is not None:
        rows.append(("(7)", f"rate = {_SUM} {_W} P({escaped(rule)} | <i>z</i>)"))
    return html_table_of_html(("eq.", "model"), rows)


def _logits(weights: str) -> str:
    """The linear predictor, with one letter per term; a formula that cannot be read is shown verbatim."""
    from formulae.terms import GroupSpecificTerm, Intercept

    try:
        terms = describe_formula(weights).terms
    except InputError:  # weight_design reports what is wrong
        return f"<code>{escaped(weights)}</code>"
    parts = []
    for term in terms:
        name = "0" if isinstance(term, Intercept) else escaped(term_text(term).replace(" | ", "|"))
        letter = "u" if isinstance(term, GroupSpecificTerm) else "β"
        parts.append(f"<i>{letter}</i><sub>{name.removeprefix('1|')}</sub>")
    return " + ".join(parts)
