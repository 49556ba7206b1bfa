"""``simulacra cite``: keys, citations in every style, and the methods in BibTeX."""

import json
from collections.abc import Callable

from typer.testing import Result

from simulacra.inference import Result as FitResult
from simulacra.report import bibliography, format_citation


def test_citations_are_those_of_python(run: Callable[..., Result], passing: FitResult, tmp_path) -> None:
    passing.save(tmp_path / "out" / "fit.nc")
    listed = run("cite", "out").stdout.splitlines()
    assert [line.partition("]")[0] + "]" for line in listed] == list(passing.citable)
    cited = passing.cite("rate[insecure]")
    assert any(line.split("]")[1].strip() == cited.in_brief for line in listed if line.startswith("rate[insecure]"))
    assert cited.in_brief in f"{cited.rounded(cited.value)} {str(cited)[str(cited).index('(') :].split(';')[0]})"
    key = "rate[insecure]"
    ended = run("cite", "out", key, "--style", "latex", "--ci-prob", "0.95", "--bibtex")
    expected = format_citation(passing.cite(key, ci_prob=0.95), "latex")
    assert ended.stdout == f"{expected}\n\n{bibliography(passing)}\n"
    found = json.loads(run("cite", "out", key, "--json").stdout)
    assert found["citations"] == [format_citation(passing.cite(key), "text")]
    assert run("cite", "out", "rate[nobody]").exit_code == 2
