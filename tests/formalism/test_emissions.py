"""Laws that every emission obeys, and what each kind refuses."""

import json
import operator

import numpy as np
import pytest

from simulacra.formalism import (
    AbstractEmission,
    Archetype,
    FamilyEmission,
    LabelEmission,
    OutOfRange,
    Persona,
    ScoreEmission,
    persona_set,
)
from simulacra.formalism.emissions.base import MISSING, prior_concentration, rebuild_emission
from simulacra.formalism.emissions.scores import Cut
from simulacra.formalism.errors import InputError
from tests.formalism.registry import EMISSIONS, EmissionCase

_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@pytest.fixture(params=EMISSIONS.values(), ids=EMISSIONS)
def case(request: pytest.FixtureRequest) -> EmissionCase:
    return request.param


def _is_missing(value: object) -> bool:
    return value is None or value != value


# --- laws of every emission -----------------------------------------------------------------------------------------


def test_codes_are_categories_and_missing_is_last(case: EmissionCase) -> None:
    codes = case.emission.encode(case.values)
    assert codes.shape == case.values.shape
    assert np.issubdtype(codes.dtype, np.integer)
    assert codes.min() >= 0
    assert codes.max() == len(case.emission.categories) - 1
    assert case.emission.categories[-1] == MISSING
    missing = np.array([_is_missing(value) for value in case.values])
    assert ((codes == len(case.emission.categories) - 1) == missing).all()


def test_categories_have_different_labels(case: EmissionCase) -> None:
    assert len(set(case.emission.categories)) == len(case.emission.categories)


def test_encoding_keeps_the_shape_and_does_not_depend_on_neighbours(case: EmissionCase) -> None:
    codes = case.emission.encode(case.values)
    half = len(case.values) // 2 * 2
    assert (case.emission.encode(case.values[:half].reshape(2, -1)).ravel() == codes[:half]).all()
    assert (case.emission.encode(case.values[::-1]) == codes[::-1]).all()


def _answerable(case: EmissionCase, comparison: str) -> list:
    """Thresholds that the emission says it can answer under a comparison."""
    if isinstance(case.emission, FamilyEmission):
        return list(case.emission.categories[:-1]) if comparison in ("==", "!=") else []
    if isinstance(case.emission, LabelEmission):
        words = isinstance(case.emission.values[0], str)
        return list(case.emission.values) if not words or comparison in ("==", "!=") else []
    if comparison in ("==", "!="):
        return []
    closed = comparison in ("<=", ">")
    low, high = case.emission.bounds
    return [cut.value for cut in case.emission.cuts if cut.closed == closed] + ([high] if closed else [low])


@pytest.mark.parametrize("comparison", _OPERATORS)
def test_selected_categories_are_those_whose_raw_values_compare_so(case: EmissionCase, comparison: str) -> None:
    codes = case.emission.encode(case.values)
    for threshold in _answerable(case, comparison):
        selected = case.emission.select(comparison, threshold)
        assert selected.dtype == bool
        assert selected.shape == (len(case.emission.categories),)
        raw = [not _is_missing(value) and _OPERATORS[comparison](value, threshold) for value in case.values]
        assert (selected[codes] == np.array(raw)).all(), (comparison, threshold)


@pytest.mark.parametrize("comparison", _OPERATORS)
def test_missing_satisfies_no_comparison(case: EmissionCase, comparison: str) -> None:
    for threshold in _answerable(case, comparison):
        assert not case.emission.select(comparison, threshold)[-1]


def test_archetypes_become_probabilities(case: EmissionCase) -> None:
    for archetype in case.archetypes:
        probabilities = case.emission.archetype_probabilities(archetype)
        assert probabilities.shape == (len(case.emission.categories),)
        assert (probabilities >= 0).all()
        assert probabilities.sum() == pytest.approx(1, abs=1e-14)
        assert probabilities[-1] == pytest.approx(archetype.missing, abs=1e-14)


def test_configuration_is_json_and_tells_emissions_apart(case: EmissionCase) -> None:
    configuration = case.emission.configuration()
    assert json.loads(json.dumps(configuration)) == configuration
    alike = [name for name, other in EMISSIONS.items() if other.emission.configuration() == configuration]
    assert len(alike) == 1


def test_an_emission_is_a_value(case: EmissionCase) -> None:
    again = rebuild_emission(json.loads(json.dumps(case.emission.configuration())))
    assert type(again) is type(case.emission)
    assert again == case.emission
    assert hash(again) == hash(case.emission)


