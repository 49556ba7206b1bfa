"""Methods in BibTeX: those of the fit and no others, each an entry that can be found."""

import dataclasses
import re

from simulacra.inference import Result
from simulacra.report import bibliography, format_citation
from simulacra.report.bibliography import _entries, methods


def test_entries_are_well_formed_and_can_be_found() -> None:
    for key, entry in _entries().items():
        assert re.fullmatch(rf"@(article|misc|book)\{{{key},\n.*\n\}}", entry, re.DOTALL)
        assert entry.count("{") == entry.count("}"), key
        assert len(re.findall(r"\b(?:author|title|year) = \{", entry)) == 3, key
        assert re.search(r"(doi|eprint) = \{\S+\}", entry) or "Statistica Sinica" in entry, key


def test_the_methods_of_the_fit_and_no_others(passing: Result) -> None:
    found = bibliography(passing)
    assert f"version = {{{passing.provenance().version}}}" in found
    assert re.findall(r"^@\w+\{(\w+),", found, re.MULTILINE) == ["simulacra", *methods(passing)]
    assert {"shahbaba2014", "stephens2000", "miller2024"} <= set(methods(passing))
    assert not {"phan2019", "dawid1979", "alexandari2020", "yao2022"} & set(methods(passing))
    nuts = dataclasses.replace(passing, settings={**passing.settings, "engine": "nuts"})
    assert "phan2019" in methods(nuts)
    assert "shahbaba2014" not in methods(nuts)


def test_ascii_citations_have_no_other_signs(passing: Result) -> None:
    for key in passing.citable:
        try:
            citation = passing.cite(key)
        except ValueError:
            continue
        plain = format_citation(dataclasses.replace(citation, ess_bulk=12345.0, ess_tail=12345.0), "ascii")
        assert plain.replace(citation.key, "").isascii() or not citation.provenance.model.isascii(), plain
        assert "R-hat" in plain
        assert "ESS 12345;" in plain
