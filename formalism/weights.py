"""Persona weights as a function of condition, question and context: the log-ratio linear model of eq. (2).

A Wilkinson formula defines the effects, independent Gaussian *latents*, and a linear map from them to the logits of
every cell (a cell is a unique combination of the formula's columns):

    η = A ζ,   ζ_l ~ N(0, λ_l),   λ_l = fixed_l + Σ_t M_lt σ_t²,   in each of the K - 1 ILR coordinates.

A has one column for every coefficient of a common effect and for every level of a group-specific effect. A level that
occurs in one cell only, such as those of ``(1 | condition:question_id)``, is an effect of that cell's *own*. All other
latents are *shared* between cells. Of A only the shared columns are stored, and for every cell the position and the
value of its own latent: given the shared latents cells are independent, which the sampler uses
(:mod:`simulacra.inference.sampling.arrow`).

References:
    Egozcue et al. (2003), doi:10.1023/A:1023818214614 (ILR coordinates); Bates et al. (2015), doi:10.18637/jss.v067.i01
    (the formula and its design matrices).
"""

import dataclasses
import difflib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from simulacra.formalism.arrays import namespace
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.formula_text import term_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Term",
    "WeightDesign",
    "cell_logits",
    "describe_formula",
    "evaluate_part",
    "latent_variances",
    "named_columns",
    "parse_formula",
    "weight_design",
    "written",
]

INTERCEPT_SD = 1.5
COMMON_SD = 2.0
THIN_CELL = 5  # below this median count the effect of a single cell cannot be distinguished from sampling noise
_EXAMPLE = "(1 | condition) + (1 | question_id)"

# LogNormal(log median, spread) priors of σ: conditions have the largest effects, interactions the smallest.
_SCALE_OF_CONDITION = (math.log(2.0), 0.6)
_SCALE_OF_FACTOR = (math.log(0.8), 0.5)
_SCALE_OF_INTERACTION = (math.log(0.5), 0.5)


