"""What objects show when they are printed: a few lines, however large they are, and HTML that no name can break."""

import dataclasses
import functools
import html.parser
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import simulacra.analysis
import simulacra.data
import simulacra.formalism
import simulacra.inference
from simulacra.analysis import (
    Comparison,
    Conditioning,
    Conduct,
    ContextComparison,
    ContextModel,
    Guess,
    InContext,
    Monitor,
    Plan,
    Prediction,
    Ratio,
    Reweighting,
    fragility,
    judges,
    reweighting,
    scorecard,
    training_path,
    update,
)
from simulacra.data import CompletionLog, Truth, collapse, read_completions, scan_completions
from simulacra.data.account import LeftOut
from simulacra.data.counting.elicited import ElicitedCounts
from simulacra.formalism import (
    Archetype,
    FamilyEmission,
    Gate,
    LabelEmission,
    LikelihoodEmission,
    Outcome,
    Partition,
    Persona,
    PersonaMixture,
    ScoreEmission,
    persona_set,
    weight_design,
)
from simulacra.formalism.visible import visible
from simulacra.inference import Contrasts, Declared, Result, Thresholds
from simulacra.inference.citation import Provenance
from simulacra.inference.tables import CI_PROB, Terms
from tests.inference.conftest import fit_simulated, fit_triggered, simulate

HOSTILE = "<script>alert(\"x\")</script> & 'q' </td>\n[b](c) \x1b[2J\u202e"
ACTING = {"\x1b", "\u202e"}
LONG = HOSTILE * 12
_STORABLE = "".join(filter(str.isprintable, LONG.replace("/", "|"))).strip()  # a name that a netCDF file can hold
ROOMS = (simulacra.formalism, simulacra.data, simulacra.inference, simulacra.analysis)
ELSEWHERE = {
    "AbstractEmission",  # abstract
    "CollapsedMixture",  # NumPyro's own repr
    "PersonaMixtureDistribution",
    "InputError",  # exceptions print their message
    "LogError",
    "OutOfRange",
}


@functools.cache
def _large_log() -> CompletionLog:
    cells = itertools.product([f"{LONG}-{number}" for number in range(100)], [f"{LONG}-{n}" for n in range(50)])
    table = pd.DataFrame(cells, columns=["condition", "question_id"])
    table["completion"] = [f"{LONG} {number}" for number in range(len(table))]
    table["aligned"], table["coherent"] = np.linspace(0, 100, len(table)), 80.0
    log = read_completions(table, measurements=["aligned", "coherent"])
    lost = {f"{LONG} {number}": LeftOut(1, (LONG,)) for number in range(30)}
    account = dataclasses.replace(log.account, renamed={LONG: LONG}, left_out=lost, notes=(LONG,) * 20)
    return dataclasses.replace(log, account=account)


@functools.cache
def _large_model() -> PersonaMixture:
    personas = [
        Persona(
            f"{LONG} {number}",
            LONG,
            {"aligned": Archetype((0, 3 * number + 1, 3 * number + 4, 100), (1, 8, 1))},
            (Gate("aligned < 30", 0.5),) * 30,
            "aligned < 30",
            Persona(LONG, LONG),
        )
        for number in range(30)
    ]
    emissions = [
        ScoreEmission("aligned", [f"<{edge}" for edge in range(1, 100)]),
        LabelEmission(_STORABLE, [LONG, "b"]),
    ]
    return PersonaMixture(personas, emissions=emissions, baseline=LONG, outcome=Outcome("aligned < 30", name=LONG))


def _large_result() -> Result:
    """The shared fit with names that are long and hostile, and checks that failed."""
    fitted = fit_simulated()
    renamed = {"condition": {"bad": f"bad {LONG}"}, "persona": {"misaligned": f"misaligned {LONG}"}}

    def rename(data: xr.Dataset) -> xr.Dataset:
        return data.assign_coords(
            {
                own: (data[own].dims, [names.get(str(name), str(name)) for name in data[own].to_numpy()])
                for own, names in renamed.items()
                if own in data.coords
            }
        )

    cells = fitted.collapsed.cells.replace(renamed["condition"])
    prepared = dataclasses.replace(
        fitted.prepared,
        conditions=tuple(renamed["condition"].get(name, name) for name in fitted.conditions),
        collapsed=dataclasses.replace(fitted.collapsed, cells=cells),
    )
    hostile = {"where": LONG, "remedy": LONG * 9, "withholds": (LONG,), "persona": LONG, "condition": LONG}
    failed = [
        dataclasses.replace(check, name=f"{LONG} {n}", passed=False, **hostile) for n, check in enumerate(fitted.checks)
    ]
    return dataclasses.replace(
        fitted, tree=fitted.tree.map_over_datasets(rename), prepared=prepared, checks=(*fitted.checks, *failed)
    )


