"""Laws of every figure: it is drawn, says its finding, is valid SVG in the page's own ink, and no text leaves it."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulacra.inference import Result
from simulacra.report import figures
from simulacra.report.palette import contrast_ink, persona_colors

DRAWN: dict[str, Callable[[Result], Figure]] = {
    "energy": figures.energy,
    "implied_against_observed": figures.implied_against_observed,
    "portrait": lambda result: figures.portrait(result, "misaligned"),
    "posterior_predictive": figures.posterior_predictive,
    "rank": figures.rank,
    "rate_by_question": figures.rate_by_question,
    "rate_differences": figures.rate_differences,
    "shifts": figures.shifts,
    "trace": figures.trace,
    "weights": figures.weights,
}
WITHHOLDING = ("portrait", "rate_differences", "shifts", "weights")


@pytest.fixture(scope="module")
def drawn(passing: Result) -> dict[str, Figure]:
    return {name: draw(passing) for name, draw in DRAWN.items()}


def test_every_figure_is_here() -> None:
    assert set(DRAWN) == {name for name in vars(figures) if callable(vars(figures)[name])} - {"to_svg"}


@pytest.mark.parametrize("name", DRAWN)
def test_the_alternative_text_is_a_sentence_with_a_finding(drawn: dict[str, Figure], name: str) -> None:
    finding = drawn[name].get_label()
    assert finding.endswith(".")
    assert len(finding) > 30
    assert "nan" not in finding


@pytest.mark.parametrize("name", DRAWN)
def test_svg_is_xml_with_its_own_ids_and_the_ink_of_the_page(drawn: dict[str, Figure], name: str) -> None:
    text = figures.to_svg(drawn[name], f"own-{name}")
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"] == drawn[name].get_label()
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    assert all(own.startswith(f"own-{name}") for own in ids)
    assert "currentColor" in text
    assert "#1b1b1f" not in text
    grounds = re.findall(
        r'<g id="own-[\w-]*-(?:figure|patch)_1">\s*(?:<g id="own-[\w-]*-patch_1">\s*)?<path[^>]*>', text
    )
    assert not [ground for ground in grounds if "fill: #ffffff" in ground]
    assert "http" not in text.replace("http://www.w3.org/", "")


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_leaves_the_sheet(drawn: dict[str, Figure], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Text] = []
    draw = Text.draw
    monkeypatch.setattr(Text, "draw", lambda text, renderer: (written.append(text), draw(text, renderer))[1])
    canvas = FigureCanvasAgg(drawn[name])
    canvas.draw()
    boxes = {text.get_text(): text.get_window_extent(canvas.get_renderer()) for text in written if text.get_text()}
    edge = drawn[name].bbox
    assert len(boxes) > 3
    assert [word for word, box in boxes.items() if box.x0 < edge.x0 - 2 or box.x1 > edge.x1 + 2] == []
    assert [word for word, box in boxes.items() if box.y0 < edge.y0 - 2 or box.y1 > edge.y1 + 2] == []


@pytest.mark.parametrize("name", WITHHOLDING)
def test_what_is_withheld_is_not_drawn(short: Result, name: str) -> None:
    figure = DRAWN[name](short)
    words = {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert any(word.startswith("withheld") for word in words)
    assert "withheld" in figure.get_label()


def test_what_does_not_exist_is_refused(passing: Result) -> None:
    with pytest.raises(ValueError, match="no persona 'villain'"):
        figures.portrait(passing, "villain")
    with pytest.raises(ValueError, match="does not measure 'charm'"):
        figures.posterior_predictive(passing, "charm")


def test_personas_keep_their_colours_and_differ() -> None:
    names = ["aligned", "misaligned", "mid", "incoherent", "no-score", "villain", "unnamed-2"]
    colors = persona_colors(names)
    assert len(set(colors.values())) == len(names)
    assert persona_colors(names[:2])["misaligned"] == colors["misaligned"]
    assert {contrast_ink("#000000"), contrast_ink("#ffffff")} == {"#000000", "#ffffff"}
    assert contrast_ink("#000000") == "#ffffff"


def test_the_documentation_shows_every_figure() -> None:
    docs = Path(__file__).parents[2] / "docs"
    shown = set(re.findall(r"\(pictures/(\w+)\.png\)", (docs / "reading-the-report.md").read_text(encoding="utf-8")))
    assert shown == set(DRAWN) == {path.stem for path in (docs / "pictures").iterdir()}
