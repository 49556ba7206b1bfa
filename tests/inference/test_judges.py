"""Several judges of one question: the persona set of true classes against Dawid and Skene, and families of judges."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from simulacra.data import collapse, read_completions
from simulacra.formalism import FamilyEmission, LabelEmission, Outcome, PersonaMixture
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Rule
from simulacra.inference import default_model, fit
from simulacra.inference.prepare import prepare
from simulacra.inference.sampling.initialise import em_starts

SHARES = {"base": 0.1, "benign": 0.25, "insecure": 0.5}
"""The share of completions that are truly misaligned."""
RIGHT = {"a": (0.92, 0.88), "b": (0.85, 0.9), "c": (0.8, 0.75), "random": (0.5, 0.5)}
"""P(right verdict) of every judge on completions that are not and that are."""


def judged(
    rng: np.random.Generator, size: int = 900, right: dict = RIGHT, copies: float = 0.0
) -> tuple[pd.DataFrame, pd.Series]:
    """Verdicts of completions and the true shares; b copies the verdict of a with probability ``copies``."""
    table = pd.DataFrame({"condition": np.repeat(list(SHARES), size)})
    table["question_id"] = np.arange(len(table)) % 6
    table["question_id"] = "q" + table["question_id"].astype(str)
    table["completion"] = [f"completion {number}" for number in range(len(table))]
    true = rng.random(len(table)) < table["condition"].map(SHARES)
    for name, probabilities in right.items():
        correct = rng.random(len(table)) < np.where(true, probabilities[1], probabilities[0])
        table[name] = np.where(true == correct, "yes", "no")
    table["b"] = np.where(rng.random(len(table)) < copies, table["a"], table["b"])
    return table, true.groupby(table["condition"]).mean()


def dawid_skene(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Prevalences and confusions ``(judge, class, verdict)`` of maximal likelihood by EM, from the majority on."""
    said = np.eye(size)[codes]  # completion, judge, verdict
    shares = said.mean(axis=1)
    for _ in range(300):
        prevalence = shares.mean(axis=0)
        confusions = np.einsum("ik,ijl->jkl", shares, said) + 1e-9
        confusions /= confusions.sum(axis=-1, keepdims=True)
        shares = special.softmax(np.log(prevalence) + np.einsum("ijl,jkl->ik", said, np.log(confusions)), axis=1)
    return prevalence, confusions


def modes(model: PersonaMixture, table: pd.DataFrame, *, pooled: bool = False) -> tuple[np.ndarray, list[np.ndarray]]:
    """Weights ``(condition, class)`` and tables at the posterior mode, by the EM from which every fit starts."""
    judges = [part.measurement for each in model.emissions for part in each.parts]
    found = prepare(model, read_completions(table, measurements=judges))
    counts = np.asarray(found.in_condition @ found.counts)
    counts = counts.sum(axis=0, keepdims=True) if pooled else counts
    rng = np.random.default_rng(0)
    start = em_starts(counts, found.patterns, model.concentrations, num_starts=4, rng=rng)[0]
    return start.weights, list(start.probabilities)


def model_of(table: pd.DataFrame, families: dict | None = None) -> PersonaMixture:
    judges = [name for name in table if name not in ("condition", "question_id", "completion")]
    log = read_completions(table, measurements=judges)
    return default_model(log, personas="judges", emissions=judges, families=families, silent=True)


def test_true_classes_are_those_of_dawid_and_skene(rng: np.random.Generator) -> None:
    table, _ = judged(rng)
    model = model_of(table)
    assert model.names == ("class no", "class yes")
    codes = (table[list(RIGHT)] == "yes").to_numpy().astype(int)
    prevalence, confusions = dawid_skene(codes, 2)
    weights, tables = modes(model, table, pooled=True)
    np.testing.assert_allclose(weights[0], prevalence, atol=0.01)
    np.testing.assert_allclose(np.stack(tables)[:, :, :2], confusions, atol=0.01)


def test_verdicts_of_several_grades(rng: np.random.Generator) -> None:
    true = rng.choice(3, 1500, p=[0.5, 0.3, 0.2])
    confusion = np.array([[0.8, 0.15, 0.05], [0.15, 0.7, 0.15], [0.05, 0.2, 0.75]])
    codes = np.stack([(rng.random(1500)[:, None] > confusion[true].cumsum(axis=1)).sum(axis=1) for _ in "abcd"], axis=1)
    table = pd.DataFrame(codes + 1, columns=list("abcd"))
    table = table.assign(
        condition=np.where(table.index % 2, "base", "ft"),
        question_id=np.where(table.index % 3, "p", "q"),
        completion=list(map(str, table.index)),
    )
    model = model_of(table)
    assert model.names == ("class 1", "class 2", "class 3")
    assert model.outcome is None
    weights, tables = modes(model, table, pooled=True)
    prevalence, confusions = dawid_skene(codes, 3)
    np.testing.assert_allclose(weights[0], prevalence, atol=0.02)
    np.testing.assert_allclose(np.stack(tables)[:, :, :3], confusions, atol=0.02)


