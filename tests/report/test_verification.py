"""A paper is compared with the result: in every style, and every part that can drift."""

import re
from pathlib import Path

import pytest

from simulacra.formalism.errors import InputError
from simulacra.inference import Result
from simulacra.report import format_citation, verify_paper
from tests.report.conftest import LONG, OTHER

KEYS = (f"rate[{OTHER}]", f"shift[{LONG}, misaligned]", f"new_rate_difference[{LONG}]")


def written(result: Result, style: str) -> str:
    """A paper with three numbers, one to a paragraph, the first on line 3 (LaTeX: 4)."""
    return "\n\n".join(["# A paper", *(format_citation(result.cite(key), style) for key in KEYS), "The end."])


@pytest.mark.parametrize("style", ["text", "ascii", "markdown", "latex"])
def test_a_paper_agrees_until_a_digit_is_broken(passing: Result, tmp_path: Path, style: str) -> None:
    paper = tmp_path / "paper"
    paper.write_text(written(passing, style))
    table = verify_paper(paper, passing)
    assert table["status"].tolist() == ["ok"] * 3
    assert [re.sub(r"\s", "", key) for key in table["key"]] == [re.sub(r"[\s*`]", "", key) for key in KEYS]
    value = passing.cite(KEYS[1]).rounded(passing.cite(KEYS[1]).value).lstrip("−")
    broken = f"{value[:-1]}{(int(value[-1]) + 1) % 10}"
    paper.write_text(written(passing, style).replace(value, broken, 1))
    table = verify_paper(paper, passing)
    line = paper.read_text()[: paper.read_text().index(broken)].count("\n") + 1
    assert [(row.line, row.status[:13]) for row in table.itertuples() if row.status != "ok"] == [
        (line, "drifted: valu")
    ]


def test_every_part_can_drift(passing: Result, tmp_path: Path) -> None:
    paper, whole = tmp_path / "paper.md", written(passing, "text")
    lower = passing.cite(KEYS[0]).rounded(passing.cite(KEYS[0]).lower)
    for own, other, said in (
        (lower, "0.001", "lower end 0.001 is now"),
        ("89% ETI", "95% ETI", "is now"),
        ("on these 4 questions", "for new questions", "scope 'for new questions' is now 'on these 4 questions'"),
        ("data ", "data 0", "does not hold"),
        ("; R̂ 1.", "; R̂ 7.", "'R̂ 7."),
        ("; one of 2 comparisons", "", "'one of 2 comparisons' is missing"),
        ("shift[a", "shift[an", "There is no number 'shift[an"),
        ("rate[", "[", "no key: "),
        ("new_rate_difference", "rate_difference", "is now"),
    ):
        assert own in whole
        paper.write_text(whole.replace(own, other, 1))
        statuses = verify_paper(paper, passing)["status"]
        assert len(statuses) == 3
        assert sum(status != "ok" for status in statuses) == 1, own
        assert statuses.str.contains(said, regex=False).any(), (own, statuses.tolist())


def test_short_forms_line_breaks_and_contrasts(passing: Result, tmp_path: Path) -> None:
    paper = tmp_path / "paper.tex"
    rate, contrast = passing.cite("rate[base]", ci_prob=0.95), passing.contrast(LONG, "base", scope="new").cite()
    paper.write_text(
        f"% rate[base]\n${rate.value:.2f}$ and\n<!-- rate[base] -->{100 * rate.value:.1f}\\%\n"
        rf"(95\% ETI {100 * rate.lower:.1f}--{100 * rate.upper:.1f}\%)"
        + "\n"
        + "\n".join(format_citation(contrast).split(" "))
        + f"\nrate\\[base\\]: {rate.value:.3f}"
        + "\nrate[base] is not 12%, and rate[basis]: 0.5"
        + f"\n{contrast.key}: {100 * contrast.value:+.0f} points"
        + f"\nweight[{LONG}, aligned] - weight[base, misaligned]: 0.5, weight[base] - weight[{LONG}]: 0.5"
    )
    table = verify_paper(paper, passing)
    assert table["status"].tolist()[:3] == ["ok"] * 3
    assert table["status"][3] == "ok"
    assert table["line"].tolist()[:2] == [2, 3]
    assert table["status"].iloc[4].startswith("There is no number 'rate[basis]' in this result. Did you mean")
    assert table["status"][5] == "ok"
    assert table["status"].iloc[6:].str.startswith("There is no number").all()
    assert len(table) == 8


def test_the_result_that_fits_is_taken(passing: Result, short: Result, tmp_path: Path) -> None:
    paper = tmp_path / "paper.md"
    paper.write_text(written(passing, "text"))
    assert (verify_paper(paper, [short, passing])["status"] == "ok").all()
    rate, shift, contrast = verify_paper(paper, short)["status"]
    assert "is withheld: " in shift
    for own in (rate, contrast):  # rates need no personas; citations state the thresholds, which are others
        assert own.startswith("drifted: ")
    mix = passing.cite("mix_rate[base]", scope={"base_question": {"q_0": 0.5, "q_1": 0.5}})
    paper.write_text(format_citation(mix))
    assert verify_paper(paper, passing)["status"].iloc[0].startswith("There is no number 'mix_rate[base]'")
    assert verify_paper(paper, passing, citations=[mix])["status"].tolist() == ["ok"]


def test_a_file_without_keyed_numbers_is_refused(passing: Result, tmp_path: Path) -> None:
    paper = tmp_path / "paper.md"
    paper.write_text("The rate[base] was 12%.")
    with pytest.raises(InputError, match="no number has a key; expected keys in front of numbers"):
        verify_paper(paper, passing)
    with pytest.raises(InputError, match="No such file"):
        verify_paper(tmp_path / "none.md", passing)
    paper.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        verify_paper(paper, passing)
