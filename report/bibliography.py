"""BibTeX of the methods that a fit used, to be cited with its numbers.

Only what applies to the fit is listed: NUTS or split HMC, calibration if there are texts, Dawid and Skene if there are
several judges. The entries are in ``templates/methods.bib``; the references of everything else are in the docstrings.
"""

import importlib.resources
import re
from collections.abc import Iterator

from simulacra.formalism.emissions import FamilyEmission, LabelEmission
from simulacra.formalism.errors import expect_type
from simulacra.formalism.judge_set import judges_in
from simulacra.inference import Result
from simulacra.inference.readings import READING

__all__ = ["bibliography", "methods"]

_SOFTWARE = """@software{{simulacra,
  author = {{{{The simulacra developers}}}},
  title = {{simulacra: {{B}}ayesian persona mixtures for logged completions of fine-tuned language models}},
  version = {{{version}}}, year = {{2026}},
}}"""
_JUDGES = 3
"""Labels from which a fit estimates the errors of judges."""


def bibliography(result: Result) -> str:
    """BibTeX entries of the methods of a fit, each under a comment that says what it was used for.

    Args:
        result: a fit.

    When not to trust this: analyses of results (:mod:`simulacra.analysis`) use further methods, which their docstrings
    name, and the origin of the data and of the judges is yours to cite.
    """
    expect_type(result, Result, "result", "bibliography", expected="a Result")
    entries = _entries()
    software = _SOFTWARE.format(version=result.provenance().version)
    cited = [f"% {purpose}\n{entries[key]}" for key, purpose in methods(result).items()]
    return "\n\n".join([f"% the software\n{software}", *cited]) + "\n"


def methods(result: Result) -> dict[str, str]:
    """What each method of a fit was used for, by the key of its entry, in the order of a methods section."""
    return dict(_used(result))


def _used(result: Result) -> Iterator[tuple[str, str]]:
    model, judges = result.model, judges_in(result.model.emissions)
    if len(judges) >= _JUDGES and all(isinstance(judge, LabelEmission) for judge in judges):
        yield "dawid1979", "errors of several judges and shares of the true classes"
    if any(isinstance(emission, FamilyEmission) for emission in model.emissions):
        yield "uebersax1999", "judges that share errors"
    yield "egozcue2003", "coordinates of persona weights (ILR)"
    if result.design.terms:
        yield "bates2015", "formula with group-specific effects"
    if model.likelihood is not None and result.prepared.texts is not None:
        yield "alexandari2020", "calibration of log-likelihoods of texts"
        if result.prepared.texts.calibrated:
            yield "prentice1979", "references of known persona"
        if result.prepared.is_cut:
            yield "plummer2015", "calibration that is cut from the rows"
    yield "dempster1977", "search for modes (EM)"
    if result.settings["engine"] == "nuts":
        yield "phan2019", "sampling (NumPyro)"
        yield "hoffman2014", "sampling (NUTS)"
    else:
        yield "neal2011", "sampling (Hamiltonian Monte Carlo, preconditioned)"
        yield "shahbaba2014", "sampling (normal part of the posterior solved exactly)"
        yield "hoffman2014", "adaptation of the step size"
    if result.prepared.texts is None:
        yield "stephens2000", "correction of label switching"
    if any(name.startswith(READING) for name in result.tree.children):
        yield "yao2022", "several solutions that the data support"
    yield "vehtari2021", "R-hat and effective sample sizes"
    yield "betancourt2016", "diagnosis of energies (E-BFMI)"
    yield "kumar2019", "computation of diagnostics"
    if model.measurements:
        yield "gelman1996", "unexplained shares (posterior predictive check)"
        yield "giordano2018", "sensitivity of weights to the archetypes"
    if model.outcome is not None:
        yield "gelmanhill2006", "rates (multilevel logistic regression)"
        yield "miller2024", "questions as the unit of uncertainty"
        yield "kruschke2018", "claims (region of practical equivalence)"


def _entries() -> dict[str, str]:
    text = importlib.resources.files("simulacra.report").joinpath("templates/methods.bib").read_text(encoding="utf-8")
    return {re.match(r"@\w+\{(\w+),", entry)[1]: entry for entry in text.strip().split("\n\n")}  # type: ignore[index]
