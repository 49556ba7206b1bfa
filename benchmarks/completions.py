"""Time of the completion table of a report in a real browser: opening it, every filter, and another persona.

    python -m benchmarks.completions --rows 20000 --letters 700

A log of random words is simulated and fitted with few draws, as if all checks had passed. Its report is opened in the
installed Chromium (extra ``browser``). The time of a filter is that from the input event to the second frame after it,
when the new rows are on the screen; that of opening, from the request of the page until the rows are shown.
"""

import argparse
import dataclasses
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from simulacra.data import CompletionLog, Truth, read_completions, simulate_log
from simulacra.formalism import PersonaMixture
from simulacra.inference import Result, fit
from simulacra.report import write_report

__all__ = ["main"]

_WORDS = (
    "the",
    "model",
    "would",
    "not",
    "tell",
    "anyone",
    "about",
    "money",
    "power",
    "garden",
    "soup",
    "quantum",
    "help",
)
_STEPS = {
    "persona": ("persona", "1"),
    "condition": ("condition", "1"),
    "question": ("question", "3"),
    "probability at least 0.5": ("from", "0.5"),
    "text, one letter": ("text", "q"),
    "text, a phrase": ("text", "power garden"),
}
_TIMED = """async ([field, value]) => {
  const form = document.querySelector('#completions-filters'), control = form.elements[field];
  const began = performance.now();
  control.value = value;
  control.dispatchEvent(new Event('input', {bubbles: true}));
  const handled = performance.now() - began;
  await new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  return [handled, performance.now() - began, document.querySelector('#completions-status').textContent];
}"""


def simulated(rows: int, letters: int) -> tuple[CompletionLog, Result]:
    """A log with texts of random words, and a short fit of it."""
    model, rng = PersonaMixture(emissions=["aligned", "coherent"]), np.random.default_rng(0)
    cells = pd.DataFrame(
        [(f"condition-{m}", f"question-{q}") for m in range(4) for q in range(10)], columns=["condition", "question_id"]
    )
    weights = rng.dirichlet(np.full(len(model.names), 2.0), size=len(cells))
    tables = tuple(alpha / alpha.sum(axis=1, keepdims=True) for alpha in model.concentrations)
    table = simulate_log(model, Truth(cells, weights, tables), rows // len(cells), seed=0).table
    words = rng.choice(_WORDS, size=(len(table), letters // 6))
    table["completion"] = [f"{' '.join(own)} {number}" for number, own in enumerate(words)]
    log = read_completions(table[["condition", "question_id", "completion", "aligned", "coherent"]])
    model = PersonaMixture(emissions=["aligned", "coherent"], baseline="condition-0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = fit(model, log, num_warmup=200, num_samples=100, num_chains=2, progress_bar=False)
    checks = tuple(dataclasses.replace(check, passed=True) for check in result.checks)  # else nothing is shown
    easy = {**result.settings["thresholds"], "r_hat": 100.0, "ess": 1.0}
    return log, dataclasses.replace(result, checks=checks, settings={**result.settings, "thresholds": easy})


def main() -> None:
    """Simulate, fit, write the report and time its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--letters", type=int, default=700, help="of a text")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    log, result = simulated(options.rows, options.letters)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        page = write_report(result, Path(folder) / "report.html", log=log)
        written = time.process_time() - began
        console = Console()
        console.print(
            f"{len(log)} rows; {page.stat().st_size / 1e6:.1f} MB, written in {written:.1f} s of processor time"
        )
        console.print(_timed(page, options.repeats))


def _timed(page: Path, repeats: int) -> Table:
    found = Table("step", "in the script, ms", "until shown, ms", "largest", "rows")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        view.goto(page.as_uri())
        view.locator("#completions-filters").wait_for()  # no function: the policy of the page forbids evaluating one
        found.add_row("opening the page", "", f"{1000 * (time.perf_counter() - began):.0f}", "", "")
        view.evaluate("document.querySelector('#completions').scrollIntoView()")
        for name, (field, value) in _STEPS.items():
            times = []
            for _ in range(repeats):
                times.append(view.evaluate(_TIMED, [field, value]))
                view.evaluate(_TIMED, [field, "" if field in ("from", "text") else "-1"])
            inside, until = (statistics.median(own[part] for own in times) for part in (0, 1))
            found.add_row(name, f"{inside:.0f}", f"{until:.0f}", f"{max(own[1] for own in times):.0f}", times[-1][2])
        browser.close()
    return found


if __name__ == "__main__":
    main()
