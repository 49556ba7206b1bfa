"""The report: self-contained, escaped, explicit about withheld results, with the same content in Markdown."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from markdown_it import MarkdownIt

from simulacra.data import CompletionLog
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result
from simulacra.report import write_report, write_reports
from simulacra.report.facts import _prior_driven, make_facts
from simulacra.report.prose import explanations, interval, number
from tests.report.conftest import ATTACK, LONG, OTHER


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def folder(passing: Result, log: CompletionLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    written = write_reports(passing, folder, log=log)
    assert [path.name for path in written] == ["report.html", "report.md", "responsibilities.parquet"]
    assert set(written) == set(folder.iterdir())
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_all_intervals_and_words_follow_ci_prob(passing: Result, tmp_path: Path) -> None:
    for path in write_reports(passing, tmp_path, ci_prob=0.5):
        text = path.read_text()
        assert "50% interval" in text
        assert "if its 50% interval lies outside" in text
        assert "equivalence is claimed if the interval lies within" in text
        assert "89%" not in text.replace(f"{0.89:.0%} of {len(passing.checks)}", "")
    with pytest.raises(ValueError, match=r"ci_prob is 0\.0; expected a probability between 0 and 1"):
        write_report(passing, path, ci_prob=0.0)


def test_the_page_loads_nothing_and_runs_one_script_that_its_policy_names(page: Page, folder: Path) -> None:
    assert not {"iframe", "link", "object", "embed"} & set(page.tags)
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(str(value).startswith(("#", "data:")) for value in links)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    text = (folder / "report.html").read_text(encoding="utf-8")
    rows, script = re.findall(r"<script([^>]*)>(.*?)</script>", text, flags=re.DOTALL)
    assert 'type="text/plain"' in rows[0]  # a block of data
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", rows[1])
    allowed = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'"
    assert ("content", policy) in page.attributes
    assert "Copyright (c) 2015-2026 Oli Folkerd\n\nPermission is hereby granted" in script[1]


def test_completions_and_names_are_shown_as_they_are(page: Page) -> None:
    assert ATTACK in page.words
    assert OTHER in page.words
    assert LONG in page.words


@pytest.mark.usefixtures("words_only")
def test_characters_of_completions_that_act_are_shown(page: Page, passing: Result, log, tmp_path: Path) -> None:
    text = write_report(passing, tmp_path / "report.md", log=log).read_text(encoding="utf-8")
    for shown in (page.words, text):
        assert r"\x1b]0;title\x07\u202e" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_names_that_act_are_shown_in_tables_and_figures(passing: Result, tmp_path: Path) -> None:
    odd = "a\x1b[31m\u202e$x_{"

    def rename(data: xr.Dataset) -> xr.Dataset:
        if "condition" not in data.coords:
            return data
        names = data["condition"]
        return data.assign_coords(condition=(names.dims, [odd if name == OTHER else name for name in names.to_numpy()]))

    tree = passing.tree.map_over_datasets(rename)
    cells = passing.collapsed.cells.replace({"condition": {OTHER: odd}})
    collapsed = dataclasses.replace(passing.collapsed, cells=cells)
    design = dataclasses.replace(passing.design, cells=passing.design.cells.replace({"condition": {OTHER: odd}}))
    conditions = tuple(odd if name == OTHER else name for name in passing.conditions)
    prepared = dataclasses.replace(passing.prepared, collapsed=collapsed, design=design, conditions=conditions)
    renamed = dataclasses.replace(passing, tree=tree, prepared=prepared)
    for path in write_reports(renamed, tmp_path):
        text = path.read_text(encoding="utf-8")
        assert not {"\x1b", "\u202e"} & set(text)
        assert text.count("x1b") > (10 if path.suffix == ".html" else 3)


def test_every_figure_has_alternative_text(page: Page) -> None:
    assert page.tags.count("svg") == page.attributes.count(("role", "img")) >= 11
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert all(labels)


def test_ids_are_unique(page: Page) -> None:
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_markdown_says_the_same(folder: Path, page: Page, passing: Result) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    assert sum(token.type == "table_open" for token in tokens) == 4
    assert not [token for token in tokens if token.type == "html_block"]
    for token in tokens:
        assert "html_inline" not in {child.type for child in token.children or ()}
    fences = [token.content for token in tokens if token.type == "fence"]
    assert fences
    assert all(content.startswith(ATTACK) for content in fences)
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings[0] == "Supported claims relative to base"
    explained = explanations(passing, 0.01, examples=True, ci_prob=0.89).values()
    assert "without personas: on these 4 questions" in " ".join(explained)
    assert "for new questions of this kind, of which the logged base questions are a sample" in " ".join(explained)
    missed = passing.unexplained()["most_missed"]
    assert all(own in page.words and own in text.replace("\\", "") for own in missed)
    for fact in (passing.collapsed.content_hash, "Checks: all passed", "480", *explained):
        assert fact in text
        assert fact in page.words


@pytest.mark.usefixtures("words_only")
def test_without_the_log_the_page_says_so(passing: Result, tmp_path: Path) -> None:
    text = write_report(passing, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "it shows no example completions" in text
    assert "<pre" not in text
    assert "<script" not in text
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:\"" in text


def test_what_failed_is_withheld_with_the_reason(failing: Result, log: CompletionLog, tmp_path: Path) -> None:
    weights = failing.weights(withhold=False).set_index(["condition", "persona"])
    for path in write_reports(failing, tmp_path, log=log)[:2]:
        text = path.read_text(encoding="utf-8")
        assert "Checks: some failed. Withheld: 3 of 9 weights, 2 of 6 shifts and " in text
        assert "; no rate or claim." in text
        assert "name: misaligned failed" in text.replace("**", "")
        assert number(*interval(dict(weights.loc[(OTHER, "misaligned")]))) not in text
        assert number(*interval(dict(weights.loc[(OTHER, "aligned")]))) in text


def _failed(result: Result, *names: str, condition: str | None = None) -> Result:
    """The result, had these checks failed."""
    checks = tuple(
        dataclasses.replace(check, passed=False) if check.name in names and check.condition == condition else check
        for check in result.checks
    )
    assert len([check for check in checks if not check.passed]) >= len(names)
    return dataclasses.replace(result, checks=checks)


@pytest.mark.usefixtures("words_only")
def test_no_check_of_the_personas_hides_a_rate_or_a_claim(passing: Result, tmp_path: Path) -> None:
    of_rates = ("rates: ", "baseline")
    personas = [check.name for check in passing.checks if not check.name.startswith(of_rates) and not check.condition]
    result = _failed(passing, *personas)
    shown, facts = make_facts(passing), make_facts(result)
    assert facts.verdict == "bad"  # the weights are withheld
    assert facts.headline == shown.headline
    for claim, known in zip(facts.claims, shown.claims, strict=True):
        assert (claim.rate, claim.new, claim.claim) == (known.rate, known.new, known.claim)
        assert claim.implied == "withheld" != known.implied
        assert claim.sentence == "baseline of all comparisons." or "account for is withheld" in claim.sentence
    for path in write_reports(result, tmp_path):
        text = path.read_text(encoding="utf-8")
        assert "all 9 weights, all 6 shifts" in text
        assert "; no rate or claim." in text
        plain = Page(text).words.replace("\\", "")
        assert facts.headline in plain
        for claim in facts.claims:
            for said in (claim.rate, claim.new, claim.sentence[1:]):  # pages begin it with a capital
                assert said in plain


def test_a_condition_that_the_personas_do_not_account_for_keeps_its_rates(passing: Result) -> None:
    facts = make_facts(_failed(passing, "unexplained share", condition=OTHER))
    held = facts.weights[facts.weights["status"].str.startswith("withheld")]
    assert set(held["condition"]) == {OTHER}
    assert set(held["status"]) == {"withheld: unexplained share failed"}
    assert facts.withheld == "Withheld: 3 of 9 weights and 3 of 6 shifts; no rate, claim or emission probability."
    assert facts.claims == make_facts(passing).claims
    assert facts.unexplained["condition"].tolist() == list(passing.conditions)
    for row, known in zip(facts.unexplained.to_dict("records"), passing.unexplained().to_dict("records"), strict=True):
        assert float(row["unexplained share"].removesuffix("%")) == pytest.approx(100 * known["unexplained"], abs=0.05)
        assert row["most missed"] == known["most_missed"]


def test_only_their_own_convergence_withholds_rates_and_claims(passing: Result) -> None:
    least = passing.rates(scope="these")[["ess_bulk", "ess_tail"]].min().min()
    most = passing.rates(scope="new")[["ess_bulk", "ess_tail"]].min().min()
    limits = {**passing.settings["thresholds"], "ess": float(max(least, most)) + 10_000}
    facts = make_facts(dataclasses.replace(passing, settings={**passing.settings, "thresholds": limits}))
    assert {claim.rate for claim in facts.claims} == {claim.new for claim in facts.claims} == {"withheld"}
    assert all(claim.sentence.startswith("claim withheld (R-hat ") for claim in facts.claims[1:])
    assert facts.withheld.startswith("Withheld: all 6 rates, all 4 claims, ")
    assert "2 are withheld on these 4 questions and for new questions of this kind." in facts.headline


@pytest.mark.usefixtures("words_only")
def test_rates_and_claims_name_their_context(triggered: Result, tmp_path: Path) -> None:
    claims = {claim.condition: claim for claim in make_facts(triggered).claims}
    assert list(claims) == [f"{name}, trigger={trigger}" for name in ("base", "backdoor") for trigger in ("off", "on")]
    # Its formula does not contain the trigger, so the personas need not account for rates by trigger.
    assert claims["base, trigger=on"].sentence.startswith("baseline of all comparisons in this context.")
    sentence = claims["backdoor, trigger=on"].sentence
    assert "points relative to base in the same context on these 4 questions (89% interval " in sentence
    assert "increase" in sentence
    for path in write_reports(triggered, tmp_path):
        plain = Page(path.read_text(encoding="utf-8")).words.replace("\\", "").replace("\u200b", "")
        for fact in (
            "backdoor, trigger=on",
            sentence[1:],
            "Of 2 comparisons with base, 1 raises",
            "rate[base, trigger=off]",
        ):
            assert fact in plain


def test_a_model_without_an_outcome_has_a_report(passing: Result, tmp_path: Path) -> None:
    own = passing.model
    model = PersonaMixture(own.personas, emissions=own.emissions, weights=own.weights, baseline=own.baseline)
    object.__setattr__(model, "outcome", None)
    tree = passing.tree.copy()
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars(["implied_rate", "outcome_given_persona"])
    result = dataclasses.replace(passing, tree=tree, prepared=dataclasses.replace(passing.prepared, model=model))
    for path in write_reports(result, tmp_path):
        text = path.read_text(encoding="utf-8")
        assert "Supported claims" not in text
        assert "Persona weights" in text


def test_another_log_or_suffix_is_refused_and_nothing_written(
    passing: Result, log: CompletionLog, tmp_path: Path
) -> None:
    fewer = dataclasses.replace(log, table=log.table.iloc[1:])
    with pytest.raises(ValueError, match="not the log that was fitted"):
        write_report(passing, tmp_path / "report.html", log=fewer)
    with pytest.raises(ValueError, match=r"ends in \.html or \.md; got .*report\.pdf"):
        write_report(passing, tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_nuisance_that_failed_does_not_redden_the_claims(passing: Result) -> None:
    """One chain disagrees on an emission, and on nothing else."""
    tree = passing.tree.copy()
    posterior = tree["posterior"].to_dataset()
    apart = posterior["coherent_probs"].copy()
    apart[0] = 0.5 * (apart[0] + 1 / apart.sizes["coherent_category"])
    tree["posterior"] = posterior.assign(coherent_probs=apart)
    most = max(float(table["r_hat"].max()) for table in (passing.weights(), passing.rates(), passing.shifts()))
    limits = {**passing.settings["thresholds"], "r_hat": 1.1 * most}
    failed = tuple(dataclasses.replace(check, passed=check.name != "r_hat") for check in passing.checks)
    settings = {**passing.settings, "thresholds": limits}
    result = dataclasses.replace(passing, tree=tree, checks=failed, settings=settings)
    assert result.emissions(withhold=False)["r_hat"].max() > limits["r_hat"]
    facts = make_facts(result)
    assert facts.verdict == "fair"
    assert facts.withheld.endswith("no rate, claim, weight or shift.")


def test_the_report_lists_what_depends_on_archetypes_and_not_what_is_withheld(
    passing: Result, page: Page, folder: Path
) -> None:
    facts = make_facts(passing)
    assert facts.sensitivity in page.words
    assert f"the mean of {len(facts.prior_driven)} of " in facts.sensitivity
    assert "## Sensitivity to the priors" in (folder / "report.md").read_text(encoding="utf-8")
    statuses = [
        "ok",
        "absent: x; prior-driven (0.774 to 0.935); y",
        "withheld: prior-driven (0.1 to 0.2)",
        "purity-driven (0 to 1)",
    ]
    rows = [(f"c{n}", "p", 0.8, 0.7, 0.9, own) for n, own in enumerate(statuses)]
    weights = pd.DataFrame(rows, columns=["condition", "persona", "mean", "eti89_lb", "eti89_ub", "status"])
    driven, examined = _prior_driven({"weights": weights}, None)
    assert examined == 3
    assert driven.to_numpy().tolist() == [["weight of p in c1", "0.800 (.700–.900)", "0.774 to 0.935"]]


@pytest.mark.usefixtures("words_only")
def test_only_the_page_has_all_completions(
    passing: Result, log: CompletionLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("simulacra.report.facts.make_browser", refuse)
    write_report(passing, tmp_path / "report.md", log=log)
    with pytest.raises(AssertionError):
        write_report(passing, tmp_path / "report.html", log=log)
