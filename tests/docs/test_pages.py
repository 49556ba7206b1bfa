"""Pages agree with the package: code runs, commands and options exist, and printed numbers are reproduced."""

import ast
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token

import simulacra.inference
from simulacra.cli.app import app
from simulacra.data import CompletionLog
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result
from simulacra.lm import load_organism_log
from tests.conftest import Demonstration
from tests.docs.conftest import ROOT, SHORT

GALLERY = ROOT / "docs" / "gallery.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER_OPTIONS = {"--upgrade", "--no-deps", "--quick", "--personas", "--json", "--seeds", "--peers", "--default-only"}
OTHER_OPTIONS |= {"--label", "--spoil", "--conditions", "--models", "--sets", "--repeats"}


class Block(NamedTuple):
    """Code on a page, and the line on which it begins."""

    language: str
    text: str
    line: int


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """Fenced code, and calls in the cells of a column headed ``call``."""
    found, column, columns = [], 0, []
    for token in tokens(page):
        if token.type == "fence":
            found.append(Block(token.info.strip(), token.content, token.map[0] + 2))
        elif token.type == "tr_open":
            column, line = 0, token.map[0] + 1
        elif token.type == "thead_open":
            columns = []
        elif token.type == "inline" and token.level == 4:
            columns.append(token.content) if len(columns) == column else None
            if columns[column : column + 1] == ["call"] and token.content != "call":
                codes = [child.content for child in token.children if child.type == "code_inline"]
                found += [Block("python", code, line) for code in codes]
            column += 1
    return found


def ids(pages: list[Path]) -> list[str]:
    return [page.name for page in pages]


ELSEWHERE = {"README.md", "your-data.md"}  # below, and in tests/data/reading/test_your_data_page.py
WITH_PYTHON = [
    page for page in PAGES if page.name not in ELSEWHERE and any(block.language == "python" for block in blocks(page))
]


@pytest.mark.long
@pytest.mark.parametrize("page", WITH_PYTHON, ids=ids(WITH_PYTHON))
@pytest.mark.filterwarnings("ignore:There are not enough devices:UserWarning")
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")  # of loo, with these few draws
def test_python_runs_in_the_order_of_the_page(page: Path, page_folder: Path, request: pytest.FixtureRequest) -> None:
    if "simulacra-demo" in page.read_text(encoding="utf-8"):
        shutil.copytree(request.getfixturevalue("demonstration").folder, page_folder / "simulacra-demo")
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python":
            tree = ast.increment_lineno(ast.parse(block.text), block.line - 1)
            exec(compile(tree, page, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_code_is_python_or_something_that_is_tested_elsewhere(page: Path) -> None:
    """MyST-NB runs ``code-cell`` when the site is built; the rest is shell, output and citations."""
    directive = re.compile(r"\{(code-cell|toctree|include|literalinclude|eval-rst)\}.*")
    for block in blocks(page):
        assert block.language in ("python", "sh", "bash", "text", "bibtex") or directive.fullmatch(block.language), (
            block
        )


def commands() -> dict[str, set[str]]:
    """Options of every subcommand."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
        for name, command in group.commands.items()
    }


def shell_lines(page: Path) -> Iterator[list[str]]:
    for block in blocks(page):
        if block.language in ("sh", "bash"):
            yield from (shlex.split(line, comments=True) for line in block.text.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_commands_and_options_exist(page: Path) -> None:
    known = commands()
    for words in shell_lines(page):
        if words[:1] == ["simulacra"]:
            options = {word for word in words if word.startswith("-")}
            assert options <= known[words[1]], f"{page.name}: {' '.join(words)}"
    every = set().union(*known.values()) | OTHER_OPTIONS
    for code in (
        child.content for token in tokens(page) for child in token.children or [] if child.type == "code_inline"
    ):
        if re.match(r"(simulacra |--)", code):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)) <= every, f"{page.name}: {code}"


def test_numbers_are_written_by_one_rule() -> None:
    """``89%`` and not ``89 %``; thousands as ``simulacra.data.numerals`` writes them, by it or by hand."""
    rooms = ("benchmarks", "cli", "data", "examples", "formalism", "inference", "report")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".jinja")]
    other = re.compile(r"[\d}] %[\s).,;:\"']|:,(\.\df)?\}")
    by_hand = re.compile(r"(?<![\d,])\d{1,3}(,\d{3})+(?![\d,])")
    pages = [*PAGES, ROOT / "CHANGELOG.md"]
    assert [path for path in (*files, *pages) if other.search(path.read_text(encoding="utf-8"))] == []
    assert [path for path in pages if by_hand.search(path.read_text(encoding="utf-8"))] == []


# --- the README's figures -------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_readme_prints_what_it_says(
    page_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words and counts exactly; estimates within .01, since the test draws fewer (Monte Carlo error below .004)."""
    monkeypatch.setitem(SHORT, "num_samples", 500)
    found = blocks(ROOT / "README.md")
    script = next(block.text for block in found if block.language == "python" and "print(" in block.text)
    said = next(block.text for block in found if block.language == "text").split()
    exec(compile(script, "README.md", "exec"), {"__name__": "page"})
    printed = capsys.readouterr().out.split()
    assert len(printed) == len(said)
    for ours, theirs in zip(printed, said, strict=True):
        if re.fullmatch(r"-?\d+\.\d+", theirs):
            assert float(ours) == pytest.approx(float(theirs), abs=0.01)
        else:
            assert ours == {"2000,": "500,"}.get(theirs, theirs)


@pytest.mark.long
def test_the_first_lines_of_the_readme_draw_its_picture(
    demonstration: Demonstration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fit of the command ``simulacra demo``, which is that of the same model and log."""
    fitted = Result.load(demonstration.folder)

    def load_fit(model: PersonaMixture, log: CompletionLog) -> Result:
        assert [each.measurement for each in model.emissions] == list(fitted.model.measurements)
        assert [persona.name for persona in model.personas] == [persona.name for persona in fitted.model.personas]
        assert (model.baseline, model.outcome, log.content_hash) == (
            fitted.model.baseline,
            fitted.model.outcome,
            load_organism_log().content_hash,
        )
        return fitted

    monkeypatch.setattr(simulacra.inference, "fit", load_fit)
    script = next(block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    assert len([line for line in script.splitlines() if line]) <= 7
    *lines, last = ast.parse(script).body
    names: dict[str, Any] = {}
    exec(compile(ast.Module(lines, []), "README.md", "exec"), names)
    figure = eval(compile(ast.Expression(last.value), "README.md", "eval"), names)
    assert figure.get_label().startswith("Persona weights. Largest: helper in base, ")
    assert ast.unparse(last) in ast.unparse(
        ast.parse("".join(block.text for block in blocks(GALLERY) if block.language == "python"))
    )


# --- examples -------------------------------------------------------------------------------------------------------

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.long
@pytest.mark.parametrize("script", EXAMPLES, ids=ids(EXAMPLES))
def test_examples_run(script: Path, page_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "inspect_ai" in script.read_text(encoding="utf-8"):
        pytest.importorskip("inspect_ai", exc_type=ImportError)
    runpy.run_path(str(script), run_name="__main__")
    assert "all checks passed: True" in capsys.readouterr().out


def test_every_example_is_on_the_site() -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert all(f"../examples/{script.name}" in page for script in EXAMPLES)
