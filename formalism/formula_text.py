"""The parts of a Wilkinson formula as text that means what they are.

The names that formulae gives to its terms lack parentheses and backticks: that of ``np.log((dose + 1) * 2)`` is
``np.log(dose + 1 * 2)``. Read as formulas they would be other ones.
"""

import re
from typing import Any

__all__ = ["term_text"]

_WORD = re.compile(r"(?!(True|False|None)$)[^\W\d_][\w.]*")


def term_text(term: Any) -> str:
    """A term other than the intercept, such as ``condition:dose``, ``np.log(`my dose`)`` or ``1 | question_id``."""
    if not hasattr(term, "factor"):
        return ":".join(_component(part) for part in term.components)
    slope = ":".join(_component(part) for part in getattr(term.expr, "components", []))
    return f"{slope or 1} | {':'.join(_component(part) for part in term.factor.components)}"


def _component(part: Any) -> str:
    return _expression(part.call) if hasattr(part, "call") else _column(part.name)


def _column(name: str) -> str:
    return name if _WORD.fullmatch(name) else f"`{name}`"


def _expression(node: Any, *, nested: bool = False) -> str:
    from formulae.terms.call_resolver import LazyCall, LazyOperator, LazyVariable

    if isinstance(node, LazyVariable):
        return _column(node.name)
    if isinstance(node, LazyOperator):
        parts = [_expression(part, nested=True) for part in node.args]
        text = f" {node.symbol} ".join(parts) if len(parts) > 1 else f"{node.symbol}{parts[0]}"
        return f"({text})" if nested else text
    if isinstance(node, LazyCall):
        named = [f"{name}={_expression(value)}" for name, value in node.kwargs.items()]
        return f"{node.callee}({', '.join([*map(_expression, node.args), *named])})"
    return str(node)  # a number or a quoted word
