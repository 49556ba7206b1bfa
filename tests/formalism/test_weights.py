"""Weight designs: integrating the effects out changes nothing, nor does the order of cells."""

import itertools

import numpy as np
import pandas as pd
import pytest

from simulacra.formalism import InputError, WeightDesign, weight_design
from simulacra.formalism.new_cells import logits_of_new_cells
from simulacra.formalism.weights import COMMON_SD, INTERCEPT_SD, THIN_CELL

_USUAL = "(1 | condition) + (1 | question_id) + (1 | condition:question_id)"


def _grid(**factors: list) -> pd.DataFrame:
    return pd.DataFrame(list(itertools.product(*factors.values())), columns=list(factors))


def _nested(conditions: int, bases: int, formats: int) -> pd.DataFrame:
    """Conditions crossed with questions, which come in formats of base questions."""
    questions = [(f"b{base}", f"b{base}_f{own}") for base in range(bases) for own in range(formats)]
    rows = [(f"c{c}", base, question) for c in range(conditions) for base, question in questions]
    return pd.DataFrame(rows, columns=["condition", "base_question", "question_id"])


_CROSSED = _grid(condition=["base", "bad", "mild"], question_id=["q1", "q2", "q3", "q4"])
_THREE = _grid(condition=["base", "bad", "mild"], trigger=["off", "on"], question_id=["q1", "q2", "q3"])
_ALIASED = _grid(condition=["base", "bad", "mild"], question_id=["q1", "q2"]).assign(
    base_question=lambda cells: cells["question_id"] + "_base"
)
_TWICE_NESTED = _nested(2, 2, 3).assign(domain=lambda cells: cells["base_question"].map({"b0": "d0", "b1": "d1"}))

DESIGNS = {
    "crossed": (_USUAL, _CROSSED),
    "conditions only": ("(1 | condition)", _CROSSED),
    "questions only": ("(1 | question_id)", _CROSSED),
    "interaction only": ("(1 | condition:question_id)", _CROSSED),
    "unequal observed cells": (_USUAL, _CROSSED.drop(index=[1, 6, 11])),
    "almost half of the cells": (_USUAL, _CROSSED.iloc[[0, 5, 6, 7, 8, 9, 10]]),
    "nested questions": ("(1 | condition) + (1 | base_question) + (1 | question_id)", _nested(3, 2, 3)),
    "nested questions, all interactions": (
        "(1 | condition) + (1 | base_question) + (1 | question_id) "
        "+ (1 | condition:base_question) + (1 | condition:question_id)",
        _nested(3, 3, 2),
    ),
    "nested questions, cells unobserved": (
        "(1 | condition) + (1 | base_question) + (1 | condition:question_id)",
        _nested(3, 2, 2).drop(index=[2, 9]),
    ),
    "a base question per question": ("(1 | condition) + (1 | base_question) + (1 | question_id)", _ALIASED),
    "three crossed factors": ("(1 | condition) + (1 | trigger) + (1 | question_id)", _THREE),
    "three crossed factors, all interactions": (
        "(1 | condition) + (1 | trigger) + (1 | question_id) + (1 | condition:trigger) + (1 | condition:question_id) "
        "+ (1 | trigger:question_id) + (1 | condition:trigger:question_id)",
        _THREE,
    ),
    "three crossed factors, cells unobserved": (
        "(1 | condition) + (1 | condition:trigger) + (1 | trigger:question_id)",
        _THREE.drop(index=[0, 7, 13]),
    ),
    "numbers as levels": ("(1 | condition) + (1 | rank)", _grid(condition=["a", "b"], rank=[1, 2, 4, 8])),
}


@pytest.fixture(params=DESIGNS.values(), ids=DESIGNS)
def example(request: pytest.FixtureRequest) -> tuple[str, pd.DataFrame]:
    formula, cells = request.param
    return formula, cells.reset_index(drop=True)


def _observed_covariance(design: WeightDesign, scales: np.ndarray) -> np.ndarray:
    """Prior covariance of the logits of the cells as they were passed in."""
    return design.covariance(scales)[np.ix_(design.rows, design.rows)]


