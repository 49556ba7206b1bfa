"""Other persona sets for the same counts: would they account for what these personas leave unexplained?

If the check ``unexplained share`` fails, the usual remedy is a larger persona set. :func:`try_persona_sets` applies the
remedies and reports which of them passes: every larger shipped set for the same measurements, and the fitted personas
with a *residual* persona, which has no archetype and is free to describe whatever the others do not. The fits are
short, and sample one solution each; fit the set that you choose again before you cite its estimates.

A set that passes is consistent with the log, which does not make it right: with enough personas every log is explained.
A large weight of the residual persona means that the named personas describe little of what the condition does.

References:
    Gelman et al. (2020), Bayesian workflow, arXiv:2011.01808 (expanding a model that fails a check).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from simulacra.analysis.checks import expect_result
from simulacra.formalism.errors import InputError, expect_type, expect_whole
from simulacra.formalism.persona_sets import PERSONA_SETS, RESIDUAL
from simulacra.formalism.personas import Persona
from simulacra.formalism.scales import bounds_of, rescaled_personas
from simulacra.inference.fit import fit
from simulacra.inference.prepare import without_idle
from simulacra.inference.result import Result

__all__ = ["alternatives_in_words", "try_persona_sets"]

_WARMUP, _DRAWS = 200, 500
_CANNOT = "cannot be fitted"


def try_persona_sets(
    result: Result, sets: Mapping[str, Sequence[Persona]] | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Fit other persona sets to the counts of a result, and compare what they leave unexplained.

    Args:
        result: a fit of scores or labels.
        sets: persona sets by name. Default: the larger shipped sets for the same measurements, and the fitted personas
            with ``simulacra.formalism.RESIDUAL``, called ``+residual``.
        seed: random seed of the fits.

    Returns:
        One row per set, the fitted one first: ``personas``, its name; ``number`` of personas that were not left out;
        ``unexplained``, the largest unexplained share of a condition; ``unexplained_in``, the conditions that fail the
        check; ``failed``, the other failed checks of the personas, apart from those of R-hat and ESS, which a longer
        fit resolves, or why one of the default sets cannot be fitted; and ``passed``, whether there are none of either.

    When not to trust it: the sets are tried on the data that raised the question. A larger set usually leaves less
    unexplained, whether or not it describes new questions better (:func:`~simulacra.analysis.compare`).

    Raises:
        InputError: the model has likelihoods of texts or no measurements; no sets, or one that cannot be fitted; a seed
            that is not a whole number.
    """
    expect_result(result, "try_persona_sets")
    model = result.model
    if model.likelihood is not None or not model.measurements:
        raise InputError("try_persona_sets: the model describes texts", expected="a fit of scores or labels")
    expected = "persona sets by name, such as {'larger': persona_set('emergent-misalignment-6')}"
    expect_type(sets, (Mapping, type(None)), "sets", "try_persona_sets", expected=expected)
    if sets is not None and not sets:
        raise InputError("try_persona_sets: there are no sets", expected=expected, argument="sets")
    expect_whole(seed, "seed", "try_persona_sets")
    rows = [{"personas": "as fitted", **_verdict(result)}]
    for name, personas in (_usual_sets(result) if sets is None else sets).items():
        try:
            other = fit(
                model.with_personas(personas),
                result.collapsed,
                seed=seed,
                thresholds=dataclasses.replace(result.thresholds, r_hat=np.inf, ess=0, mode_gap=0.0),
                num_warmup=_WARMUP,
                num_samples=_DRAWS,
                progress_bar=False,
            )
        except InputError as error:  # of bins that do not decide its gates, for example
            if sets is not None:
                raise
            rows.append({"personas": name, **_impossible(personas, error)})
        else:
            rows.append({"personas": name, **_verdict(other)})
    return pd.DataFrame(rows)


def alternatives_in_words(table: pd.DataFrame) -> str:
    """The table of :func:`try_persona_sets` as a sentence, for notes of a result."""
    parts = []
    for row in table.iloc[1:].to_dict("records"):
        missed = f"leaves {row['unexplained']:.1%} of {row['unexplained_in']} unexplained"
        failed = row["failed"] if row["failed"].startswith(_CANNOT) else f"fails {row['failed']}"
        found = " and ".join([missed] * bool(row["unexplained_in"]) + [failed] * bool(row["failed"]))
        parts.append(f"{row['personas']!r} {found or 'passes all checks of the personas'}")
    return f"other persona sets were fitted to the same counts, briefly: {'; '.join(parts)}."


def _usual_sets(result: Result) -> Mapping[str, Sequence[Persona]]:
    model = result.model
    scales = bounds_of(model.emissions)
    larger: dict[str, Sequence[Persona]] = {
        name: rescaled_personas(personas, scales)
        for name, personas in PERSONA_SETS.items()
        if len(personas) > len(model.personas)
        and {measurement for persona in personas for measurement in persona.scores} == set(model.measurements)
    }
    larger = {name: personas for name, personas in larger.items() if not _is_fitted(result, personas)}
    return larger if RESIDUAL in model.personas else {**larger, "+residual": (*model.personas, RESIDUAL)}


def _is_fitted(result: Result, personas: Sequence[Persona]) -> bool:
    """Whether these are the fitted personas and those that were left out because no completion shows them."""
    try:
        model = result.model.with_personas(personas)
    except InputError:
        return False
    return without_idle(model, result.collapsed)[0].names == result.model.names


def _impossible(personas: Sequence[Persona], error: InputError) -> dict[str, object]:
    return {
        "number": len(personas),
        "unexplained": float("nan"),
        "unexplained_in": "",
        "failed": f"{_CANNOT} ({error.what})",
        "passed": False,
    }


def _verdict(result: Result) -> dict[str, object]:
    shares = result.unexplained()
    missed = [check for check in result.failed if check.name == "unexplained share"]
    others = dict.fromkeys(
        check.name
        for check in result.failed
        if "weights" in check.withholds and not check.name.startswith(("unexplained", "r_hat", "ess_"))
    )
    return {
        "number": len(result.personas),
        "unexplained": float(shares["unexplained"].max()),
        "unexplained_in": ", ".join(dict.fromkeys(str(check.condition) for check in missed)),
        "failed": ", ".join(others),
        "passed": not missed and not others,
    }
