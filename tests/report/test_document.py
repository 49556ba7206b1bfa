"""The report: self-contained, escaped, explicit about withheld results, with the same content in Markdown."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from simulacra.data import CompletionLog
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result
from simulacra.report import write_report
from simulacra.report.facts import make_facts
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
    for name in ("report.html", "report.md"):
        assert write_report(passing, folder / name, log=log) == folder / name
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.md"]
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_all_intervals_and_words_follow_ci_prob(passing: Result, tmp_path: Path, suffix: str) -> None:
    path = write_report(passing, tmp_path / f"report{suffix}", ci_prob=0.5)
    text = path.read_text()
    assert "50% interval" in text
    assert "if its 50% interval lies outside" in text
    assert "equivalence is claimed if the interval lies within" in text
    assert "89%" not in text.replace(f"{0.89:.0%} of {len(passing.checks)}", "")
    with pytest.raises(ValueError, match=r"ci_prob is 0\.0; expected a probability between 0 and 1"):
        write_report(passing, path, ci_prob=0.0)


def test_the_page_loads_and_runs_nothing(page: Page) -> None:
    assert not {"script", "iframe", "link", "object", "embed"} & set(page.tags)
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(str(value).startswith(("#", "data:")) for value in links)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes


def test_completions_and_names_are_shown_as_they_are(page: Page) -> None:
    assert ATTACK in page.words
    assert OTHER in page.words
    assert LONG in page.words


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
    assert sum(token.type == "table_open" for token in tokens) == 3
    assert not [token for token in tokens if token.type == "html_block"]
    for token in tokens:
        assert "html_inline" not in {child.type for child in token.children or ()}
    fences = [token.content for token in tokens if token.type == "fence"]
    assert fences
    assert all(content.startswith(ATTACK) for content in fences)
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings[0] == "Supported claims relative to base"
    explained = explanations(passing, 0.01, examples=True).values()
    assert "without personas: on these 4 questions" in " ".join(explained)
    assert "for new questions of this kind, of which the logged base questions are a sample" in " ".join(explained)
    for fact in (passing.collapsed.content_hash, "Checks: all passed", "480", *explained):
        assert fact in text
        assert fact in page.words


def test_without_the_log_the_page_says_so(passing: Result, tmp_path: Path) -> None:
    text = write_report(passing, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "it shows no example completions" in text
    assert "<pre" not in text


@pytest.mark.parametrize("suffix", ["html", "md"])
def test_what_failed_is_withheld_with_the_reason(
    failing: Result, log: CompletionLog, tmp_path: Path, suffix: str
) -> None:
    text = write_report(failing, tmp_path / f"report.{suffix}", log=log).read_text(encoding="utf-8")
    assert "Checks: some failed. Withheld: 3 of 9 weights, 2 of 6 shifts and " in text
    assert "; no rate or claim." in text
    assert "name: misaligned failed" in text.replace("**", "")
    weights = failing.weights(withhold=False).set_index(["condition", "persona"])
    assert number(*interval(dict(weights.loc[(OTHER, "misaligned")]))) not in text
    assert number(*interval(dict(weights.loc[(OTHER, "aligned")]))) in text


def test_a_model_without_an_outcome_has_a_report(passing: Result, tmp_path: Path) -> None:
    own = passing.model
    model = PersonaMixture(own.personas, emissions=own.emissions, weights=own.weights, baseline=own.baseline)
    object.__setattr__(model, "outcome", None)
    tree = passing.tree.copy()
    tree["posterior"] = tree["posterior"].to_dataset().drop_vars(["implied_rate", "outcome_given_persona"])
    result = dataclasses.replace(passing, tree=tree, prepared=dataclasses.replace(passing.prepared, model=model))
    for suffix in ("html", "md"):
        text = write_report(result, tmp_path / f"report.{suffix}").read_text(encoding="utf-8")
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
    worst = float(passing.emissions()["r_hat"].max())
    most = max(float(table["r_hat"].max()) for table in (passing.weights(), passing.rates(), passing.shifts()))
    assert worst > most
    limits = {**passing.settings["thresholds"], "r_hat": (worst + most) / 2}
    failed = tuple(dataclasses.replace(check, passed=check.name != "r_hat") for check in passing.checks)
    result = dataclasses.replace(passing, checks=failed, settings={**passing.settings, "thresholds": limits})
    facts = make_facts(result)
    assert facts.verdict == "fair"
    assert facts.withheld.endswith("no rate, claim, weight or shift.")
