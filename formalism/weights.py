"""Persona weights as a function of condition, question and context: the log-ratio linear model of eq. (2).

A Wilkinson formula defines the effects. They are expressed as independent Gaussian *latents* and a linear map to the
logits of every cell (a cell is a unique combination of the formula's columns):

    η = A ζ,   ζ_l ~ N(0, λ_l),   λ_l = fixed_l + Σ_t M_lt σ_t²,   in each of the K - 1 ILR coordinates.

The same prior can be written in this form in two ways.

*Crossed.* If the terms are random intercepts over a full grid (condition × question, questions nested in base
questions, …), all their covariances are Kronecker products of I and J, which commute. A is then the orthonormal basis
of the strata of an analysis of variance, ζ are the cell logits themselves, rotated, and the effects are integrated
out in closed form. This holds for unequal cell counts, because the prior is defined on the full grid.

*Effects.* For any other formula ζ are the effects themselves and A = [X, Z_1, Z_2, …].

References:
    Egozcue et al. (2003), doi:10.1023/A:1023818214614; Searle, Casella & McCulloch (1992), Variance Components,
    doi:10.1002/9780470316856, chapter 4 (eigenvalues of balanced crossed designs).
"""

import dataclasses
import difflib
import functools
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError, expect_type
from simulacra.formalism.simplex import ilr_basis

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WeightDesign", "describe_formula", "latent_variances", "named_columns", "weight_design"]

INTERCEPT_SD = 1.5
COMMON_SD = 2.0
THIN_CELL = 5  # below this median count the effect of a single cell cannot be distinguished from sampling noise
_EXAMPLE = "(1 | condition) + (1 | question_id)"

# LogNormal(log median, spread) priors of σ: conditions have the largest effects, interactions the smallest.
_SCALE_OF_CONDITION = (math.log(2.0), 0.6)
_SCALE_OF_FACTOR = (math.log(0.8), 0.5)
_SCALE_OF_INTERACTION = (math.log(0.5), 0.5)


@dataclasses.dataclass(frozen=True)
class _Term:
    """A group-specific term: a name such as ``1|condition`` and the columns whose levels it groups by."""

    name: str
    factors: tuple[str, ...]
    intercept: bool


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class WeightDesign:
    """A formula evaluated on cells.

    Attributes:
        formula: the formula that is used (without dropped terms).
        cells: one row per cell, C of them; the full grid if the design is crossed and distinguishes all cells.
        rows: position in ``cells`` of every cell that was passed in, int, shape ``(cells passed in,)``.
        terms: names of the T terms that have a scale.
        basis: A, shape ``(C, L)``.
        multiplicity: M, shape ``(L, T)``.
        fixed_variance: prior variance that does not depend on scales, shape ``(L,)``.
        scale_location: prior median of log σ, shape ``(T,)``.
        scale_spread: prior standard deviation of log σ, shape ``(T,)``.
        latents: names of the L latents.
        crossed: whether the effects are integrated out.
        notes: what was changed and why, for display.
        group_terms: the group-specific terms with the columns they group by, T of them.
    """

    formula: str
    cells: "pd.DataFrame"
    rows: np.ndarray
    terms: tuple[str, ...]
    basis: np.ndarray
    multiplicity: np.ndarray
    fixed_variance: np.ndarray
    scale_location: np.ndarray
    scale_spread: np.ndarray
    latents: tuple[str, ...]
    crossed: bool
    notes: tuple[str, ...] = ()
    group_terms: tuple[_Term, ...] = ()

    def __repr__(self) -> str:
        way = "effects integrated out" if self.crossed else "effects sampled"
        return card(
            f"WeightDesign: {self.formula}",
            f"{len(self.cells)} cells by {listing(self.cells.columns)}",
            f"{len(self.latents)} latents, {way}",
            f"scales: {listing(self.terms)}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: design.variances(scales), design.covariance(scales)",
        )

    def variances(self, scales: Any) -> Any:
        """λ of every latent at given scales σ, shape ``(L,)``, for NumPy or JAX arrays."""
        return latent_variances(self.fixed_variance, self.multiplicity, scales**2)

    def covariance(self, scales: np.ndarray) -> np.ndarray:
        """Prior covariance of the cell logits in one ILR coordinate, shape ``(C, C)``."""
        return (self.basis * self.variances(scales)) @ self.basis.T

    def kernel(self, scales: np.ndarray, others: "pd.DataFrame") -> np.ndarray:
        """Prior covariance between ``others`` and the cells of this design, shape ``(len(others), C)``.

        Two cells share an effect if they share the levels of its factors. Defined for random intercepts only.

        Raises:
            InputError: the formula has common effects other than the intercept, or random slopes.
        """
        return self._shared(scales, others, self.cells)

    def kernel_between(self, scales: np.ndarray, others: "pd.DataFrame") -> np.ndarray:
        """Prior covariance among ``others``, shape ``(len(others), len(others))``.

        Raises:
            InputError: as :meth:`kernel`.
        """
        return self._shared(scales, others, others)

    def _shared(self, scales: np.ndarray, left: "pd.DataFrame", right: "pd.DataFrame") -> np.ndarray:
        if not self.only_random_intercepts:
            raise InputError(
                f"Weights {self.formula!r}: new cells can be predicted for random intercepts only",
                expected="a formula such as '(1 | condition) + (1 | question_id)'",
                remedy="fit the model with such a formula",
                argument="weights",
            )
        total = np.full((len(left), len(right)), INTERCEPT_SD**2)
        for term, scale in zip(self.group_terms, scales, strict=True):
            same = np.ones_like(total, dtype=bool)
            for factor in term.factors:
                same &= left[factor].to_numpy()[:, None] == right[factor].to_numpy()[None, :]
            total += scale**2 * same
        return total

    @property
    def only_random_intercepts(self) -> bool:
        """Whether the formula consists of an intercept and random intercepts."""
        return all(term.intercept for term in self.group_terms) and bool((self.fixed_variance > 0).sum() <= 1)


