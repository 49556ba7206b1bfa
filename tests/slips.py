"""Typical slips in Python, each with what its refusal must say. Run as a program it commits them all, as users do.

A fresh interpreter runs it, since in the suite's own every call is checked by beartype, which users do not have: there
a wrong type would never reach the package's own check. It prints one JSON object, the name of the slip to the class of
the error and its message.
"""

import contextlib
import dataclasses
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from simulacra.analysis import (
    Guess,
    fit_conditioning,
    fit_in_context,
    fragility,
    plan,
    predict_rates,
    scorecard,
    training_path,
    try_persona_sets,
)
from simulacra.data import CompletionLog, collapse, load_demo, read_completions
from simulacra.formalism import (
    Archetype,
    Gate,
    InputError,
    LabelEmission,
    LikelihoodEmission,
    Outcome,
    Partition,
    Persona,
    PersonaMixture,
    ScoreEmission,
    claim,
    persona_set,
)
from simulacra.inference import Result, Thresholds, default_model, fit
from simulacra.lm import read_prompts, score_log, training_evidence
from simulacra.report import format_citation, format_table, write_report


class World(NamedTuple):
    """What the slips are made with."""

    model: PersonaMixture
    log: CompletionLog
    result: Result
    saved: Path
    folder: Path


EMISSIONS = [ScoreEmission("aligned"), ScoreEmission("coherent")]


def with_gate(rule: str) -> PersonaMixture:
    first, *rest = persona_set("emergent-misalignment")
    return PersonaMixture([dataclasses.replace(first, gates=(Gate(rule, 0.5),)), *rest], emissions=EMISSIONS)


def written(world: World, name: str, content: bytes) -> Path:
    path = world.folder / name
    path.write_bytes(content)
    return path


def damaged(world: World, name: str, content: bytes) -> Path:
    """A saved result with other draws."""
    path = written(world, name, content)
    path.with_suffix(".json").write_bytes(world.saved.with_suffix(".json").read_bytes())
    return path


