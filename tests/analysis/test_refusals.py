"""Arguments that no analysis can use are refused with a message, before anything is computed.

Other types are refused as well, but in this suite the checker of annotations comes first.
"""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from simulacra.analysis import (
    Guess,
    fit_conditioning,
    fit_in_context,
    fragility,
    judges,
    plan,
    predict,
    predict_shifts,
    ratio_set,
    scorecard,
    training_path,
    try_persona_sets,
)
from simulacra.data import collapse
from simulacra.formalism import InputError, ScoreEmission
from simulacra.inference import Result
from tests.inference.conftest import simulate

STEPS = {"base": 0, "mild": 10, "bad": 40}
EVIDENCE = pd.DataFrame(np.zeros((10, 2)), columns=["x", "y"])
ANSWERS = pd.DataFrame(np.ones((10, 2), dtype=int), columns=["x", "y"])
ROWS = pd.DataFrame(np.eye(3), index=["bad", "mild", "new"], columns=["aligned", "misaligned", "incoherent"])
OTHER_BINS = [ScoreEmission("aligned", ["<30"]), ScoreEmission("coherent")]

OF_A_FIT: dict[str, tuple[Callable[[Result], object], str]] = {
    "no sets": (lambda r: try_persona_sets(r, {}), "there are no sets; expected persona sets by name"),
    "seed of fits": (lambda r: try_persona_sets(r, seed=-1), "try_persona_sets: seed is -1; expected 0 or more"),
    "seed of a path": (lambda r: training_path(r, STEPS, seed=-1), "training_path: seed is -1; expected 0 or more"),
    "column of a path": (lambda r: training_path(r, STEPS, covariate="eti89_lb"), "is the name of another column"),
    "name of a path": (lambda r: training_path(r, STEPS, covariate=""), "covariate='' is not a name"),
    "unordered path": (
        lambda r: training_path(r, {**STEPS, "bad": math.nan}),
        "expected finite numbers, all different",
    ),
    "nothing changed": (lambda r: fragility(r, {"bad": {"x": ["bad"]}}), "bad after x is bad itself; expected another"),
    "organism after": (lambda r: scorecard(r, after={"bad": "bad"}), "bad after the intervention is bad itself"),
    "dose of nothing": (lambda r: scorecard(r, doses={"bad": {"bad": math.nan}}), "different positive, finite numbers"),
    "dose of the base": (lambda r: scorecard(r, doses={"bad": {"base": 1.0, "bad": 2.0}}), "whose dose is zero"),
    "seed of pairs": (lambda r: judges(r).pairs(seed=-1), "pairs: seed is -1; expected 0 or more"),
    "no condition": (lambda r: predict(r, pd.DataFrame({"condition": [None]})), "'condition' of the table has values"),
    "other bins": (lambda r: predict(r, collapse(simulate().log, OTHER_BINS)), "not those of the fit; expected counts"),
    "no evidence": (lambda r: predict_shifts(r, ROWS[:0]), "there are no rows; expected one row per fine-tune"),
    "words as evidence": (lambda r: fit_conditioning(r, ROWS.assign(aligned="a")), "values that are not numbers"),
}

ALONE: dict[str, tuple[Callable[[], object], str]] = {
    "no contexts": (lambda: fit_in_context(EVIDENCE[:0], ANSWERS[:0]), r"evidence has 0 row\(s\)"),
    "words": (lambda: fit_in_context(EVIDENCE.assign(x="a"), ANSWERS), "evidence has values that are not numbers"),
    "missing": (lambda: fit_in_context(EVIDENCE, ANSWERS, conditions=[None] * 10), "conditions has missing values"),
    "one chain": (lambda: fit_in_context(EVIDENCE, ANSWERS, num_chains=1), "num_chains is 1; expected 2 or more"),
    "shapes": (lambda: ratio_set(np.ones(3), np.ones(4)), r"part has the shape \(3,\) and whole \(4,\)"),
    "scale": (lambda: Guess(0.1, 0.1, question_scale=math.nan), "the scales are nan and 0.8; expected positive"),
    "rope": (lambda: plan(Guess(0.1, 0.1), rope=math.nan), r"rope is nan; expected a number in \[0, 1\)"),
}


@pytest.mark.parametrize("name", OF_A_FIT)
def test_what_no_fit_can_answer(name: str, passed: Result) -> None:
    call, message = OF_A_FIT[name]
    with pytest.raises(InputError, match=message):
        call(passed)


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_be_used(name: str) -> None:
    call, message = ALONE[name]
    with pytest.raises(InputError, match=message):
        call()