@dataclasses.dataclass(frozen=True)
class Term:
    """A group-specific term.

    Attributes:
        name: the term in a formula, such as ``1 | condition``.
        factors: the columns whose levels it groups by.
        intercept: whether it is an intercept for every level; otherwise a slope.
        key: its name in the matrices of formulae, such as ``1|condition``.
    """

    name: str
    factors: tuple[str, ...]
    intercept: bool
    key: str


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class WeightDesign:
    """A formula evaluated on cells.

    Attributes:
        formula: the formula that is used (without dropped terms).
        cells: one row per cell, C of them.
        rows: position in ``cells`` of every cell that was passed in, int, shape ``(cells passed in,)``.
        terms: names of the T terms that have a scale.
        shared: the columns of A of the latents that several cells share, which come first; shape ``(C, S)``.
        own: position of the latent of every cell that no other cell has, int, shape ``(C,)``; -1 if it has none.
        own_value: the entry of A for it, shape ``(C,)``; 0 if the cell has none.
        multiplicity: M, shape ``(L, T)``.
        fixed_variance: prior variance that does not depend on scales, shape ``(L,)``.
        scale_location: prior median of log σ, shape ``(T,)``.
        scale_spread: prior standard deviation of log σ, shape ``(T,)``.
        latents: names of the L latents.
        order: position of every latent among the columns of the formula, int, shape ``(L,)``.
        notes: what was changed and why, for display.
        group_terms: the group-specific terms with the columns they group by, T of them.
    """

    formula: str
    cells: "pd.DataFrame"
    rows: np.ndarray
    terms: tuple[str, ...]
    shared: np.ndarray
    own: np.ndarray
    own_value: np.ndarray
    multiplicity: np.ndarray
    fixed_variance: np.ndarray
    scale_location: np.ndarray
    scale_spread: np.ndarray
    latents: tuple[str, ...]
    order: np.ndarray
    notes: tuple[str, ...] = ()
    group_terms: tuple[Term, ...] = ()

    def __repr__(self) -> str:
        shared, own = self.shared.shape[1], int((self.own >= 0).sum())
        return card(
            f"WeightDesign: {self.formula}",
            f"{len(self.cells)} cells by {listing(self.cells.columns)}",
            f"{len(self.latents)} latents: {shared} shared, {own} of single cells",
            f"scales: {listing(self.terms)}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: design.logits(latents), design.covariance(scales)",
        )

    @property
    def basis(self) -> np.ndarray:
        """A, shape ``(C, L)``, which is large if there are many cells."""
        return np.asarray(self.logits(np.eye(len(self.latents))))

    def logits(self, latents: Any) -> Any:
        """Logits η = A ζ of every cell, shape ``(..., C, K - 1)``, from latents ``(..., L, K - 1)``, NumPy or JAX."""
        return cell_logits(self.shared, self.own, self.own_value, latents)

    def variances(self, scales: Any) -> Any:
        """λ of every latent at given scales σ, shape ``(L,)``, for NumPy or JAX arrays."""
        return latent_variances(self.fixed_variance, self.multiplicity, scales**2)

    def covariance(self, scales: np.ndarray) -> np.ndarray:
        """Prior covariance of the cell logits in one ILR coordinate, shape ``(C, C)``."""
        basis = self.basis
        return (basis * self.variances(scales)) @ basis.T

    def project(self, logits: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Latents of largest prior density at scales σ that have given logits, shapes ``(L, K - 1)``, ``(C, K - 1)``.

        Logits that A cannot give are replaced by the closest ones, relative to the prior.
        """
        variances, size = self.variances(scales), self.shared.shape[1]
        alone = self.own >= 0
        weighted = self.shared / np.where(alone, self.own_value**2 * variances[self.own], variances.min())[:, None]
        precision = weighted.T @ self.shared + np.diag(1 / variances[:size])
        common = np.linalg.solve(precision, weighted.T @ logits)
        rest = (logits - self.shared @ common)[alone] / self.own_value[alone, None]
        return np.concatenate([common, rest])


def cell_logits(shared: Any, own: Any, own_value: Any, latents: Any) -> Any:
    """η = A ζ from the parts of A that a :class:`WeightDesign` stores, on NumPy or JAX arrays.

    The shared part is one product of matrices for all leading axes.
    """
    xp = namespace(latents)
    common = xp.tensordot(latents[..., : shared.shape[1], :], xp.asarray(shared), axes=[[-2], [1]])
    return common.swapaxes(-1, -2) + own_value[:, None] * latents[..., own, :]


def latent_variances(fixed_variance: Any, multiplicity: Any, squared_scales: Any) -> Any:
    """λ(σ), the prior variance of every latent, shape ``(..., L)``, on NumPy or JAX arrays.

    Args:
        fixed_variance: the part that does not depend on scales, shape ``(L,)``.
        multiplicity: coefficient of every σ², shape ``(L, T)``.
        squared_scales: σ² of every term, shape ``(..., T)``.
    """
    return fixed_variance + squared_scales @ multiplicity.T


def weight_design(formula: str, cells: "pd.DataFrame", *, counts: np.ndarray | None = None) -> WeightDesign:
    """Evaluate a weight formula on the cells of a log.

    Args:
        formula: right-hand side only, for example
            ``"(1 | condition) + (1 | question_id) + (1 | condition:question_id)"``.
        cells: one row per cell.
        counts: completions in every cell, shape ``(C,)``; if the median is below 5, terms with a separate effect for
            every cell are dropped and reported in a note.

    Raises:
        InputError: a formula that cannot be read or evaluated, has a response or no intercept, or names an unknown
            column or one with missing values; or a grouping factor that is not a column or has one level.
    """
    common, groups = parse_formula(formula, cells)
    notes: list[str] = []
    if counts is not None and len(counts) and float(np.median(counts)) < THIN_CELL:
        thin = [term for term in groups if term.intercept and not cells.duplicated(list(term.factors)).any()]
        for term in thin:
            notes.append(
                f"({term.name}) was dropped: the median cell has {np.median(counts):g} completions, fewer than "
                f"{THIN_CELL}, too few to distinguish the effect of a cell from sampling noise."
            )
        groups = [term for term in groups if term not in thin]
    for term in groups:
        levels = len(cells.drop_duplicates(list(term.factors)))
        if levels < 2:
            raise InputError(
                f"Weights {formula!r}: ({term.name}) has one level, so its scale cannot be estimated",
                expected="two or more levels",
                remedy=f"log at least two levels of {', '.join(term.factors)}, or remove the term from the formula",
                argument="weights",
            )
    in_force = " + ".join([*common, *(written(term, groups) for term in groups)]) or "1"
    columns = _common_effects(in_force, cells, common) + _group_effects(in_force, cells, groups)
    return _arrange(in_force, cells, groups, columns, tuple(notes))


def parse_formula(formula: str, cells: "pd.DataFrame") -> tuple[list[str], list[Term]]:
    """The common effects of a formula other than the intercept, as written, and its group-specific terms.

    Raises:
        InputError: as :func:`weight_design`.
    """
    from formulae.terms import GroupSpecificTerm, Intercept

    description = describe_formula(formula)
    if description.response is not None:
        raise InputError(
            f"Weights {formula!r}: the formula has a response",
            expected="the right-hand side only, without a response and '~'",
            remedy="remove everything up to and including '~'",
            argument="weights",
        )
    variables = named_columns(formula)
    unknown = [name for name in variables if name not in cells]
    if unknown:
        near = difflib.get_close_matches(unknown[0], cells.columns, n=1)
        raise InputError(
            f"Weights {formula!r} names {', '.join(unknown)}, which the log does not have; its columns are "
            f"{', '.join(cells.columns)}",
            remedy=f"did you mean {near[0]!r}?" if near else "correct the name, or read the column as a context",
            argument=("weights", "contexts"),
        )
    for name in variables:
        absent = int(cells[name].isna().sum())
        if absent:
            raise InputError(
                f"Weights {formula!r}: {name!r} has no value in {absent} of {len(cells)} cells",
                expected="a value in every cell",
                remedy="fill in the column, or remove it from the formula",
                argument="weights",
            )
    if not any(isinstance(term, Intercept) for term in description.terms):
        raise InputError(
            f"Weights {formula!r}: without an intercept, all personas would have the same weight if all covariates "
            "are zero",
            expected="a formula with an intercept, and group-specific terms in parentheses, such as '(1 | condition)'",
            remedy="remove '0 +' or '- 1', and put parentheses around every term with '|'",
            argument="weights",
        )
    for term in description.terms:
        computed = [part.name for part in _factors(term) if part.name not in cells]
        if computed:
            raise InputError(
                f"Weights {formula!r}: a term groups by {computed[0]}, which is not a column",
                expected=f"columns to the right of '|', among {', '.join(cells.columns)}",
                remedy="add the computed values to the log as a column, and group by that column",
                argument="weights",
            )
    keys = [term.name for term in description.terms]
    if len(set(keys)) < len(keys):
        raise InputError(
            f"Weights {formula!r}: two terms differ in parentheses only",
            expected="terms that also differ without parentheses",
            remedy="add the computed values to the log as columns",
            argument="weights",
        )
    common = [term_text(term) for term in description.terms if not isinstance(term, (GroupSpecificTerm, Intercept))]
    groups = [
        Term(
            term_text(term),
            tuple(sorted(part.name for part in _factors(term))),
            isinstance(term.expr, Intercept),
            term.name,
        )
        for term in description.terms
        if isinstance(term, GroupSpecificTerm)
    ]
    return common, groups


def named_columns(formula: str) -> list[str]:
    """The columns that a formula names, sorted."""
    return sorted(str(name) for name in describe_formula(formula).var_names if name)


def describe_formula(formula: str) -> Any:
    """The description of a formula by formulae, which would ignore anything after the part that it understands.

    Raises:
        InputError: not a text, an empty one, or one that is not understood to its end.
    """
    from formulae import model_description  # costs most of a second; only fitting needs it
    from formulae.parser import Parser
    from formulae.scanner import Scanner

    expect_type(formula, str, "weights", "PersonaMixture", expected=f"a formula such as {_EXAMPLE!r}")
    if not formula.strip():
        raise InputError(
            "Weights: the formula is empty",
            expected=f"a formula such as {_EXAMPLE!r}",
            remedy="write '1' for weights that are the same in all cells",
            argument="weights",
        )
    try:
        parser = Parser(Scanner(formula).scan())
        power = _power_of_one(parser.parse())
        rest = "" if parser.at_end() else str(parser.peek().lexeme)
        description = model_description(formula)
    except Exception as error:  # formulae has errors of its own, and Python's
        raise InputError(
            f"Weights {formula!r} is not a Wilkinson formula ({str(error).rstrip('.')})",
            expected=f"a formula such as {_EXAMPLE!r}",
            remedy="write a group-specific term as '(1 | column)', with one '|'"
            if "|" in formula
            else "join columns with '+', ':' or '*', and check that brackets are balanced",
            argument="weights",
        ) from error
    if rest:
        raise InputError(
            f"Weights {formula!r} is not a Wilkinson formula (unexpected {rest!r})",
            expected=f"a formula such as {_EXAMPLE!r}",
            remedy="join terms with '+', ':' or '*', and check that brackets are balanced",
            argument="weights",
        )
    if power:
        raise InputError(
            f"Weights {formula!r}: in a formula, '**' after {power!r} means its interactions with itself, which are "
            f"{power!r} again",
            expected=f"a formula such as {_EXAMPLE!r}",
            remedy=f"for the arithmetic power write I({power}**2)",
            argument="weights",
        )
    return description


def _power_of_one(expression: Any) -> str:
    """The first column with the operator ``**`` of its own in an expression of formulae, or nothing.

    In the arguments of functions it is Python's operator.
    """
    from formulae.expr import Binary, Grouping, QuotedName, Variable

    if isinstance(expression, Grouping):
        return _power_of_one(expression.expression)
    if not isinstance(expression, Binary):
        return ""
    left = expression.left
    if expression.operator.kind == "STAR_STAR" and isinstance(left, Variable | QuotedName):
        return str((left.name if isinstance(left, Variable) else left.expression).lexeme)
    return _power_of_one(left) or _power_of_one(expression.right)


def _factors(term: Any) -> list[Any]:
    """The components that a group-specific term of formulae groups by; empty for any other term."""
    return list(term.factor.components) if hasattr(term, "factor") else []


def written(term: Term, groups: list[Term]) -> str:
    """A term as written in a formula; a slope implies an intercept unless it starts with ``0 +``."""
    with_intercept = any(other.intercept and other.factors == term.factors for other in groups)
    return f"({term.name})" if with_intercept else f"(0 + {term.name})"


def _scale_prior(term: Term) -> tuple[float, float]:
    if term.factors == ("condition",):
        return _SCALE_OF_CONDITION
    return _SCALE_OF_FACTOR if len(term.factors) == 1 else _SCALE_OF_INTERACTION


@dataclasses.dataclass(frozen=True)
class _Columns:
    """Columns of A with a common prior variance: each belongs to a term, or is fixed.

    ``matrix`` is sparse because an effect of every single cell has as many columns as there are cells.
    """

    names: list[str]
    matrix: sparse.csc_array
    fixed: list[float]
    term: int | None


def _common_effects(formula: str, cells: "pd.DataFrame", common: list[str]) -> list[_Columns]:
    """The intercept and all effects without a scale."""
    matrices = evaluate_part(" + ".join(["1", *common]), formula, cells)
    found = []
    for name, term in matrices.common.terms.items():
        block = _finite(matrices.common[name], name, formula).reshape(len(cells), -1)
        fixed = []
        for column in block.T:
            indicator = bool(np.isin(column, (0.0, 1.0)).all())
            unit = 1.0 if indicator else float(column.std()) or 1.0
            fixed.append((INTERCEPT_SD if name == "Intercept" else COMMON_SD / unit) ** 2)
        found.append(_Columns(list(term.labels), sparse.csc_array(block), fixed, None))
    return found


def _group_effects(formula: str, cells: "pd.DataFrame", groups: list[Term]) -> list[_Columns]:
    """The effects of every group-specific term. Indicators of levels do not need formulae, whose matrices are dense."""
    sloped = {term.factors for term in groups if not term.intercept}
    slopes = [written(term, groups) for term in groups if term.factors in sloped]
    matrices = evaluate_part(" + ".join(["1", *slopes]), formula, cells) if slopes else None
    found = []
    for index, term in enumerate(groups):
        if matrices is None or term.factors not in sloped:
            levels = cells[list(term.factors)]
            codes = levels.groupby(list(term.factors), observed=True).ngroup().to_numpy()
            matrix = sparse.csc_array((np.ones(len(cells)), (np.arange(len(cells)), codes)))
            first = levels.to_numpy()[np.unique(codes, return_index=True)[1]]
            names = [f"{term.key}[{':'.join(map(str, row))}]" for row in first]
        else:
            matrix = sparse.csc_array(_finite(matrices.group[term.key].toarray(), term.name, formula))
            names = list(matrices.group.terms[term.key].labels)
        found.append(_Columns(names, matrix, [0.0] * len(names), index))
    return found


def evaluate_part(part: str, formula: str, cells: "pd.DataFrame") -> Any:
    """The design matrices of formulae for a part of a formula.

    Raises:
        InputError: it cannot be evaluated on these cells.
    """
    from formulae import design_matrices

    try:
        return design_matrices(part, cells)
    except Exception as error:  # whatever a function in the formula raises
        unknown = isinstance(error, KeyError)
        raise InputError(
            f"Weights {formula!r} cannot be evaluated "
            + (f"(there is no function or column {error})" if unknown else f"({type(error).__name__}: {error})"),
            expected="columns, and functions of formulae or NumPy, such as scale(step) or np.log(step)",
            remedy="correct the formula, or add the computed values to the log as a column",
            argument="weights",
        ) from error


def _arrange(
    formula: str, cells: "pd.DataFrame", groups: list[Term], columns: list[_Columns], notes: tuple[str, ...]
) -> WeightDesign:
    """Put the latents that several cells share first, and find the one that each cell has for itself.

    If several effects belong to one cell alone, the last one, which the formula names last, is its own.
    """
    names = np.array([name for block in columns for name in block.names], dtype=object)
    matrix = sparse.csc_array(sparse.hstack([block.matrix for block in columns], format="csc"))
    single = np.flatnonzero(np.diff(matrix.indptr) == 1)
    cell = matrix.indices[matrix.indptr[single]]
    latest = {int(where): int(column) for where, column in zip(cell, single, strict=True)}
    own_columns = np.array([latest[where] for where in sorted(latest)], dtype=int)
    is_shared = np.ones(len(names), dtype=bool)
    is_shared[own_columns] = False
    order = np.concatenate([np.flatnonzero(is_shared), own_columns])
    own, value = np.full(len(cells), -1), np.zeros(len(cells))
    where = np.array(sorted(latest), dtype=int)
    own[where] = is_shared.sum() + np.arange(len(where))
    value[where] = matrix.data[matrix.indptr[own_columns]]
    term = np.concatenate([np.full(len(block.names), -1 if block.term is None else block.term) for block in columns])
    priors = np.array([_scale_prior(each) for each in groups]).reshape(-1, 2)
    return WeightDesign(
        formula=formula,
        cells=cells.reset_index(drop=True),
        rows=np.arange(len(cells)),
        terms=tuple(each.name for each in groups),
        shared=matrix[:, np.flatnonzero(is_shared)].toarray(),
        own=own,
        own_value=value,
        multiplicity=np.equal.outer(term, np.arange(len(groups))).astype(float)[order],
        fixed_variance=np.array([value for block in columns for value in block.fixed])[order],
        scale_location=priors[:, 0],
        scale_spread=priors[:, 1],
        latents=tuple(names[order]),
        order=order,
        notes=notes,
        group_terms=tuple(groups),
    )


def _finite(values: Any, term: str, formula: str) -> np.ndarray:
    block = np.asarray(values, dtype=float)
    if not np.isfinite(block).all():
        raise InputError(
            f"Weights {formula!r}: {term!r} is infinite or undefined in some cell",
            expected="finite numbers",
            remedy="correct the column, or use a function that is defined for all of its values",
            argument="weights",
        )
    return block