def _conditioning() -> Conditioning:
    dims, draws = ("chain", "draw", "condition", "persona"), np.zeros((2, 5, 100, 30))
    posterior = xr.Dataset(
        {
            "strength": (dims[:2], draws[..., 0, 0]),
            "discrepancy": (dims[:2], draws[..., 0, 0]),
            "estimated": (dims, draws),
        },
        coords={"condition": [f"{LONG}{n}" for n in range(100)], "persona": [f"{LONG}{n}" for n in range(30)]},
    )
    return Conditioning(xr.DataTree.from_dict({"/posterior": posterior}))


def _in_context() -> InContext:
    dims, draws = ("chain", "draw", "context", "persona"), np.zeros((2, 5, 100, 30))
    posterior = xr.Dataset({"weights": (dims, draws)}, coords={"persona": [f"{LONG}{n}" for n in range(30)]})
    return InContext(ContextModel(), xr.DataTree.from_dict({"/posterior": posterior}), _large_result().checks)


def _compared() -> ContextComparison:
    names = [f"{LONG}{n}" for n in range(40)]
    return ContextComparison(
        dict.fromkeys(names, _in_context()),
        pd.DataFrame(np.zeros((100, 40)), columns=names),
        dict.fromkeys(names, 0),
    )


def _comparison() -> Comparison:
    names, questions = [f"{LONG}{n}" for n in range(30)], [f"{LONG}{n}" for n in range(9)]
    rows = itertools.product(("adapted", "plain"), names, [LONG], questions, [LONG], [50], [-1e6])
    columns = ["score", "model", "condition", "base_question", "question_id", "completions", "elpd"]
    noise = pd.DataFrame(columns=["fold", "score", "model", "mcse"])
    folds, r_hat = dict(zip(questions, range(9), strict=True)), dict.fromkeys(names, 1.0)
    return Comparison(pd.DataFrame(rows, columns=columns), noise, names[0], folds, r_hat, LONG, 0)


def _conducted() -> Conduct:
    names = tuple(f"{LONG}{n}" for n in range(100))
    rows = np.full((100, 30), 10**6)
    patterns, elicited, plain = np.zeros((5, 2), int), np.zeros((100, 30, 5)), np.zeros((100, 5))
    counts = ElicitedCounts(names, names[:30], patterns, elicited, plain, rows, 2 * rows, names, 200, True, names)
    draws = {f"{LONG}{n}": xr.DataArray(np.zeros((2, 5)), dims=("chain", "draw")) for n in range(9)}
    return Conduct(draws, counts, {}, {}, {}, LONG, LONG, LONG, Provenance(LONG, LONG, 0, LONG))


def _plan() -> Plan:
    said = np.full((40, 2, 5), "undecided")
    coords = {name: ("design", np.arange(40.0)) for name in ("questions", "samples", "judges")}
    trials = xr.Dataset(
        {
            name: (("design", "scope", "trial"), values)
            for name, values in (("claim", said), ("width", np.ones(said.shape)))
        },
        coords={**coords, "scope": ["these", "new"]},
    )
    return Plan(trials, "increase", LONG, 0.89)


@functools.cache
def _monitor() -> Monitor:
    return update(fit_simulated(), simulate().log.select(condition="mild"), name=LONG)


def _large_truth() -> Truth:
    log = _large_log()
    cells = log.table[["condition", "question_id"]]
    return Truth(cells, np.full((len(cells), 4), 0.25), (np.full((4, 3), 1 / 3),) * 40)


def _scanned(folder: Path) -> object:
    for number in range(20):
        _large_log().table.iloc[number : number + 1, :6].drop(columns="base_question").to_parquet(
            folder / f"{'a' * 200}-{number}.parquet"
        )
    return scan_completions(folder, columns={"completion": None})


def _design(model: PersonaMixture, log: CompletionLog) -> object:
    return weight_design(model.weights, collapse(log, [ScoreEmission("aligned")]).cells)