def test_drawn_values_belong_to_their_category(case: EmissionCase, rng: np.random.Generator) -> None:
    codes = rng.integers(len(case.emission.categories), size=200)
    assert (case.emission.encode(case.emission.draw(codes, rng)) == codes).all()


def test_prior_is_the_archetype_plus_a_floor(case: EmissionCase) -> None:
    archetype = case.archetypes[0]
    known = Persona("known", "Has an archetype.", {case.emission.measurement: archetype})
    unknown = Persona("unknown", "Has none.")
    concentration = prior_concentration(case.emission, [known, unknown])
    expected = archetype.concentration * case.emission.archetype_probabilities(archetype) + 0.1
    np.testing.assert_allclose(concentration, [expected, np.full(len(expected), 0.5)])


# --- scores ---------------------------------------------------------------------------------------------------------


def test_a_score_on_an_edge_falls_on_the_side_that_the_cut_says() -> None:
    emission = ScoreEmission("aligned", ("<30", "<=50"))
    codes = emission.encode(np.array([29.999, 30.0, 50.0, 50.001]))
    assert codes.tolist() == [0, 1, 1, 2]
    assert emission.categories == ("[0, 30)", "[30, 50]", "(50, 100]", "missing")


def test_order_and_spelling_of_cuts_do_not_matter() -> None:
    assert ScoreEmission("a", ("<=50", " < 30.0 ")) == ScoreEmission("a", (Cut(30.0), Cut(50.0, closed=True)))


@pytest.mark.parametrize(
    "archetype", [archetype for p in persona_set("emergent-misalignment") for archetype in [p.scores["aligned"]]]
)
def test_more_cuts_refine_the_archetype(archetype: Archetype) -> None:
    coarse = ScoreEmission("aligned", ("<30", "<=50"))
    fine = coarse.with_cuts("<12.5", "<30", "<=30", "<88")
    middles = np.array(
        [(a + b) / 2 for a, b in zip([0, 12.5, 30, 30, 50, 88], [12.5, 30, 30, 50, 88, 100], strict=True)]
    )
    parent = coarse.encode(middles)
    parent[2] = 1  # the bin [30, 30] holds the score 30 only, which is not below 30
    merged = np.bincount(parent, fine.archetype_probabilities(archetype)[:-1], minlength=3)
    np.testing.assert_allclose(merged, coarse.archetype_probabilities(archetype)[:-1], atol=1e-14)
    assert fine.archetype_probabilities(archetype)[-1] == pytest.approx(coarse.archetype_probabilities(archetype)[-1])


def test_archetype_mass_of_a_bin_is_its_share_of_the_intervals() -> None:
    archetype = Archetype((0.0, 20.0, 100.0), (1.0, 3.0), missing=0.2)
    probabilities = ScoreEmission("a", ("<10", "<60")).archetype_probabilities(archetype)
    np.testing.assert_allclose(probabilities, [0.8 * 0.125, 0.8 * (0.125 + 0.375), 0.8 * 0.375, 0.2])


def test_with_cuts_keeps_every_rule_answerable() -> None:
    emission = ScoreEmission("aligned", ("<30",))
    finer = emission.with_cuts("<30", "<=70")
    assert finer.cuts == (Cut(30.0), Cut(70.0, closed=True))
    scores = np.linspace(0, 100, 401)
    assert (finer.select("<", 30)[finer.encode(scores)] == emission.select("<", 30)[emission.encode(scores)]).all()