SLIPS: Mapping[str, tuple[Callable[[World], Any], str]] = {
    # fit
    "fit: swapped": (
        lambda w: fit(w.log, w.model),
        r"model is of type CompletionLog; .* model comes first: fit\(model, log\)",
    ),
    "fit: a DataFrame": (
        lambda w: fit(w.model, w.log.table),
        r"log is of type DataFrame; .* read_completions\(\.\.\.\)",
    ),
    "fit: a path": (lambda w: fit(w.model, "log.csv"), r"log is 'log\.csv'; expected a log, .* read_completions"),
    "fit: a set instead of a model": (
        lambda w: fit("organism", w.log),
        r"model is 'organism'; expected a PersonaMixture",
    ),
    "fit: seed is a word": (lambda w: fit(w.model, w.log, seed="7"), r"seed is '7'; expected a whole number"),
    "fit: seed is negative": (lambda w: fit(w.model, w.log, seed=-1), r"seed is -1; expected 0 or more"),
    "fit: no chain": (lambda w: fit(w.model, w.log, num_chains=0), r"num_chains is 0; expected num_chains >= 2"),
    "fit: no draw": (lambda w: fit(w.model, w.log, num_samples=0), r"num_samples is 0; expected num_samples >= 50"),
    "fit: a fraction of draws": (
        lambda w: fit(w.model, w.log, num_samples=1e3),
        r"num_samples is 1000\.0; .* whole number",
    ),
    "fit: warm-up is a word": (
        lambda w: fit(w.model, w.log, num_warmup="400"),
        r"num_warmup is '400'; .* whole number",
    ),
    "fit: thresholds as a dictionary": (
        lambda w: fit(w.model, w.log, thresholds={"ess": 200}),
        r"thresholds is of type dict; expected Thresholds",
    ),
    "fit: acceptance is a word": (
        lambda w: fit(w.model, w.log, target_accept_prob="0.9"),
        r"target_accept_prob is '0\.9'; .* in \[0\.5, 1\)",
    ),
    "fit: unknown engine": (
        lambda w: fit(w.model, w.log, engine="gibbs"),
        r"expected engine 'hmc' or 'nuts'; got 'gibbs'",
    ),
    "fit: unknown chain method": (
        lambda w: fit(w.model, w.log, chain_method="threads"),
        r"chain_method 'parallel', .*; got 'threads'",
    ),
    "fit: unknown device": (
        lambda w: fit(w.model, w.log, device="cuda"),
        r"expected device 'auto', 'cpu' or 'gpu'; got 'cuda'",
    ),
    "fit: no GPU": (
        lambda w: fit(w.model, w.log, device="gpu"),
        r"JAX sees no GPU; expected a GPU that JAX can use.* leave out device",
    ),
    "fit: a baseline that the log lacks": (
        lambda w: fit(PersonaMixture(emissions=EMISSIONS, baseline="bas"), w.log),
        r"baseline 'bas' is not among the conditions .*Did you mean 'base'\?",
    ),
    "fit: a formula with an unknown function": (
        lambda w: fit(PersonaMixture(emissions=EMISSIONS, weights="foo(condition)"), w.log),
        r"no function or column 'foo'",
    ),
    # the model
    "mixture: emissions are numbers": (
        lambda _: PersonaMixture(emissions=[30]),
        r"emissions\[0\] is 30; .*\[ScoreEmission\('aligned'\)\]",
    ),
    "mixture: emissions of a word for a set of labels": (
        lambda _: PersonaMixture("event", emissions="refused"),
        r"the emissions are: ScoreEmission\('refused'\); expected one LabelEmission",
    ),
    "mixture: no emissions": (
        lambda _: PersonaMixture(emissions=None),
        r"emissions is of type NoneType; expected a list",
    ),
    "mixture: outcome is no rule": (
        lambda _: PersonaMixture(emissions=EMISSIONS, outcome="misaligned"),
        r"Rule 'misaligned': 'misaligned' is not understood; expected comparisons",
    ),
    "mixture: outcome is a number": (
        lambda _: PersonaMixture(emissions=EMISSIONS, outcome=30),
        r"outcome is 30; expected an Outcome or a rule",
    ),
    "mixture: misspelt set": (
        lambda _: PersonaMixture("emergent-misalignement", emissions=EMISSIONS),
        r"no persona set .*Did you mean 'emergent-misalignment'\?",
    ),
    "mixture: personas as a dictionary": (
        lambda _: PersonaMixture({"a": 1}, emissions=EMISSIONS),
        r"personas is of type dict; expected a list .* shipped set",
    ),
    "mixture: personas are words": (
        lambda _: PersonaMixture(["aligned", "villain"], emissions=EMISSIONS),
        r"personas\[0\] is 'aligned'; expected a list",
    ),
    "mixture: several baselines": (
        lambda _: PersonaMixture(emissions=EMISSIONS, baseline=["base", "chat"]),
        r"baseline is of type list; expected the name of one condition",
    ),
    "mixture: a formula that is not text": (
        lambda _: PersonaMixture(emissions=EMISSIONS, weights=["condition"]),
        r"weights is of type list; expected a formula",
    ),
    "mixture: a gate that cannot be read": (
        lambda _: with_gate("aligned << 3"),
        r"Rule 'aligned << 3': .* expected comparisons",
    ),
    "gate: a rule that is not text": (lambda _: Gate(40, 0.5), r"Gate: rule is 40; expected a rule such as"),
    "gate: swapped": (lambda _: Gate(0.5, "aligned < 40"), r"Gate: rule is 0\.5; expected a rule such as"),
    "outcome: a shift": (lambda _: Outcome("aligned << 3"), r"'aligned << 3' is not understood; expected comparisons"),
    "outcome: a number": (lambda _: Outcome(30), r"outcome is 30; expected a rule"),
    "outcome: unknown denominator": (
        lambda _: Outcome("aligned < 30", of="good"),
        r"of='good' is not a denominator; expected 'all'",
    ),
    "score: bounds reversed": (
        lambda _: ScoreEmission("aligned", bounds=(100, 0)),
        r"bounds \(low, high\); got \(100, 0\); name the lower bound first",
    ),
    "score: one bound": (
        lambda _: ScoreEmission("aligned", bounds=100),
        r"expected finite bounds \(low, high\); got 100",
    ),
    "score: a bound is a word": (lambda _: ScoreEmission("aligned", bounds=("0", "100")), r"expected finite bounds"),
    "score: direction in other words": (
        lambda _: ScoreEmission("evil", high="evil"),
        r"high is 'evil'; expected high=",
    ),
    "label: direction in other words": (lambda _: LabelEmission("evil", [0, 1], high=True), r"high is True; expected"),
    "score: one cut": (lambda _: ScoreEmission("aligned", cuts="<30"), r"cuts is '<30'; expected a list of cuts"),
    "score: cuts are numbers": (
        lambda _: ScoreEmission("aligned", cuts=[30]),
        r"cuts is 30; expected a list of cuts such as \['<30'",
    ),
    "score: a list of columns": (
        lambda _: ScoreEmission(["aligned"]),
        r"measurement is of type list; expected the name of a column",
    ),
    "label: one word": (lambda _: LabelEmission("grade", "OK"), r"values is 'OK'; expected a list"),
    "likelihood: another calibration": (
        lambda _: LikelihoodEmission(calibration="both"),
        r"expected calibration 'cut' or 'joint'; got 'both'",
    ),
    "likelihood: columns are a number": (lambda _: LikelihoodEmission(3), r"columns is 3; expected a pattern"),
    "archetype: masses of another length": (
        lambda _: Archetype((0.0, 50.0, 100.0), (1.0,)),
        r"got 3 knots and 1 masses",
    ),
    "archetype: one mass": (lambda _: Archetype((0.0, 100.0), 1.0), r"masses is 1\.0; expected a tuple of numbers"),
    "archetype: masses are words": (lambda _: Archetype((0.0, 100.0), ("a",)), r"is 'a'; expected numbers"),
    "personas: the path of a file": (
        lambda w: PersonaMixture(str(written(w, "mine.toml", b"")), emissions=EMISSIONS),
        r"no persona set .*mine\.toml.*judges; read personas in a file with PersonaMixture\.from_toml",
    ),
    "personas: a probability that is text": (
        lambda w: PersonaMixture.from_toml(
            written(
                w,
                "text.toml",
                b'[[personas]]\nname = "a"\ndescription = "b"\ngates = [{rule = "x < 3", at_least = "most"}]',
            )
        ),
        r"text\.toml: personas\[0\] \(a\)\.gates\[0\]: Gate: at_least is 'most'",
    ),
    "personas: an unknown direction": (
        lambda w: PersonaMixture.from_toml(
            written(w, "high.toml", b'[[personas]]\nname = "a"\ndescription = "b"\n[measurements.x]\nhigh = "evil"')
        ),
        r"high\.toml: measurements\.x: ScoreEmission\('x'\): high is 'evil'",
    ),
    # the default model
    "default: a table": (lambda w: default_model(w.log.table), r"log is of type DataFrame; .* read_completions"),
    "default: an unknown persona": (
        lambda w: default_model(w.log, without=["incoherant"]),
        r"no persona 'incoherant'; they are .*Did you mean 'incoherent'\?",
    ),
    "default: concentration as a word": (
        lambda w: default_model(w.log, concentration="strong"),
        r"default_model: concentration is 'strong'; expected a dictionary of persona to number of completions, such as",
    ),
    "default: concentration of a persona as a word": (
        lambda w: default_model(w.log, concentration={"misaligned": "strong"}),
        r"Archetype: concentration is 'strong'; expected a number of completions such as 20",
    ),
    "default: no concentration": (
        lambda w: default_model(w.log, concentration={"misaligned": 0}),
        r"expected missing in \[0, 1\) and concentration > 0",
    ),
    "fit: counts with other bins": (
        lambda w: fit(collapse(w.log, [ScoreEmission("aligned", ["<30"]), EMISSIONS[1]])),
        r"counts of 'aligned' have the categories \[0, 30\), .*, those of the model are \[0, 10\), .*collapse",
    ),
    "fit: a set without a log": (lambda w: fit("organism"), r"log is 'organism'; expected a log"),
    # results
    "load: no such path": (
        lambda w: Result.load(w.folder / "nowhere"),
        r"nowhere: there is no such folder or file; expected the folder",
    ),
    "load: a folder": (lambda w: Result.load(w.folder), r"fit\.nc: no such file\. A result consists of two files"),
    "load: a table": (lambda w: Result.load(written(w, "log.csv", b"a")), r"log\.csv: is not a result; expected"),
    "load: not netCDF": (
        lambda w: Result.load(damaged(w, "text.nc", b"not netCDF")),
        r"text\.nc: not the draws that were written with text\.json: .*; restore",
    ),
    "load: cut short": (
        lambda w: Result.load(damaged(w, "short.nc", w.saved.read_bytes()[:2000])),
        r"short\.nc: not the draws that were written with short\.json: .*; restore",
    ),
    "cite: unknown key": (
        lambda w: w.result.cite("wieght[base, aligned]"),
        r"There is no number 'wieght\[base, aligned\]'.* Did you mean 'weight\[base, aligned\]'",
    ),
    "cite: a pair": (
        lambda w: w.result.cite(("base", "aligned")),
        r"key is of type tuple; expected a key such as 'weight\[base, aligned\]'",
    ),
    "rates: outcome is a number": (lambda w: w.result.rates(30), r"outcome is 30; expected an Outcome or a rule"),
    "weights: ci_prob is a word": (
        lambda w: w.result.weights(ci_prob="0.95"),
        r"ci_prob is '0\.95'; expected a probability",
    ),
    "contrasts: rope is a word": (lambda w: w.result.contrasts(rope="1%"), r"rope is '1%'; expected a number"),
    "weights: unknown by": (lambda w: w.result.draws("weights", by="question"), r"expected 'condition' or 'cell'"),
    "weights: a scope": (
        lambda w: w.result.draws("weights", scope="new"),
        r"only 'rates', 'contrasts' have a scope; remove scope=",
    ),
    "rates: a scope for the outcome": (lambda w: w.result.rates("new"), r"Rule 'new': 'new' is not understood"),
    "rates: unknown scope": (
        lambda w: w.result.rates(scope="all"),
        r"no scope 'all'; expected 'these', 'new', or proportions of columns such as \{'trigger'",
    ),
    "contrasts: a list of scopes": (
        lambda w: w.result.contrasts(scope=["these", "new"]),
        r"no scope \['these', 'new'\]; expected 'these', 'new', or",
    ),
    "rates: a mix of what the log lacks": (
        lambda w: w.result.rates(scope={"trigger": {"on": 0.01, "off": 0.99}}),
        r"scope names 'trigger', which is not a context of the fit; expected one of base_question",
    ),
    "rates: a mix of an unknown question": (
        lambda w: w.result.rates(scope={"base_question": {"q999": 1.0}}),
        r"base_question has no level 'q999'; expected levels among",
    ),
    "rates: a mix without proportions": (
        lambda w: w.result.rates(scope={"base_question": ["q1"]}),
        r"'base_question' has no proportions; expected",
    ),
    "rates: proportions in words": (
        lambda w: w.result.rates(scope={"base_question": {"q1": "half", "q2": "half"}}),
        r"scope is 'half'; expected .*proportions of columns",
    ),
    "rates: proportions that are too small": (
        lambda w: w.result.rates(scope={"base_question": {w.log.table["base_question"][0]: 0.5}}),
        r"proportions of base_question sum to 0\.5; expected proportions that are not negative and sum to 1",
    ),
    "rates: a proportion that is no number": (
        lambda w: w.result.rates(scope={"base_question": {w.log.table["base_question"][0]: float("nan")}}),
        r"proportions of base_question sum to nan; expected",
    ),
    "in_words: unknown scope": (lambda w: w.result.in_words("all"), r"no scope 'all'; expected 'these', 'new', or"),
    "cite: the rate of the events": (
        lambda w: w.result.cite("observed_rate[base]"),
        r"no number 'observed_rate\[base\]'.* Did you mean .*'rate\[base\]'",
    ),
    "claim: draws": (lambda _: claim(np.zeros(9), 0.1), r"claim: lower is of type ndarray; expected a number"),
    "claim: a word": (lambda _: claim("0.1", 0.2), r"lower is '0\.1'; expected a number"),
    "save: another ending": (lambda w: w.result.save(w.folder / "fit.pkl"), r"ends in \.nc; got .*fit\.pkl"),
    "report: swapped": (
        lambda w: write_report("report.html", w.result),
        r"result is 'report\.html'; .* result comes first: write_report\(result, path\)",
    ),
    "report: not a result": (
        lambda w: write_report({"weights": 1}, w.folder / "report.html"),
        r"result is of type dict; expected a Result",
    ),
    "report: unknown ending": (
        lambda w: write_report(w.result, w.folder / "report.pdf"),
        r"ends in \.html or \.md; got .*report\.pdf",
    ),
    "partition: a list": (lambda _: Partition(["aligned < 30"], "rest"), r"rules is of type list; expected names and"),
    "report: no path": (lambda w: write_report(w.result, None), r"path is of type NoneType; expected a path"),
    "table: swapped": (lambda w: format_table("csv", w.result.weights()), r"table is 'csv'; expected a DataFrame"),
    "citation: a number": (lambda _: format_citation(0.3), r"citation is 0\.3; expected a Citation"),
    "predict: swapped": (
        lambda w: predict_rates(w.log, w.result),
        r"result is of type CompletionLog; .* predict\(result, log\)",
    ),
    "persona sets: of a log": (
        lambda w: try_persona_sets(w.log),
        r"result is of type CompletionLog; expected a Result, as returned by fit",
    ),
    "predict: a table": (
        lambda w: predict_rates(w.result, w.log.table),
        r"the table has a column 'completion'; expected one row per cell, .*read_completions",
    ),
    "predict: a list": (lambda w: predict_rates(w.result, [1]), r"log is of type list; expected a log.*table of cells"),
    "predict: outcome is no rule": (
        lambda w: predict_rates(w.result, w.log, "bad"),
        r"Rule 'bad': 'bad' is not understood; expected comparisons",
    ),
    "conditioning: a log": (
        lambda w: fit_conditioning(w.result, w.log),
        r"evidence is of type CompletionLog; expected a DataFrame",
    ),
    "in context: an array": (
        lambda _: fit_in_context(np.zeros((3, 2)), np.zeros((3, 2))),
        r"evidence is of type ndarray; expected a DataFrame",
    ),
    "fragility: a condition in place of interventions": (
        lambda w: fragility(w.result, {"bad": "mild"}),
        r"interventions is 'mild'; expected conditions by organism and intervention",
    ),
    "fragility: a log": (
        lambda w: fragility(w.log, {}),
        r"result is of type CompletionLog; expected a Result, as returned by fit",
    ),
    "training path: a list of conditions": (
        lambda w: training_path(w.result, ["base", "mild", "bad"]),
        r"checkpoints is of type list; expected at least three conditions with different values",
    ),
    "training path: a word as a value": (
        lambda w: training_path(w.result, {"base": 0, "mild": "ten", "bad": 40}),
        r"the value of mild: checkpoints is 'ten'; expected a number",
    ),
    "scorecard: a number": (
        lambda w: scorecard(w.result, 3),
        r"organisms is 3; expected a list of conditions",
    ),
    "scorecard: doses as a list": (
        lambda w: scorecard(w.result, doses=[1, 2]),
        r"doses is of type list; expected a mapping with organisms",
    ),
    # logs
    "read: no such file": (
        lambda w: read_completions(w.folder / "nowhere.csv"),
        r"nowhere\.csv: no such file or folder; check the path",
    ),
    "read: an empty list": (
        lambda _: read_completions([]),
        r"the list of sources is empty; expected at least one path",
    ),
    "read: a dictionary": (lambda _: read_completions({"aligned": [1, 2]}), r"the source is a dict; expected a path"),
    "plan: questions as a word": (
        lambda _: plan(Guess(0.1, 0.1), questions="many"),
        r"plan: questions is 'many'; expected positive integers, such as \[8, 16\]",
    ),
    "plan: half a question": (
        lambda _: plan(Guess(0.1, 0.1), questions=6.5),
        r"plan: questions is 6.5; expected positive integers",
    ),
    "plan: yes": (lambda _: plan(Guess(0.1, 0.1), samples=True), r"plan: samples is True; expected positive integers"),
    "read: nothing": (lambda _: read_completions(None), r"the source is a NoneType; expected a path"),
    "read: columns as a list": (
        lambda w: read_completions(w.log.table, columns=["answer"]),
        r"columns is of type list; expected a dictionary",
    ),
    "read: several conditions": (
        lambda w: read_completions(w.log.table, condition=["base"]),
        r"there is no column 'base' to read as 'condition'",
    ),
    "read: missing is nothing": (
        lambda w: read_completions(w.log.table, missing=object()),
        r"missing is of type object; expected a value",
    ),
    "read: misspelt duplicates": (
        lambda w: read_completions(w.log.table, duplicates="dorp"),
        r"duplicates='dorp'; expected 'keep' or 'drop'",
    ),
    "read: unknown encoding": (
        lambda w: read_completions(written(w, "a.csv", b"a,b\n1,2\n"), encoding="utf-9"),
        r"encoding='utf-9' is unknown",
    ),
    "read: text under the name of Parquet": (
        lambda w: read_completions(written(w, "a.parquet", b"a,b\n")),
        r"a\.parquet: the file is not readable as Parquet",
    ),
    "read: a number too long for Python": (
        lambda w: read_completions(written(w, "a.jsonl", b'{"a": ' + b"1" * 5000 + b"}\n")),
        r"a\.jsonl:1: the line is not valid JSON \(Exceeds the limit",
    ),
    "read: JSON nested without end": (
        lambda w: read_completions(written(w, "a.json", b"[" * 200_000)),
        r"a\.json: the file is not valid JSON",
    ),
    "read: not an Inspect log": (
        lambda w: read_completions(written(w, "a.eval", b"no archive")),
        r"a\.eval: inspect_ai cannot read the log",
    ),
    "collapse: a table": (lambda w: collapse(w.log.table, EMISSIONS), r"source is of type DataFrame; expected a log"),
    "collapse: emissions are words": (
        lambda w: collapse(w.log, ["aligned"]),
        r"emissions is 'aligned'; expected a list",
    ),
    "collapse: by is a word": (
        lambda w: collapse(w.log, EMISSIONS, by="condition"),
        r"by is 'condition'; expected a list of columns",
    ),
    # language models
    "prompts: no such file": (
        lambda w: read_prompts(w.folder / "nowhere.toml"),
        r"nowhere\.toml: there is no such file; expected a JSON",
    ),
    "prompts: not TOML": (
        lambda w: read_prompts(written(w, "p.toml", b"villain You are cruel")),
        r"p\.toml: cannot be read as persona prompts",
    ),
    "prompts: not text": (
        lambda w: read_prompts(written(w, "p.json", b"\xff\xfe\xfa")),
        r"p\.json: cannot be read as persona prompts",
    ),
    "score: a table": (
        lambda w: score_log(w.log.table, model="m", personas={"a": "b"}),
        r"log is of type DataFrame; expected a log in memory; read it first",
    ),
    "score: personas as a list": (
        lambda w: score_log(w.log, model="m", personas=["villain"]),
        r"personas is of type list; expected a dictionary",
    ),
    "evidence: a path": (
        lambda _: training_evidence("scored.parquet"),
        r"log is 'scored\.parquet'; expected a scored log",
    ),
    "persona: no description": (
        lambda _: Persona("a", {"aligned": 30}),
        r"Persona: description is of type dict; expected text",
    ),
    "persona: scores as a list": (
        lambda _: Persona("a", "Does a.", [1]),
        r"scores is of type list; expected a dictionary",
    ),
    "persona: scores are numbers": (
        lambda _: Persona("a", "Does a.", {"aligned": 30}),
        r"scores\['aligned'\] is 30; expected an Archetype",
    ),
}


def commit(world: World) -> dict[str, list[str]]:
    """Class and message of what every slip raises; ``["nothing", ""]`` where it raises nothing."""
    found = {}
    for name, (slip, _) in SLIPS.items():
        try:
            slip(world)
        except Exception as error:
            kind = "InputError" if isinstance(error, InputError) else type(error).__name__
            found[name] = [kind, str(error)]
        else:
            found[name] = ["nothing", ""]
    return found


def main() -> None:
    log, _ = load_demo()
    model = PersonaMixture(emissions=EMISSIONS)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        easy = Thresholds(r_hat=10.0, ess=1)
        settings = {"num_warmup": 200, "num_samples": 50, "num_chains": 2, "num_starts": 10, "progress_bar": False}
        result = fit(model, log, thresholds=easy, **settings)
        saved = result.save(Path(folder) / "whole.nc")
        found = commit(World(model, log, result, saved, Path(folder)))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
