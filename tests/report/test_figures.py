"""Laws of every figure: it is drawn, states its finding, is valid SVG in the page's colours, and no text leaves it."""

import dataclasses
import inspect
import io
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulacra.data import read_completions
from simulacra.formalism import Outcome
from simulacra.formalism.persona_sets import PERSONA_SETS
from simulacra.inference import Result
from simulacra.inference.prepare import prepare
from simulacra.report import figures
from simulacra.report.figures.questions import _question_rates
from simulacra.report.figures.sampling import rank_band, rank_differences
from simulacra.report.palette import contrast_ink, persona_colors
from simulacra.report.prose import interval, number, points
from tests.inference.conftest import simulate
from tests.report.conftest import OTHER

DRAWN: dict[str, Callable[[Result], Figure]] = {
    "energy": figures.energy,
    "explained_rates": figures.explained_rates,
    "portrait": lambda result: figures.portrait(result, "misaligned"),
    "posterior_predictive": figures.posterior_predictive,
    "rank": figures.rank,
    "rate_by_question": figures.rate_by_question,
    "rate_differences": figures.rate_differences,
    "rates": figures.rates,
    "shifts": figures.shifts,
    "trace": figures.trace,
    "weights": figures.weights,
}
OF_ANALYSES = ("fragility", "scorecard")  # below: they draw no result
WITHHOLDING = ("explained_rates", "portrait", "shifts", "weights")


@pytest.fixture(scope="module")
def drawn(passing: Result) -> dict[str, Figure]:
    return {name: draw(passing) for name, draw in DRAWN.items()}


def test_every_figure_is_here() -> None:
    functions = {name for name, value in vars(figures).items() if inspect.isfunction(value)} - {"to_svg"}
    assert {*DRAWN, *OF_ANALYSES, "training_paths"} == functions


@pytest.mark.parametrize("name", DRAWN)
def test_the_alternative_text_is_a_sentence_with_a_finding(drawn: dict[str, Figure], name: str) -> None:
    finding = drawn[name].get_label()
    assert finding.endswith(".")
    assert len(finding) > 30
    assert "nan" not in finding


@pytest.mark.parametrize("name", DRAWN)
def test_a_notebook_shows_every_figure(drawn: dict[str, Figure], name: str) -> None:
    """IPython calls this if pyplot was not imported."""
    assert drawn[name]._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(set(DRAWN) - {"energy", "rank", "rate_by_question", "trace"}))
def test_intervals_have_the_probability_that_is_asked_for(passing: Result, name: str) -> None:
    """Figures without intervals are left out; texts and lines of the others follow ``ci_prob``."""
    arguments = {"portrait": ("misaligned",)}.get(name, ())
    wide, narrow = (getattr(figures, name)(passing, *arguments, ci_prob=level) for level in (0.89, 0.61))
    extents = [
        np.concatenate(
            [
                np.ptp(line.get_xydata(), axis=0)
                for axes in figure.axes
                for line in axes.get_lines()
                if len(line.get_xydata())
            ]
        )
        for figure in (wide, narrow)
    ]
    words = [
        " ".join([text.get_text() for text in figure.findobj(Text)] + [figure.get_label()]) for figure in (wide, narrow)
    ]
    assert ("89%" in words[0]) == ("61%" in words[1]) == (name not in ("explained_rates", "portrait"))
    assert "89%" not in words[1]
    if name != "posterior_predictive":  # whose intervals are not lines
        assert extents[1].sum() < extents[0].sum()
    with pytest.raises(ValueError, match=r"ci_prob is 1\.5; expected a probability between 0 and 1"):
        getattr(figures, name)(passing, *arguments, ci_prob=1.5)


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
    assert any(word.startswith("withheld") or word.endswith("(withheld)") for word in words)
    assert "withheld" in figure.get_label()


