"""The page in a browser: silent, self-contained, within the width of a phone, and a script in a completion is text."""

import shutil
from pathlib import Path

import pytest

from simulacra.data import CompletionLog
from simulacra.inference import Result
from simulacra.report import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_page(passing: Result, log: CompletionLog, tmp_path: Path, width: int, scheme: str) -> None:
    path = write_report(passing, tmp_path / "report.html", log=log)
    said: list[str] = []
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("request", lambda request: asked.append(request.url))
        view.goto(path.as_uri())
        view.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        overflow = view.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        figures = view.locator("svg[role=img]").evaluate_all("all => all.map(each => each.ariaLabel)")
        clipped = view.evaluate(
            """[...document.querySelectorAll('svg')].flatMap(svg => { const sheet = svg.getBoundingClientRect();
               return [...svg.querySelectorAll('text')].filter(text => { const box = text.getBoundingClientRect();
                 return box.left < sheet.left - 3 || box.right > sheet.right + 3; }).map(text => text.textContent) })"""
        )
        title, shown = view.title(), view.locator("pre.completion").first.inner_text()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert overflow <= 0
    assert clipped == []
    assert len(figures) >= 11
    assert all(figures)
    assert title.startswith("Persona report")
    assert "<script>document.title = 'run'</script>" in shown