def latent_variances(fixed_variance: Any, multiplicity: Any, squared_scales: Any) -> Any:
    """λ(σ), the prior variance of every latent, shape ``(L,)``, on NumPy or JAX arrays.

    Args:
        fixed_variance: the part that does not depend on scales, shape ``(L,)``.
        multiplicity: coefficient of every σ², shape ``(L, T)``.
        squared_scales: σ² of every term, shape ``(T,)``.
    """
    return fixed_variance + multiplicity @ squared_scales


def weight_design(
    formula: str, cells: "pd.DataFrame", *, counts: np.ndarray | None = None, crossed: bool | None = None
) -> WeightDesign:
    """Evaluate a weight formula on the cells of a log.

    Args:
        formula: right-hand side only, for example
            ``"(1 | condition) + (1 | question_id) + (1 | condition:question_id)"``.
        cells: one row per cell.
        counts: completions in every cell, shape ``(C,)``; if the median is below 5, terms with a separate effect for
            every cell are dropped and reported in a note.
        crossed: ``None`` integrates the effects out if the design allows it; ``False`` never does.

    Raises:
        InputError: a formula that cannot be read or evaluated, has a response or no intercept, or names an unknown
            column or one with missing values; a grouping factor that is not a column or has one level;
            ``crossed=True`` if the design is not a full grid of random intercepts.
    """
    common, groups = _parse(formula, cells)
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
    in_force = " + ".join([*common, *(_written(term, groups) for term in groups)]) or "1"
    plain = not common and all(term.intercept for term in groups)
    if crossed is not False and plain:
        design = _crossed(in_force, cells, groups, tuple(notes))
        if design is not None:
            return design
    if crossed:
        raise InputError(
            f"Weights {formula!r}: not a full grid of random intercepts, so effects cannot be integrated out",
            remedy="omit crossed=True",
            argument="crossed",
        )
    return _effects(in_force, cells, groups, tuple(notes))