def _by_hand(cells: pd.DataFrame, design: WeightDesign, scales: np.ndarray) -> np.ndarray:
    """Cells share an effect when they share the levels of its factors."""
    total = np.full((len(cells), len(cells)), INTERCEPT_SD**2)
    for term, scale in zip(design.terms, scales, strict=True):
        levels = cells[term.removeprefix("1 | ").split(":")].astype(str).agg("/".join, axis=1).to_numpy()
        total += scale**2 * np.equal.outer(levels, levels)
    return total


# --- the prior of cells ---------------------------------------------------------------------------------------------


def test_cells_that_share_levels_share_effects(example: tuple[str, pd.DataFrame], rng: np.random.Generator) -> None:
    formula, cells = example
    design = weight_design(formula, cells)
    for _ in range(3):
        scales = rng.lognormal(size=len(design.terms))
        np.testing.assert_allclose(
            _observed_covariance(design, scales), _by_hand(cells, design, scales), rtol=0, atol=1e-10
        )


def test_latents_of_single_cells_come_last_and_belong_to_no_other(example: tuple[str, pd.DataFrame]) -> None:
    formula, cells = example
    design = weight_design(formula, cells)
    size, cells_of = design.shared.shape[1], (design.basis != 0).sum(axis=0)
    assert (cells_of[size:] == 1).all()
    assert sorted(design.own[design.own >= 0]) == list(range(size, len(design.latents)))
    alone = set(np.flatnonzero((design.basis[:, :size] != 0)[:, cells_of[:size] == 1].any(axis=1)))
    assert alone <= set(np.flatnonzero(design.own >= 0))  # a second effect of a cell alone counts as shared
    assert len(set(design.latents)) == len(design.latents)
    assert design.latents[0] == "Intercept"
    assert (design.variances(np.full(len(design.terms), 0.3)) > 0).all()


def test_logits_are_the_map_of_latents(example: tuple[str, pd.DataFrame], rng: np.random.Generator) -> None:
    design = weight_design(*example)
    latents = rng.normal(size=(2, 3, len(design.latents), 4))
    np.testing.assert_allclose(design.logits(latents), design.basis @ latents, atol=1e-12)


def test_projected_latents_give_the_logits_and_are_the_likeliest(rng: np.random.Generator) -> None:
    design = weight_design(_USUAL, _CROSSED)
    scales, logits = rng.lognormal(size=3), rng.normal(size=(12, 2))
    latents = design.project(logits, scales)
    np.testing.assert_allclose(design.logits(latents), logits, atol=1e-10)
    weighted = design.variances(scales)[:, None] * design.basis.T
    np.testing.assert_allclose(latents, weighted @ np.linalg.solve(design.basis @ weighted, logits), atol=1e-8)


def test_cells_are_found(example: tuple[str, pd.DataFrame]) -> None:
    formula, cells = example
    design = weight_design(formula, cells)
    assert len(set(design.rows.tolist())) == len(cells)
    found = design.cells.iloc[design.rows].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[cells.columns], cells, check_dtype=False)


def test_the_order_of_cells_does_not_matter(example: tuple[str, pd.DataFrame], rng: np.random.Generator) -> None:
    formula, cells = example
    order = rng.permutation(len(cells))
    design = weight_design(formula, cells)
    shuffled = weight_design(formula, cells.iloc[order].reset_index(drop=True))
    scales = rng.lognormal(size=len(design.terms))
    expected = _observed_covariance(design, scales)[np.ix_(order, order)]
    np.testing.assert_allclose(_observed_covariance(shuffled, scales), expected, atol=1e-10)


def test_new_cells_share_the_effects_of_levels_that_were_seen(
    example: tuple[str, pd.DataFrame], rng: np.random.Generator
) -> None:
    """Over draws from the prior, logits of cells and of other cells have the covariance of one design with both.

    Standard errors of 40,000 draws are below 1 % of the product of two standard deviations; 5 % are allowed.
    """
    formula, cells = example
    others = cells.iloc[[0, 1, 2, -1]].reset_index(drop=True)
    last = others.columns[-1]
    others.loc[[1, 3], last] = 99 if others[last].dtype.kind in "if" else "new"
    design = weight_design(formula, cells)
    scales = rng.lognormal(0, 0.3, size=len(design.terms))
    spread = np.sqrt(design.variances(scales))
    latents = spread[:, None] * rng.standard_normal((40_000, len(spread), 1))
    drawn = logits_of_new_cells(design, others)(latents, np.broadcast_to(scales, (40_000, len(scales))), rng)
    both = np.concatenate([design.logits(latents), drawn], axis=1)[..., 0]
    expected = _by_hand(pd.concat([cells, others], ignore_index=True), design, scales)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(both.T) / scale, expected / scale, atol=0.05)