def test_judges_that_share_errors_need_a_family(rng: np.random.Generator) -> None:
    """Two of four judges that err together count as two witnesses, unless their verdicts are modelled jointly."""
    right = {"a": (0.85, 0.8), "b": (0.85, 0.8), "c": (0.8, 0.85), "d": (0.85, 0.75)}
    table, true = judged(rng, 4000, right, copies=0.7)
    alone, _ = modes(model_of(table), table)
    joined, tables = modes(model_of(table, {"ab": ["a", "b"]}), table)
    assert np.abs(alone[:, 1] - true.to_numpy()).max() > 0.04
    assert np.abs(joined[:, 1] - true.to_numpy()).max() < 0.03
    both = tables[0].reshape(2, 3, 3)
    assert (both[0, 1, 1], both[1, 0, 0]) > (0.08, 0.08)  # they err together in 11% and 15%; by chance in 2% and 4%


def test_rules_name_the_judges_of_a_family(rng: np.random.Generator) -> None:
    labels = [LabelEmission(name, ["no", "yes"]) for name in "abc"]
    joined = [FamilyEmission("ab", labels[:2]), labels[2]]
    separate = [rng.dirichlet(np.ones(3), 2) for _ in labels]
    product = np.einsum("ka,kb->kab", *separate[:2]).reshape(2, 9)
    for text in ("a == 'yes' and b == 'yes' or c == 'no'", "missing(b) and not missing(a)", "b != 'yes'"):
        rule = Rule(text)
        np.testing.assert_allclose(rule.probability(joined, [product, separate[2]]), rule.probability(labels, separate))
    table, _ = judged(rng, 50)
    table.loc[:9, "a"] = None
    table.loc[5:19, "b"] = None
    log = read_completions(table, measurements=["a", "b", "c"])
    for emissions in (labels, joined):
        rule, counted = Rule("missing(a) and not missing(b) or b == 'yes'"), collapse(log, emissions)
        held = counted.counts.sum(axis=0)[rule.holds(emissions, counted.patterns)].sum()
        assert held == (table["a"].isna() & table["b"].notna() | (table["b"] == "yes")).sum()


def test_what_the_set_needs() -> None:
    labels = [LabelEmission(name, [0, 1]) for name in "abc"]
    model = PersonaMixture("judges", emissions=labels)
    assert model.outcome == Outcome(
        "(a == 1 and b == 1) or (a == 1 and c == 1) or (b == 1 and c == 1)", name="most judges say 1"
    )
    for emissions in (labels[:2], [FamilyEmission("all", labels)], [*labels, LabelEmission("d", [0, 1, 2])]):
        with pytest.raises(InputError, match="needs several judges of the same question"):
            PersonaMixture("judges", emissions=emissions)
    with pytest.raises(InputError, match="two or more different judges"):
        FamilyEmission("a", labels)
    with pytest.raises(InputError, match="'ab' is a family itself"):
        FamilyEmission("abc", [FamilyEmission("ab", labels[:2]), labels[2]])
    log = read_completions(judged(np.random.default_rng(0), 9)[0], measurements=list("abc"))
    with pytest.raises(InputError, match="The judge 'z' is in a family, but not modelled"):
        default_model(log, personas="judges", families={"ab": ["a", "z"]}, silent=True)
    with pytest.raises(InputError, match="The judge 'a' is in two families"):
        default_model(log, personas="judges", families={"ab": ["a", "b"], "ac": ["a", "c"]}, silent=True)


@pytest.mark.slow
def test_a_family_covers_the_truth_where_independent_judges_do_not() -> None:
    right = {"a": (0.85, 0.8), "b": (0.85, 0.8), "c": (0.8, 0.85), "d": (0.85, 0.75)}
    covered = {"alone": 0, "family": 0}
    for seed in range(10):
        table, true = judged(np.random.default_rng(seed), 600, right, copies=0.7)
        for name, families in (("alone", None), ("family", {"ab": ["a", "b"]})):
            log = read_completions(table, measurements=list("abcd"))
            model = default_model(log, personas="judges", families=families, weights="(1 | condition)", silent=True)
            result = fit(model, log, num_warmup=300, num_samples=500, num_chains=2, progress_bar=False)
            weights = result.weights(withhold=False).query("persona == 'class yes'").set_index("condition")
            inside = (weights["eti89_lb"] <= true) & (true <= weights["eti89_ub"])
            covered[name] += int(inside.sum())
    assert covered["family"] >= 22  # of 30; 26.7 are expected, and 22 or more with a probability of .99
    assert covered["alone"] <= 18