def test_rate_differences_are_drawn_unless_they_failed_themselves(short: Result) -> None:
    """Of the short fit everything about personas is withheld."""
    figure = figures.rate_differences(short)
    assert "withheld" not in " ".join([figure.get_label(), *(text.get_text() for text in figure.findobj(Text))])
    strict = {**short.settings, "thresholds": {**short.settings["thresholds"], "ess": 1e9}}
    figure = figures.rate_differences(dataclasses.replace(short, settings=strict))
    assert figure.get_label() == "All rate differences are withheld."
    assert "withheld" in {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize("name", ["explained_rates", "rate_by_question", "rate_differences"])
def test_a_figure_names_contexts(triggered: Result, name: str) -> None:
    figure = DRAWN[name](triggered)
    words = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
    assert "backdoor, trigger=on" in words
    assert ", trigger=o" in figure.get_label()


def test_a_condition_without_scores_has_no_rate_by_question() -> None:
    log, model = simulate().log, simulate().model
    unscored = log.table.assign(aligned=log.table["aligned"].mask(log.table["condition"] == "mild"))
    unscored_log = read_completions(unscored, measurements=["aligned", "coherent"])
    rates = _question_rates(prepare(model, unscored_log), Outcome("aligned < 30 and coherent > 50"))
    assert rates["mild"].isna().all()
    assert rates.drop(columns="mild").notna().all(axis=None)


def test_the_largest_unexplained_part_is_named(passing: Result, drawn: dict[str, Figure]) -> None:
    table = passing.rates().set_index("condition")
    rest = table["rate"] - table["implied"]
    condition = rest.abs().idxmax()
    finding = f"between a rate and its implied rate is {points(rest[condition])} points, in {condition}."
    assert drawn["explained_rates"].get_label().endswith(f". The largest difference {finding}")


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


@pytest.mark.parametrize("name", PERSONA_SETS)
def test_colours_of_a_shipped_set_are_distinguishable_for_everyone(name: str) -> None:
    """In OKLab, where 0.02 is just noticeable; an unnamed persona differs from the rest."""
    names = [persona.name for persona in PERSONA_SETS[name]]
    colors = persona_colors([*names, "unnamed-1"]).values()
    for vision in VISIONS.values():
        seen = np.array([oklab(vision @ linear(color)) for color in colors])
        gaps = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
        assert min(gaps) > 0.07
    assert persona_colors(names) == {own: color for own, color in persona_colors([*names, "x"]).items() if own != "x"}


@pytest.mark.parametrize("ground", ["#ffffff", "#16161a"])
def test_colours_stand_out_from_the_page(ground: str) -> None:
    """WCAG 2.2, 1.4.11: a contrast of 3 or more, on the light and on the dark page."""
    names = {persona.name for own in PERSONA_SETS.values() for persona in own}
    seven = set(persona_colors(list("abcdefg")).values())
    assert len(seven) == 7
    for color in {*persona_colors(sorted(names)).values(), *seven}:
        one, other = sorted(float(LUMINANCE @ linear(each)) for each in (color, ground))
        assert (other + 0.05) / (one + 0.05) >= 3, color


LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
VISIONS = {  # Machado, Oliveira & Fernandes (2009), doi:10.1109/TVCG.2009.113, severity 1
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> np.ndarray:
    """Light of a colour such as ``#0f7ab8``."""
    values = np.array([int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def oklab(light: np.ndarray) -> np.ndarray:
    """Ottosson (2020), https://bottosson.github.io/posts/oklab/."""
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
             [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    opponents = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
                 [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.array(opponents) @ np.cbrt(np.array(cones) @ light.clip(0, 1))


def test_titles_of_portraits_stay_apart(passing: Result) -> None:
    names = {"aligned": "a_measurement_with_quite_a_name", "coherent": "one that has more words than it has bars"}
    canvas = FigureCanvasAgg(figures.portrait(passing, "misaligned", rename=names))
    canvas.draw()
    boxes = [axes._left_title.get_window_extent(canvas.get_renderer()) for axes in canvas.figure.axes]
    assert not boxes[0].overlaps(boxes[1])


def test_no_interval_of_a_weight_leaves_the_bar(drawn: dict[str, Figure]) -> None:
    ends = [line.get_xdata() for line in drawn["weights"].axes[0].lines]
    assert len(ends) >= 3
    assert 0 <= np.min(ends) < np.max(ends) <= 1


def test_the_band_of_ranks_holds_chains_that_agree_and_no_others() -> None:
    """More than 11 of 300 sets leave a band of 99% once in ten thousand runs, by the binomial distribution."""
    rng = np.random.default_rng(0)
    agreeing = rng.normal(size=(300, 4, 120))
    width = rank_band(4, 120)
    left = sum(np.abs(rank_differences(draws)).max() > width for draws in agreeing)
    assert left <= 11
    assert np.abs(rank_differences(agreeing[0] + [[0], [0], [0], [0.6]])).max() > width
    lines = rank_differences(agreeing[0])
    np.testing.assert_allclose(lines[:, [0, -1]], 0, atol=1e-12)
    np.testing.assert_allclose(lines.sum(axis=0), 0, atol=1e-12)


def test_marks_say_their_values_in_the_report_and_not_in_files(passing: Result) -> None:
    figure = figures.weights(passing)
    root = ElementTree.fromstring(figures.to_svg(figure, "own"))
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    table = passing.weights()
    own = table[(table["condition"] == OTHER) & (table["persona"] == "aligned")].to_dict("records")[0]
    assert f"{OTHER}, aligned: {number(*interval(own))}" in said
    assert len(said) == len(table)
    saved = io.StringIO()
    figure.savefig(saved, format="svg")
    assert "hover" not in saved.getvalue()
    assert not [text for text in said if text in saved.getvalue()]


@pytest.mark.parametrize(
    "name", ["rate_differences", "explained_rates", "rate_by_question", "shifts", "portrait", "posterior_predictive"]
)
def test_every_figure_of_estimates_says_values(drawn: dict[str, Figure], name: str) -> None:
    text = figures.to_svg(drawn[name], "own")
    assert text.count("<g><title>") >= 2
    assert "nan" not in "".join(re.findall("<title>(.*?)</title>", text))


def test_figures_are_the_same_every_time(passing: Result) -> None:
    for draw in (figures.rank, figures.trace):
        assert figures.to_svg(draw(passing), "own") == figures.to_svg(draw(passing), "own")


def test_the_documentation_shows_every_figure() -> None:
    """Every function is on the gallery, above its picture, and no picture is left over."""
    docs = Path(__file__).parents[2] / "docs"
    gallery = (docs / "gallery.md").read_text(encoding="utf-8")
    assert {*DRAWN, *OF_ANALYSES} <= set(re.findall(r"figures\.(\w+)\(", gallery))
    drawn = re.findall(r"```\n\s*!\[[^\]]+\]\(pictures/([\w-]+)\.png\)", gallery)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == {path.stem for path in (docs / "pictures").iterdir()}
    pages = [docs.parent / "README.md", *docs.glob("*.md")]
    assert "figures.training_paths(" in (docs / "comparing-organisms.md").read_text(encoding="utf-8")
    shown = {name for page in pages for name in re.findall(r"pictures/([\w-]+)\.png", page.read_text(encoding="utf-8"))}
    assert shown <= set(drawn)