OBJECTS: dict[str, Callable[[Path], object]] = {
    "Archetype": lambda _: Archetype(tuple(range(200)), tuple(range(1, 200))),
    "Declared": lambda _: Declared((0.0, 10.0), "bad", ("<3", "<=7")),
    "Gate": lambda _: Gate("aligned < 30", 0.5),
    "Persona": lambda _: _large_model().personas[0],
    "ScoreEmission": lambda _: _large_model().emissions[0],
    "FamilyEmission": lambda _: FamilyEmission(
        LONG, [LabelEmission(f"{LONG}{n}", [f"{LONG}{m}" for m in range(14)]) for n in range(2)]
    ),
    "LabelEmission": lambda _: LabelEmission(LONG, [f"{LONG}{n}" for n in range(50)]),
    "LikelihoodEmission": lambda _: LikelihoodEmission({f"{LONG}{n}": f"{LONG}{n}" for n in range(50)}, reference=LONG),
    "Outcome": lambda _: Outcome("aligned < 30 and coherent > 50", of="coherent"),
    "Partition": lambda _: Partition({f"{LONG}{n}": "aligned < 30" for n in range(9)}, rest=LONG),
    "PersonaMixture": lambda _: _large_model(),
    "WeightDesign": lambda _: _design(simulate().model, simulate().log),
    "Account": lambda _: _large_log().account,
    "CompletionLog": lambda _: _large_log(),
    "ScannedLog": _scanned,
    "CollapsedLog": lambda _: collapse(_large_log(), [ScoreEmission("aligned")]),
    "Truth": lambda _: _large_truth(),
    "Check": lambda _: _large_result().checks[-1],
    "Citation": lambda _: dataclasses.replace(
        fit_simulated().cite("weight[bad, aligned]"),
        key=LONG,
        status=LONG,
        scope=LONG,
        provenance=Provenance(LONG, LONG, 0, LONG),
    ),
    "Contrast": lambda _: dataclasses.replace(fit_simulated().contrast("bad", "base"), name=LONG * 3),
    "Contrasts": lambda _: Contrasts([dataclasses.replace(fit_simulated().contrast("bad", "base"), name=LONG)] * 40),
    "Prediction": lambda _: Prediction(
        dataclasses.replace(fit_simulated().contrast("bad", "base").compared, words=LONG), None, None
    ),
    "Thresholds": lambda _: Thresholds(),
    "Result": lambda _: _large_result(),
    "Conditioning": lambda _: _conditioning(),
    "InContext": lambda _: _in_context(),
    "ContextComparison": lambda _: _compared(),
    "ContextModel": lambda _: ContextModel(),
    "Comparison": lambda _: _comparison(),
    "Conduct": lambda _: _conducted(),
    "Reweighting": lambda _: Reweighting(
        dict.fromkeys((f"{LONG}{n}" for n in range(40)), reweighting(fit_simulated()).comparisons["bad − base"]),
        True,
        Terms((), Thresholds(), CI_PROB),
        LONG,
        LONG,
    ),
    "Fragility": lambda _: fragility(fit_simulated(), {"bad": {f"{LONG}{n}": "mild" for n in range(3)}}),
    "Ratio": lambda _: Ratio(0.2, 0.1, 0.3),
    "TrainingPath": lambda _: training_path(
        fit_simulated(), {"base": 0, "mild": 1, "bad": 2}, shape="monotone", covariate=LONG
    ),
    "Guess": lambda _: Guess(0.02, 0.15),
    "Plan": lambda _: _plan(),
    "Monitor": lambda _: _monitor(),
    "Window": lambda _: dataclasses.replace(_monitor().windows[0], excess=LONG),
    "Judges": lambda _: dataclasses.replace(judges(fit_simulated()), names=(f"{LONG}1", f"{LONG}2")),
    "Scorecard": lambda _: dataclasses.replace(scorecard(fit_simulated()), words=LONG),
}
"""Every public object that is printed, as large and with names as awkward as it may have."""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return {name: make(tmp_path_factory.mktemp("object")) for name, make in OBJECTS.items()}


def test_every_public_class_is_in_the_registry() -> None:
    public = {name for room in ROOMS for name, member in vars(room).items() if inspect.isclass(member)}
    assert public == set(OBJECTS) | ELSEWHERE


@pytest.mark.parametrize("name", OBJECTS)
def test_a_repr_is_short_and_says_what_it_is(name: str, objects: dict[str, object]) -> None:
    text = repr(objects[name])
    assert text.startswith(name)
    assert len(text.splitlines()) <= 8, text
    assert len(text) <= 700, text
    assert not ACTING & {*text}
    assert "…" not in text.partition("next: ")[2], text