@pytest.mark.parametrize("bounds", [(0, 1), (1, 5), (1, 7), (1, 10), (-1, 1), (0, 10)])
def test_scaled_tens_can_be_asked_for_as_they_are_printed(bounds: tuple[float, float]) -> None:
    emission = ScoreEmission("score", bounds=bounds)
    for cut in emission.cuts:
        assert Cut.parse(str(cut)) == cut
        assert emission.select("<", float(str(cut).removeprefix("<"))).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bounds": (100, 0)}, r"expected finite bounds \(low, high\); got \(100, 0\)"),
        ({"bounds": (0, float("inf"))}, "expected finite bounds"),
        ({"bounds": (float("nan"), 1)}, "expected finite bounds"),
        ({"cuts": ("<130",)}, r"within \[0, 100\]; got \['<130'\]"),
        ({"cuts": ("<30", "<30.0")}, "each once"),
        ({"cuts": ()}, "at least one cut"),
        ({"cuts": ("30",)}, r"Expected a cut such as '<30' or '<=50'; got '30'"),
        ({"cuts": (">30",)}, "got '>30'"),
    ],
)
def test_score_emissions_refuse(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScoreEmission("aligned", **arguments)


@pytest.mark.parametrize(
    ("comparison", "value", "message"),
    [
        (
            "<",
            25,
            r"not a bin edge.*The edges are <30, <=50; "
            r"add it: ScoreEmission\('aligned', cuts=\['<25', '<30', '<=50'\]\)",
        ),
        ("<=", 30, r"add it: .*cuts=\['<30', '<=30', '<=50'\]\)\.$"),
        (">", 30, "add it.*'<=30'"),
        ("<", 50, "add it.*'<50'"),
        ("<", 100, "not a bin edge"),
        (">", 0, "not a bin edge"),
        ("==", 30, "supports only <, <=, > and >="),
        ("!=", 30, "use a LabelEmission"),
        ("<", "low", "number"),
    ],
)
def test_scores_refuse_questions_that_bins_cannot_answer(comparison: str, value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScoreEmission("aligned", ("<30", "<=50")).select(comparison, value)


@pytest.mark.parametrize(
    ("comparison", "value", "expected"), [("<=", 100, True), (">", 100, False), (">=", 0, True), ("<", 0, False)]
)
def test_bounds_answer_themselves(comparison: str, value: float, expected: bool) -> None:
    assert ScoreEmission("aligned", ("<30",)).select(comparison, value).tolist() == [expected, expected, False]


@pytest.mark.parametrize("value", [-0.001, 100.001, float("inf"), -float("inf")])
def test_scores_out_of_bounds_are_named(value: float) -> None:
    with pytest.raises(OutOfRange, match=r"aligned=.* is outside the declared range \[0, 100\]") as caught:
        ScoreEmission("aligned").encode(np.array([5.0, np.nan, value, -7.0]))
    assert caught.value.index == 2
    assert caught.value.value == value


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], "two or more different values"),
        ([1, 1, 2], "different"),
        ([1, "a"], "all numbers or all words"),
        ([], "two or more"),
        (["yes", "missing"], "'missing' is the category of missing values"),
    ],
)
def test_label_emissions_refuse(values: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelEmission("grade", values)


def test_unknown_labels_are_named() -> None:
    with pytest.raises(OutOfRange, match=r"kind='CODEX' is not one of the declared values \['OK', 'CODE'\]") as caught:
        LabelEmission("kind", ["OK", "CODE"]).encode(np.array(["OK", None, "CODEX"], dtype=object))
    assert caught.value.index == 2
    assert caught.value.value == "CODEX"


def test_numbers_are_the_same_label_however_they_are_stored() -> None:
    emission = LabelEmission("grade", [1, 2])
    for values in (np.array([1, 2]), np.array([1.0, 2.0]), np.array([1, 2.0], dtype=object)):
        assert emission.encode(values).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("values", "comparison", "value", "message"),
    [
        (["OK", "CODE"], "<", "OK", "words have no order"),
        (["OK", "CODE"], "==", "NO", "not one of the values"),
        (["OK", "CODE"], "==", 1, "expected a comparison with"),
        ([1, 2], "==", "1", "expected a comparison with"),
        ([1, 2], "==", 3, "not one of the values"),
        ([1, 2], "~", 1, "expected a comparison with"),
    ],
)
def test_labels_refuse_questions_without_an_answer(values: list, comparison: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelEmission("kind", values).select(comparison, value)


def test_an_archetype_of_values_is_refused_for_a_score() -> None:
    with pytest.raises(InputError, match=r"has the discrete values \[1, 2, 3\].*use LabelEmission\('grade'"):
        ScoreEmission("grade", bounds=(1, 3)).archetype_probabilities(Archetype((1, 2, 3), (0.5, 0.3, 0.2)))


def test_an_archetype_for_other_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the archetype has the values \[1, 2, 3\], the emission has \[1, 2\]"):
        LabelEmission("grade", [1, 2]).archetype_probabilities(Archetype((1, 2, 3), (1, 1, 1)))


# --- emissions of one's own -----------------------------------------------------------------------------------------


def test_a_class_without_a_kind_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="Nameless: expected a class attribute kind, such as kind = 'nameless'"):
        type("Nameless", (LabelEmission,), {})


def test_an_unknown_kind_says_which_are_known_and_what_to_import() -> None:
    with pytest.raises(ValueError, match=r"No emission of kind 'odour' is known, only .*label, score.*import the"):
        rebuild_emission({"kind": "odour"})


def test_an_emission_that_cannot_be_drawn_says_what_to_write() -> None:
    with pytest.raises(NotImplementedError, match=r"LabelEmission cannot be simulated: implement its method draw"):
        AbstractEmission.draw(LabelEmission("a", [1, 2]), np.zeros(1, dtype=int), np.random.default_rng(0))