def _parse(formula: str, cells: "pd.DataFrame") -> tuple[list[str], list[_Term]]:
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
    common = [term.name for term in description.terms if not isinstance(term, (GroupSpecificTerm, Intercept))]
    groups = [
        _Term(
            term.name.replace("|", " | "),
            tuple(sorted(part.name for part in _factors(term))),
            isinstance(term.expr, Intercept),
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
        parser.parse()
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
    return description


def _factors(term: Any) -> list[Any]:
    """The components that a group-specific term of formulae groups by; empty for any other term."""
    return list(term.factor.components) if hasattr(term, "factor") else []


def _written(term: _Term, groups: list[_Term]) -> str:
    """A term as written in a formula; a slope implies an intercept unless it starts with ``0 +``."""
    with_intercept = any(other.intercept and other.factors == term.factors for other in groups)
    return f"({term.name})" if with_intercept else f"(0 + {term.name})"


def _scale_prior(term: _Term) -> tuple[float, float]:
    if term.factors == ("condition",):
        return _SCALE_OF_CONDITION
    return _SCALE_OF_FACTOR if len(term.factors) == 1 else _SCALE_OF_INTERACTION


# --- crossed designs: effects integrated out ------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Axis:
    """One axis of a grid: a factor, and the factors it is nested in (whose levels it subdivides)."""

    factor: str
    within: tuple[str, ...]
    size: int


def _crossed(formula: str, cells: "pd.DataFrame", groups: list[_Term], notes: tuple[str, ...]) -> WeightDesign | None:
    axes = _axes(cells, sorted({factor for term in groups for factor in term.factors}))
    if axes is None or not axes:
        return None
    shape = [axis.size for axis in axes]
    if math.prod(shape) > 2 * len(cells):
        return None  # mostly empty: the effects are fewer than the cells of the grid
    grid, position = _grid(cells, axes)
    shared = len(set(position.tolist())) < len(cells)  # cells that the formula does not distinguish
    spans = [
        [
            index
            for index, axis in enumerate(axes)
            if any({axis.factor, *axis.within} <= _up(f, axes) for f in term.factors)
        ]
        for term in groups
    ]
    helmerts = [np.vstack([np.full(size, size**-0.5), ilr_basis(size)]) if size > 1 else np.eye(1) for size in shape]
    basis = functools.reduce(np.kron, helmerts).T
    strata = np.array(list(itertools.product(*(np.arange(size) > 0 for size in shape))))
    multiplicity = np.zeros((len(strata), len(groups)))
    for column, span in enumerate(spans):
        outside = [index for index in range(len(axes)) if index not in span]
        multiplicity[:, column] = ~strata[:, outside].any(axis=1) * math.prod(shape[index] for index in outside)
    fixed = np.where(strata.any(axis=1), 0.0, INTERCEPT_SD**2 * math.prod(shape))
    alive = (multiplicity.sum(axis=1) > 0) | (fixed > 0)
    priors = np.array([_scale_prior(term) for term in groups])
    names = [
        "×".join([f"{axis.factor}{index}" for axis, index in zip(axes, indices, strict=True) if index]) or "mean"
        for indices in itertools.product(*(range(size) for size in shape))
    ]
    return WeightDesign(
        formula=formula,
        cells=cells.reset_index(drop=True) if shared else grid,
        rows=np.arange(len(cells)) if shared else position,
        terms=tuple(term.name for term in groups),
        basis=(basis[position] if shared else basis)[:, alive],
        multiplicity=multiplicity[alive],
        fixed_variance=fixed[alive],
        scale_location=priors[:, 0],
        scale_spread=priors[:, 1],
        latents=tuple(name for name, keep in zip(names, alive, strict=True) if keep),
        crossed=True,
        notes=notes,
        group_terms=tuple(groups),
    )


def _up(factor: str, axes: list[_Axis]) -> set[str]:
    """A factor and all factors that it is nested in."""
    return {factor, *next(axis.within for axis in axes if axis.factor == factor)}


def _axes(cells: "pd.DataFrame", factors: list[str]) -> list[_Axis] | None:
    """Axes of the full grid of the factors, coarse before fine; ``None`` if nested factors do not form a full grid."""
    levels = {factor: int(cells[factor].nunique()) for factor in factors}
    axes: list[_Axis] = []
    for factor in sorted(factors, key=lambda name: (levels[name], name)):
        within = tuple(
            other
            for other in factors
            if other != factor
            and levels[other] < levels[factor]
            and len(cells.drop_duplicates([factor, other])) == levels[factor]
        )
        size = levels[factor]
        if within:
            inside = cells.drop_duplicates(factor).groupby(list(within), observed=True).size()
            full = math.prod(axis.size for axis in axes if axis.factor in within)
            if inside.min() < inside.max() or len(inside) < full:
                return None
            size = int(inside.iloc[0])
        axes.append(_Axis(factor, within, size))
    return axes


def _grid(cells: "pd.DataFrame", axes: list[_Axis]) -> tuple["pd.DataFrame", np.ndarray]:
    """The full grid in the axes' order, and the position of every given cell in it."""
    import pandas as pd

    codes, lookup = [], []
    for axis in axes:
        table = cells.drop_duplicates(axis.factor).sort_values([*axis.within, axis.factor])
        if axis.within:
            ranks = table.groupby(list(axis.within), observed=True).cumcount()
        else:
            ranks = pd.Series(range(len(table)), index=table.index)
        rank_of = dict(zip(table[axis.factor], ranks, strict=True))
        codes.append(cells[axis.factor].map(rank_of).to_numpy(dtype=int))
        lookup.append({(*row[:-1], rank_of[row[-1]]): row[-1] for row in table[[*axis.within, axis.factor]].to_numpy()})
    shape = [axis.size for axis in axes]
    position = np.asarray(np.ravel_multi_index(codes, shape))
    rows = []
    for indices in itertools.product(*map(range, shape)):
        row: dict[str, Any] = {}
        for axis, index, names in zip(axes, indices, lookup, strict=True):
            row[axis.factor] = names[(*(row[other] for other in axis.within), index)]
        rows.append(row)
    grid = pd.DataFrame(rows, columns=[axis.factor for axis in axes])
    for column in cells.columns.difference(grid.columns, sort=False):
        values = np.full(len(grid), None, dtype=object)
        values[position] = cells[column].to_numpy()
        grid[column] = values
    return grid, position


# --- every other formula: effects explicit --------------------------------------------------------------------------


def _effects(formula: str, cells: "pd.DataFrame", groups: list[_Term], notes: tuple[str, ...]) -> WeightDesign:
    from formulae import design_matrices

    try:
        matrices: Any = design_matrices(formula, cells)
    except Exception as error:  # whatever a function in the formula raises
        unknown = isinstance(error, KeyError)
        raise InputError(
            f"Weights {formula!r} cannot be evaluated "
            + (f"(there is no function or column {error})" if unknown else f"({type(error).__name__}: {error})"),
            expected="columns, and functions of formulae or NumPy, such as scale(step) or np.log(step)",
            remedy="correct the formula, or add the computed values to the log as a column",
            argument="weights",
        ) from error
    blocks: list[np.ndarray] = []
    fixed: list[float] = []
    names: list[str] = []
    if matrices.common is not None:
        for name, term in matrices.common.terms.items():
            block = _finite(matrices.common[name], name, formula).reshape(len(cells), -1)
            for column, label in zip(block.T, term.labels, strict=True):
                indicator = bool(np.isin(column, (0.0, 1.0)).all())
                unit = 1.0 if indicator else float(column.std()) or 1.0
                blocks.append(column[:, None])
                names.append(label)
                fixed.append((INTERCEPT_SD if name == "Intercept" else COMMON_SD / unit) ** 2)
    multiplicity = [np.zeros(len(groups)) for _ in names]
    for index, term in enumerate(groups):
        key = term.name.replace(" | ", "|")
        block = _finite(matrices.group[key].toarray(), term.name, formula)
        labels = matrices.group.terms[key].labels
        blocks.append(block)
        names.extend(labels)
        fixed.extend([0.0] * len(labels))
        multiplicity.extend([np.eye(len(groups))[index]] * len(labels))
    priors = np.array([_scale_prior(term) for term in groups]).reshape(-1, 2)
    return WeightDesign(
        formula=formula,
        cells=cells.reset_index(drop=True),
        rows=np.arange(len(cells)),
        terms=tuple(term.name for term in groups),
        basis=np.hstack(blocks),
        multiplicity=np.stack(multiplicity),
        fixed_variance=np.array(fixed),
        scale_location=priors[:, 0],
        scale_spread=priors[:, 1],
        latents=tuple(names),
        crossed=False,
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