@pytest.mark.parametrize(
    "name", ["Result", "CompletionLog", "ScannedLog", "CollapsedLog", "PersonaMixture", "Check", "Citation"]
)
def test_the_main_objects_say_three_lines_or_more(name: str, objects: dict[str, object]) -> None:
    assert len(repr(objects[name]).splitlines()) >= 3


@pytest.mark.parametrize(
    "name", ["Result", "CompletionLog", "ScannedLog", "CollapsedLog", "PersonaMixture", "Citation", "Truth"]
)
def test_a_repr_names_calls_that_there_are(name: str, objects: dict[str, object]) -> None:
    text = repr(objects[name])
    after = text[text.index("next: ") :]
    for word in after.replace(",", " ").replace(";", " ").split():
        owner, dot, rest = word.partition(".")
        if dot and owner in ("", "log", "model", "result", "truth"):
            assert hasattr(objects[name], rest.partition("(")[0]) or owner == "model", word


def test_a_small_object_is_shown_whole() -> None:
    assert repr(simulate().log).splitlines()[1:4] == [
        "  conditions: bad, base, mild",
        "  questions: q1, q2, q3, q4",
        "  measurements: aligned, coherent",
    ]
    assert repr(ScoreEmission("coherent")) == "ScoreEmission('coherent', cuts=['<=50'], bounds=(0, 100))"
    assert f"{len(fit_simulated().checks)} of {len(fit_simulated().checks)} checks passed" in repr(fit_simulated())


class _Reader(html.parser.HTMLParser):
    """Tags must close in order, and none may be one that was not written."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        assert tag in {
            "div",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "sub",
            "i",
            "code",
            "br",
            "details",
            "summary",
        }, tag
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", ["Result", "CompletionLog", "PersonaMixture"])
def test_notebooks_show_html_that_names_cannot_break(name: str, objects: dict[str, object]) -> None:
    text = objects[name]._repr_html_()  # type: ignore[attr-defined]
    assert "<script" not in text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    assert '<script>alert("x")</script>' in "".join(reader.text)
    assert not ACTING & {*text}
    assert not any(color in text for color in ("background-color", "color: #", "color: black", "color: white"))


def test_the_html_of_a_model_has_its_equations_and_bins() -> None:
    model = simulate().model
    text = model._repr_html_()
    for part in (
        "<i>u</i><sub>condition:question_id</sub>",
        "<i>β</i><sub>0</sub>",
        "aligned &lt; 30",
        "(50, 100]",
        "P(coherent &gt; 50) ≥",
    ):
        assert part in text
    odd = PersonaMixture(
        persona_set("ordinal-5"), emissions=[LabelEmission("grade", [1.0, 2.0, 3.0, 4.0, 5.0])], weights="(1 | <b>"
    )
    assert "<code>(1 | &lt;b&gt;</code>" in odd._repr_html_()


def test_a_result_says_where_it_is_written_which_personas_were_left_out() -> None:
    fitted = fit_simulated()
    assert "left out" not in repr(dataclasses.replace(fitted, notes=()))
    assert "what was changed or left out: .notes (2)" in repr(dataclasses.replace(fitted, notes=("a", "b")))


def test_a_check_says_what_it_concerns() -> None:
    rows = {check.name: repr(check) for check in fit_simulated().checks}
    assert "concerns weights, shifts, outcome_given_persona, emissions of misaligned" in rows["name: misaligned"]
    assert "concerns weights, shifts of mild" in rows["unexplained share"]
    assert "concerns rates, contrasts, one by one" in rows["rates: r_hat"]


def test_the_html_of_a_result_names_every_condition_and_context() -> None:
    hostile = _Reader()
    hostile.feed(_large_result()._repr_html_())
    assert f"bad {visible(LONG)}" in "".join(hostile.text)
    split = _Reader()
    split.feed(fit_triggered()._repr_html_())
    heads = split.text.index("condition")
    assert split.text[heads : heads + 3] == ["condition", "trigger", "claim relative to base"]
    assert ["backdoor", "on", "increase"] in [split.text[n : n + 3] for n in range(len(split.text))]


def test_the_html_of_a_result_says_what_may_be_claimed_and_what_failed() -> None:
    fitted = fit_simulated()
    assert "claim relative to base" in fitted._repr_html_()
    assert "failed check" not in fitted._repr_html_()
    failing = dataclasses.replace(
        fitted, checks=(dataclasses.replace(fitted.checks[0], passed=False), *fitted.checks[1:])
    )
    assert failing.checks[0].remedy in html.unescape(failing._repr_html_())
