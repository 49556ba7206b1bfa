"""Options of all figures: axes, sizes, names and colours; the settings of matplotlib; the fonts in files."""

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulacra.analysis import fragility, scorecard
from simulacra.formalism import Outcome
from simulacra.inference import Result
from simulacra.report import figures, write_figures
from simulacra.report.figures.numbered import Point, numbered
from simulacra.report.figures.style import tones
from simulacra.report.figures.wrapping import wrapped
from tests.inference.conftest import fit_simulated
from tests.report.conftest import BASE, LONG, OTHER
from tests.report.test_figures import DRAWN

WITH_NAMES = sorted(set(DRAWN) - {"energy", "rank", "trace", "portrait"})
LONGER = "insecure-code-finetune-of-Qwen2.5-Coder-32B-Instruct_rank-32, with a system prompt"


def words(figure: Figure) -> list[str]:
    """Texts that are drawn, on one line each."""
    FigureCanvasAgg(figure).draw()
    return [text.get_text().replace("\n", " ") for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_is_drawn_into_axes(passing: Result, name: str) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    own = figures.portrait(passing, "misaligned", ax=right) if name == "portrait" else DRAWN_INTO(name)(passing, right)
    assert own is figure
    assert figure.get_label() == ""
    assert left in figure.axes
    assert not left.has_data()
    *others, last = [axes for axes in figure.axes if axes is not left]
    assert all(axes.get_position().x0 > 0.5 for axes in (*others, last))
    assert any(axes.get_label().endswith(".") for axes in (*others, last))
    assert last.has_data() or last.texts


def DRAWN_INTO(name: str):  # noqa: N802
    return lambda result, ax: getattr(figures, name)(result, ax=ax)


def test_two_figures_in_one(passing: Result) -> None:
    figure = Figure(figsize=(7, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    figures.rates(passing, ax=left, ci_prob=0.95)
    figures.shifts(passing, ax=right, ci_prob=0.95)
    shown = words(figure)
    assert sum("95% interval" in text for text in shown) == 2
    boxes = [axes.get_tightbbox(FigureCanvasAgg(figure).get_renderer()) for axes in (left, right)]
    assert not boxes[0].overlaps(boxes[1])


def test_a_long_key_leaves_room_for_the_points(passing: Result) -> None:
    names = {name: f"{name} {LONGER} {LONGER} {LONGER}" for name in passing.conditions}
    figure = figures.explained_rates(passing, rename=names, figsize=3.25)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    assert axes.get_window_extent().height > 0.7 * figure.bbox.width
    assert axes.get_tightbbox(canvas.get_renderer()).y0 > 0


def test_axes_that_cannot_be_divided_are_refused(passing: Result) -> None:
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    assert figures.rates(passing, ax=axes) is axes.figure
    with pytest.raises(ValueError, match="several panels, and these axes are not in a grid"):
        figures.trace(passing, ax=axes)
    with pytest.raises(ValueError, match="Axes have a size already; pass either ax or figsize"):
        figures.rates(passing, ax=axes, figsize=3)


def test_the_width_is_given_and_the_height_follows(passing: Result) -> None:
    narrow, whole = figures.shifts(passing, figsize=3.25), figures.shifts(passing, figsize=(3.25, 2.5))
    assert narrow.get_size_inches()[0] == 3.25
    assert tuple(whole.get_size_inches()) == (3.25, 2.5)
    few = figures.shifts(passing, figsize=3.25, order=[LONG])
    assert few.get_size_inches()[1] < narrow.get_size_inches()[1]
    assert tuple(figures.shifts(passing, figsize=[3.25, 2.5]).get_size_inches()) == (3.25, 2.5)
    with pytest.raises(ValueError, match=r"figsize is '3'; expected inches"):
        figures.shifts(passing, figsize="3")
    with pytest.raises(ValueError, match=r"figsize is -1; expected inches, \(3.25, 2.5\) or 3.25"):
        figures.shifts(passing, figsize=-1)


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_leaves_a_narrow_sheet(passing: Result, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 3.25 inches, with long names in place of two of three."""
    written: list[Text] = []
    draw = Text.draw
    monkeypatch.setattr(Text, "draw", lambda text, renderer: (written.append(text), draw(text, renderer))[1])
    options = {"rename": {BASE: LONGER, LONG: LONGER + " again"}} if name in WITH_NAMES else {}
    arguments = ("misaligned",) if name == "portrait" else ()
    figure = getattr(figures, name)(passing, *arguments, figsize=3.25, **options)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = {text.get_text(): text.get_window_extent(canvas.get_renderer()) for text in written if text.get_text()}
    edge = figure.bbox
    assert [word for word, box in boxes.items() if box.x0 < edge.x0 - 2 or box.x1 > edge.x1 + 2] == []
    assert [word for word, box in boxes.items() if box.y0 < edge.y0 - 2 or box.y1 > edge.y1 + 2] == []
    if name in WITH_NAMES and name != "rate_differences":  # whose baseline is in the label alone
        whole = re.sub(r"\s", "", " ".join(boxes))
        assert re.sub(r"\s", "", LONGER) in whole


@pytest.mark.parametrize("name", WITH_NAMES)
def test_conditions_are_chosen_ordered_and_renamed(passing: Result, name: str) -> None:
    figure = getattr(figures, name)(passing, order=[LONG, OTHER], rename={LONG: "mine", OTHER: "other"})
    shown = [text for text in words(figure) if re.fullmatch(r"(\d  )?(mine|other)", text)]
    assert [text.split()[-1] for text in dict.fromkeys(shown)] == ["mine", "other"]
    assert LONG not in " ".join([*words(figure), figure.get_label()])
    if name not in ("rate_differences", "shifts"):
        assert not any(BASE in text for text in words(figure))


def test_personas_are_ordered_renamed_and_coloured(passing: Result) -> None:
    figure = figures.weights(
        passing, order=["misaligned"], rename={"misaligned": "evil"}, colors={"misaligned": "#123456"}
    )
    legend = figure.legends[0]
    assert [text.get_text().split()[0] for text in legend.get_texts()] == ["evil", "aligned", "incoherent"]
    assert matplotlib.colors.to_hex(legend.get_patches()[0].get_facecolor()) == "#123456"
    assert "evil" in " ".join(words(figures.portrait(passing, "misaligned", rename={"aligned": "evil scores"})))


def test_another_condition_can_be_the_one_compared_with(passing: Result) -> None:
    figure = figures.rate_differences(passing, against=LONG)
    assert {BASE, OTHER} <= set(words(figure))
    assert figure.get_label().startswith(f"Rate differences relative to {LONG}: ")
    table = passing.contrast(BASE, LONG, of="weights", persona="misaligned").table(ci_prob=0.8)
    lines = figures.shifts(passing, against=LONG, ci_prob=0.8, order=[BASE]).axes[0].lines
    ends = [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(pair, table[["eti80_lb", "eti80_ub"]].to_numpy()[0]) for pair in ends)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"order": ["base", "narow"]}, "order= of this figure: there is no 'narow'; expected names among"),
        ({"rename": {"bas": "x"}}, "there is no 'bas'; .*; did you mean 'base'"),
        ({"colors": {"x": "red"}}, "colors= of this figure: there is no 'x'"),
        ({"order": "base"}, "order is 'base'; expected a list of names"),
        ({"colour": {}}, "options of shifts: there is no 'colour'; .*; did you mean 'colors'"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_near(passing: Result, options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        figures.shifts(passing, **options)


def test_figures_without_names_take_no_names(passing: Result) -> None:
    with pytest.raises(ValueError, match="there is no 'base'; expected none, since it shows no names"):
        figures.trace(passing, order=["base"])


def test_settings_of_the_user_apply(passing: Result) -> None:
    plain = figures.weights(passing)
    with matplotlib.rc_context({"font.size": 6, "figure.figsize": (3, 1), "figure.dpi": 77, "font.family": "serif"}):
        figure = figures.weights(passing)
    assert figure.get_size_inches()[0] == 3
    assert figure.get_size_inches()[1] < plain.get_size_inches()[1]
    assert figure.get_dpi() == 77
    assert {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()} == {6}
    assert {tuple(text.get_fontfamily()) for text in figure.findobj(Text) if text.get_text()} == {("serif",)}
    with matplotlib.style.context("dark_background"):
        dark = figures.shifts(passing)
        assert tones().ink == "#ffffff"
    assert {matplotlib.colors.to_hex(text.get_color()) for text in dark.findobj(Text) if text.get_text()} == {"#ffffff"}
    assert matplotlib.colors.to_hex(dark.ground) == "#000000"
    assert plain.ground == "white"


def test_drawing_changes_no_settings(passing: Result, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    figures.shifts(passing).savefig(tmp_path / "shifts.pdf")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="pdffonts is not installed")
def test_pdffonts_finds_embedded_type_42_fonts_only(passing: Result, tmp_path: Path) -> None:
    """pdffonts calls Type 42 fonts ``TrueType``, or ``CID TrueType``; the columns after the encoding begin with emb."""
    for path in write_figures(passing, tmp_path, only=["rates", "shifts"], width=3.25):
        found = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
        assert found, path
        for line in found:
            assert re.search(r"\s(CID )?TrueType\s", line), line
            assert re.search(r"\s(yes|no)\s+(yes|no)\s+(yes|no)\s", line)[1] == "yes", line


def test_files_have_text_as_text(passing: Result, tmp_path: Path) -> None:
    """A Type 42 font is a TrueType program (FontFile2); matplotlib's default would draw letters in Type 3."""
    paths = write_figures(passing, tmp_path, only=["rates", "portrait"], format=["pdf", "svg", "png"], width=3.25)
    names = ["rates", *(f"portrait-{name}" for name in passing.personas)]
    assert [path.name for path in paths] == [f"{name}.{suffix}" for name in names for suffix in ("pdf", "svg", "png")]
    for path in paths:
        content = path.read_bytes()
        if path.suffix == ".pdf":
            assert b"/FontFile2" in content
            assert b"/Subtype /TrueType" in content or b"/CIDFontType2" in content
            assert b"/Type3" not in content
            assert re.search(rb"/MediaBox \[ 0 0 234 ", content)  # 3.25 inches of 72 points
        if path.suffix == ".svg":
            assert ">base</text>" in path.read_text() or "portrait" in path.name
            assert "<text" in path.read_text()
    own = Figure()
    figures.rates(passing, ax=own.subplots())
    with matplotlib.rc_context(dict(figures.FONTS)):
        own.savefig(tmp_path / "own.pdf")
    assert b"/Type3" not in (tmp_path / "own.pdf").read_bytes()


def test_only_figures_and_formats_that_exist_are_written(passing: Result, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no 'shift'; .*; did you mean 'shifts'"):
        write_figures(passing, tmp_path, only=["shift"])
    with pytest.raises(ValueError, match="formats of figures: there is no 'docx'; expected names among pdf, svg, png"):
        write_figures(passing, tmp_path, format="docx")
    with pytest.raises(ValueError, match="width of figures is 0"):
        write_figures(passing, tmp_path, width=0)
    with pytest.raises(ValueError, match=r"write_figures: there is no 'rop'; .*; did you mean 'rope'"):
        write_figures(passing, tmp_path, rop=0.02)
    assert list(tmp_path.iterdir()) == []


def test_labels_of_points_hide_nothing() -> None:
    rng = np.random.default_rng(4)
    places = np.concatenate([rng.normal(0.1, 0.02, (8, 2)), rng.uniform(0, 1, (6, 2))])
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
    numbered(axes, [Point(str(n), (x, x, x), (y, y, y), "#000000") for n, (x, y) in enumerate(places, start=1)])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    assert sorted(int(text.get_text()) for text in axes.texts) == list(range(1, 15))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert not any(box.contains(*point) for box in boxes for point in axes.transData.transform(places))


@pytest.mark.parametrize("name", ["short", LONGER, "no_space_in_here_but_underscores_and-hyphens/slashes", "x" * 90])
def test_wrapped_names_lose_nothing(name: str) -> None:
    lines = wrapped(name, 1.5, 9).split("\n")
    assert max(map(len, lines)) <= 72 * 1.5 / (0.66 * 9)
    assert "".join("".join(lines).split()) == "".join(name.split())


@pytest.mark.parametrize("figsize", [3.25, 4.2, 7])
def test_no_panel_is_empty(passing: Result, figsize: float) -> None:
    """Three conditions in two columns leave one place, which has the legend."""
    figure = figures.posterior_predictive(passing, figsize=figsize)
    assert all(axes.has_data() or axes.get_legend() for axes in figure.axes)
    portrait = figures.portrait(passing, "misaligned", figsize=figsize)
    assert all(axes.has_data() for axes in portrait.axes)


AFTER = {"bad": {"further training": "mild"}}


def test_fragility_is_drawn_against_a_capability() -> None:
    fitted = fit_simulated()
    found = fragility(fitted, AFTER, capability=Outcome("coherent > 50", name="coherent"))
    row = found.table(ci_prob=0.95).iloc[0]
    figure = figures.fragility(found, ci_prob=0.95, rename={"further training": "retraining"})
    assert "1  bad after retraining" in words(figure)
    (point,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert tuple(point.get_xydata()[0]) == pytest.approx((row["capability"], row["retained"]))
    assert f"bad after retraining {100 * row['retained']:.0f}%" in figure.get_label()
    alone = figures.fragility(fragility(fitted, AFTER))
    assert "bad after further training" in words(alone)
    never = fragility(fitted, AFTER, outcome=Outcome("missing(coherent)", name="missing"))
    assert "withheld" in words(figures.fragility(never))
    assert figures.fragility(never).get_label().endswith("all withheld.")


def test_a_scorecard_is_drawn() -> None:
    card = scorecard(fit_simulated(), after={"bad": "mild"})
    figure = figures.scorecard(card, ci_prob=0.95, rename={"bad": "worse"}, order=["mild", "bad"])
    table = card.table(ci_prob=0.95).set_index(["metric", "organism"])
    row = table.loc[("rate", "bad")]
    assert f"{row['mean']:.2f} {row['eti95_lb']:.2f}–{row['eti95_ub']:.2f}" in words(figure)
    assert "–" in words(figure)  # the persistence of the organism without intervention
    assert "worse in rate" in figure.get_label()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["mild", "worse"]
