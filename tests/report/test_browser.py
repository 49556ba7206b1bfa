"""The page in a browser: silent, self-contained, within the width of a phone, and a script in a completion is text."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulacra.data import CompletionLog
from simulacra.inference import Result
from simulacra.inference.responsibilities import responsibility_column
from simulacra.report import write_report
from tests.report.conftest import ATTACK, OTHER

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def open_page() -> Iterator[Open]:
    """Opens a file; a page that says, fails at or asks for anything fails the test when it is left."""
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def page(path: Path, width: int = 1280, scheme: str = "light") -> Any:
            view = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            view.on("console", lambda message: said.append(message.text))
            view.on("pageerror", lambda error: said.append(str(error)))
            view.on("dialog", lambda dialog: said.append(dialog.message))
            view.on(
                "request",
                lambda request: None if request.url.startswith(("file:", "data:")) else said.append(request.url),
            )
            view.goto(path.as_uri())
            return view

        page.said = said  # type: ignore[attr-defined]
        yield page
        browser.close()


@pytest.fixture(scope="module")
def report(passing: Result, log: CompletionLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(passing, tmp_path_factory.mktemp("page") / "report.html", log=log)


def rows_of(view: Any) -> list[str]:
    """The status of the table of completions, when it is there, and its first cells."""
    view.locator("#completions-filters").wait_for()  # no function: the policy of the page forbids evaluating one
    return view.locator(".tabulator-row .probability").all_inner_texts()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page(open_page: Open, report: Path, width: int, scheme: str) -> None:
    view = open_page(report, width, scheme)
    assert rows_of(view)
    view.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    overflow = view.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    figures = view.locator("svg[role=img]").evaluate_all("all => all.map(each => each.ariaLabel)")
    clipped = view.evaluate(
        """[...document.querySelectorAll('svg')].flatMap(svg => { const sheet = svg.getBoundingClientRect();
           return [...svg.querySelectorAll('text')].filter(text => { const box = text.getBoundingClientRect();
             return box.left < sheet.left - 3 || box.right > sheet.right + 3; }).map(text => text.textContent) })"""
    )
    assert overflow <= 0
    assert clipped == []
    assert len(figures) >= 11
    assert all(figures)
    assert view.title().startswith("Persona report")
    assert "<script>document.title = 'run'</script>" in view.locator("pre.completion").first.inner_text()
    assert open_page.said == []


def test_hostile_completions_are_text_in_the_table_and_when_opened(open_page: Open, report: Path) -> None:
    view = open_page(report)
    rows_of(view)
    assert view.locator("#completions img, #completions script").count() == 0
    assert view.locator(".snippet").first.inner_text().startswith("</pre><script>document.title = 'run'</script><img")
    view.locator("button.open").first.click()
    shown = view.locator("#completions-detail pre").inner_text()
    assert shown.startswith(ATTACK)
    assert r"\x1b]0;title\x07\u202e" in shown
    assert view.locator("#completions-detail img, #completions-detail script").count() == 0
    view.locator("#completions-next").click()
    assert view.locator("#completions-detail pre").inner_text() != shown
    assert view.title().startswith("Persona report")
    assert open_page.said == []
    # Markup that did get in would not run either: the policy names one script.
    view.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">')")
    view.wait_for_timeout(100)
    assert view.title().startswith("Persona report")
    assert open_page.said
    assert all("Content Security Policy" in said for said in open_page.said)
    open_page.said.clear()


def test_completions_are_filtered_and_sorted(
    open_page: Open, report: Path, passing: Result, log: CompletionLog
) -> None:
    table = passing.attributions(log)
    own = table[responsibility_column("misaligned")].round(3)
    view = open_page(report)
    rows_of(view)
    status = view.locator("#completions-status")
    assert status.inner_text() == "480 of 480 completions shown."
    view.locator("[name=persona]").select_option(label="misaligned")
    assert rows_of(view)[0] == f"{own.max():.2f}\nmisaligned"
    view.locator("[name=condition]").select_option(label=OTHER)
    view.locator("[name=question]").select_option(label="q_2")
    view.locator("[name=from]").fill("0.5")
    kept = (table["condition"] == OTHER) & (table["question_id"] == "q_2") & (own >= 0.5)
    assert 0 < kept.sum() < 40
    assert status.inner_text() == f"{kept.sum()} of 480 completions shown."
    view.locator("button[type=reset]").click()
    view.locator("[name=text]").fill("\u202e 47")  # the search is in the text as logged
    found = table["completion"].str.lower().str.contains("\u202e 47", regex=False).sum()
    view.wait_for_function("document.querySelector('#completions-status').textContent.startsWith('11 ')")
    assert found == 11
    view.locator("[name=text]").fill("nowhere")
    assert "No completion matches." in view.locator("#completions-table").inner_text()
    assert open_page.said == []


def test_a_fit_that_failed_can_be_explored(
    open_page: Open, failing: Result, log: CompletionLog, tmp_path: Path
) -> None:
    view = open_page(write_report(failing, tmp_path / "report.html", log=log, texts=False))
    rows_of(view)
    assert (
        "misaligned in every condition: name: misaligned failed" in view.locator("#completions .verdict").text_content()
    )
    view.locator("[name=persona]").select_option(label="misaligned")
    assert set(rows_of(view)) == {"withheld"}
    view.locator("[name=persona]").select_option(label="aligned")
    assert rows_of(view)[0].endswith("\naligned")
    view.locator("button.open").first.click()
    detail = view.locator("#completions-detail").inner_text()
    assert "misaligned\nwithheld" in detail
    assert "misaligned withheld: name: misaligned failed" in detail
    assert view.locator("#completions-detail pre").count() == 0
    assert open_page.said == []