def test_cells_that_were_seen_keep_their_logits(example: tuple[str, pd.DataFrame], rng: np.random.Generator) -> None:
    formula, cells = example
    design = weight_design(formula, cells)
    latents = rng.normal(size=(5, len(design.latents), 2))
    again = logits_of_new_cells(design, cells)(latents, rng.lognormal(size=(5, len(design.terms))), rng)
    np.testing.assert_allclose(again, design.logits(latents)[:, design.rows], atol=1e-12)


def test_priors_of_scales_depend_on_what_a_term_groups_by() -> None:
    design = weight_design(_USUAL, _CROSSED)
    assert design.terms == ("1 | condition", "1 | question_id", "1 | condition:question_id")
    np.testing.assert_allclose(np.exp(design.scale_location), [2.0, 0.8, 0.5])
    np.testing.assert_allclose(design.scale_spread, [0.6, 0.5, 0.5])


# --- common effects -------------------------------------------------------------------------------------------------


def test_common_effects_have_the_stated_priors() -> None:
    cells = _grid(condition=["a", "b"], rank=[1.0, 2.0, 4.0, 8.0])
    design = weight_design("condition + rank + (1 | rank)", cells)
    spread = cells["rank"].std(ddof=0)
    assert design.latents[:3] == ("Intercept", "condition[b]", "rank")
    np.testing.assert_allclose(design.fixed_variance[:3], [INTERCEPT_SD**2, COMMON_SD**2, (COMMON_SD / spread) ** 2])
    np.testing.assert_allclose(design.fixed_variance[3:], 0)
    np.testing.assert_allclose(design.basis[:, 0], 1)
    np.testing.assert_allclose(design.basis[:, 1], cells["condition"] == "b")
    np.testing.assert_allclose(design.basis[:, 2], cells["rank"])
    np.testing.assert_allclose(design.basis[:, 3:], pd.get_dummies(cells["rank"]).to_numpy(dtype=float))
    np.testing.assert_allclose(design.multiplicity, [[0], [0], [0], [1], [1], [1], [1]])


def test_random_slopes_are_effects_of_their_own() -> None:
    design = weight_design("(trigger | condition)", _THREE)
    assert design.terms == ("1 | condition", "trigger | condition")
    scales = np.array([0.7, 1.3])
    same = np.equal.outer(_THREE["condition"].to_numpy(), _THREE["condition"].to_numpy())
    on = (_THREE["trigger"] == "on").to_numpy(dtype=float)
    expected = INTERCEPT_SD**2 + same * (0.7**2 + 1.3**2 * np.outer(on, on))
    np.testing.assert_allclose(design.covariance(scales), expected, atol=1e-10)


def test_slopes_without_intercepts_stay_without() -> None:
    cells = _grid(condition=["a", "b"], rank=[1.0, 2.0, 4.0])
    design = weight_design("(0 + rank | condition)", cells)
    assert design.formula == "(0 + rank | condition)"
    assert design.terms == ("rank | condition",)
    assert weight_design(design.formula, cells).latents == design.latents == ("Intercept", *design.latents[1:])
    same = np.equal.outer(cells["condition"].to_numpy(), cells["condition"].to_numpy())
    expected = INTERCEPT_SD**2 + same * 0.5**2 * np.outer(cells["rank"], cells["rank"])
    np.testing.assert_allclose(design.covariance(np.array([0.5])), expected, atol=1e-10)


# --- thin cells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "dropped"), [(THIN_CELL - 1, True), (THIN_CELL, False)])
def test_the_cell_effect_drops_out_when_cells_are_thin_and_says_so(count: int, dropped: bool) -> None:
    design = weight_design(_USUAL, _CROSSED, counts=np.full(len(_CROSSED), count))
    assert ("1 | condition:question_id" in design.terms) != dropped
    assert design.formula == "(1 | condition) + (1 | question_id)" + " + (1 | condition:question_id)" * (not dropped)
    assert len(design.notes) == dropped
    if dropped:
        assert (
            "(1 | condition:question_id) was dropped: the median cell has 4 completions, fewer than 5"
            in design.notes[0]
        )
        plain = weight_design("(1 | condition) + (1 | question_id)", _CROSSED)
        np.testing.assert_allclose(design.covariance(np.ones(2)), plain.covariance(np.ones(2)))


def test_terms_that_cells_share_stay_however_thin_cells_are() -> None:
    design = weight_design("(1 | condition) + (1 | condition:question_id)", _THREE, counts=np.ones(len(_THREE)))
    assert design.terms == ("1 | condition", "1 | condition:question_id")  # triggers share it
    assert design.notes == ()


# --- errors ---------------------------------------------------------------------------------------------------------


_ODD = _CROSSED.assign(
    constant="same", gap=[np.nan, *range(1, len(_CROSSED))], step=np.arange(len(_CROSSED), dtype=float)
)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "the formula is empty"),
        ("   ", "the formula is empty"),
        ("|", "not a Wilkinson formula .*'\\(1 \\| column\\)', with one '\\|'"),
        ("(1 || condition)", "not a Wilkinson formula .*with one '\\|'"),
        ("(1 | condition", "is not a Wilkinson formula \\(Expect '\\)' after expression\\)"),
        ("(1 | condition))", "unexpected '\\)'.*brackets are balanced"),
        ("condition question_id", "unexpected 'question_id'"),
        ("condition, question_id", "unexpected ','"),
        ("condition +", "is not a Wilkinson formula .*join columns with '\\+'"),
        ("step == 3", "is not a Wilkinson formula"),
        ("(1 | topic)", "names topic, which the log does not have; its columns are condition, question_id"),
        ("(1 | conditon)", "names conditon, .*did you mean 'condition'\\?"),
        ("trigger * dose", "names dose, trigger, which the log does not have"),
        ("2 + step", "names 2, which the log does not have"),
        ("condition ~ (1 | question_id)", "expected the right-hand side only"),
        ("score ~ condition", "expected the right-hand side only"),
        ("0 + condition", "without an intercept, all personas would have the same weight"),
        ("condition - 1", "remove '0 \\+' or '- 1'"),
        ("1 | condition", "put parentheses around every term with '\\|'"),
        ("(1 | question_id) + (1 | constant)", r"\(1 \| constant\) has one level, so its scale cannot be estimated"),
        ("gap", "'gap' has no value in 1 of .* cells; expected a value in every cell"),
        ("(1 | gap)", "'gap' has no value in 1 of"),
        ("foo(condition)", "cannot be evaluated .there is no function or column 'foo'"),
        ("(foo(step) | condition)", "there is no function or column 'foo'"),
        ("(1 | foo(condition))", "groups by foo\\(condition\\), which is not a column"),
        ("bs(step)", "cannot be evaluated \\(ValueError: Must specify either 'df' or 'knots'\\)"),
        ("step**2", r"'step' again.*write I\(step\*\*2\)"),
        ("(condition * step ** 2 | question_id)", r"write I\(step\*\*2\)"),
        ("np.sqrt(-step)", "is infinite or undefined in some cell"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_formulas_that_cannot_be_used(formula: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        weight_design(formula, _ODD)
    assert caught.value.remedy
    assert "weights" in caught.value.argument


@pytest.mark.parametrize("formula", ["I(step**2)", "{step**2}", "(condition + step)**2", "np.exp(-step**2)"])
def test_powers_that_mean_something_are_accepted(formula: str) -> None:
    assert "step" in weight_design(formula, _ODD).formula


@pytest.mark.parametrize("formula", ["(condition | question_id)", "(question_id | condition)"])
def test_words_may_be_slopes(formula: str) -> None:
    design = weight_design(formula, _ODD)
    assert formula.strip("()") in design.terms
    assert np.isfinite(design.basis).all()


def test_one_question_only_says_what_to_do() -> None:
    one = _CROSSED[_CROSSED["question_id"] == "q1"].reset_index(drop=True)
    with pytest.raises(ValueError, match="log at least two levels of question_id, or remove the term"):
        weight_design("(1 | condition) + (1 | question_id)", one)
