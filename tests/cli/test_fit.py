"""``simulacra fit``: what it prints, what it writes, how it ends."""

import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from typer.testing import Result as Outcome

from simulacra.inference import Result
from simulacra.report.prose import share
from tests.inference.conftest import fit_triggered

Run = Callable[..., Outcome]
SHORT = ("--num-warmup", 200, "--num-samples", 100, "--num-chains", 2)  # too short to pass the checks
OTHER_LEVEL = re.compile("eti89|89% (interval|ETI)|interval of 89%")
FILES = {
    "report.html",
    "report.md",
    "summary.json",
    "weights.csv",
    "shifts.csv",
    "rates.csv",
    "contrasts.csv",
    "unexplained.csv",
    "emissions.csv",
    "responsibilities.parquet",
    "fit.nc",
    "fit.json",
}


def strict_json(text: str) -> dict:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_real_fit_writes_all_files_and_withholds_what_failed(run: Run, log_file: Path, tmp_path: Path) -> None:
    ended = run("fit", log_file, *SHORT, "--ci-prob", "0.95", "--rope", "0.03")
    assert ended.exit_code == 3, ended.output
    folder = tmp_path / "simulacra-out"
    assert {path.name for path in folder.iterdir()} == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "simulacra-out"]
    summary = strict_json((folder / "summary.json").read_text())
    assert summary["creator"] == "simulacra"
    assert not summary["ok"]
    assert "ess_bulk" in {check["name"] for check in summary["checks"] if not check["passed"]}
    assert summary["log"]["completions"] == 1080
    assert summary["settings"]["num_samples"] == 100
    assert "withheld" in ended.output
    text = ended.output
    assert text.index("Persona shifts") < text.index("Checks") < text.index("Withheld: ") < text.index("Written")
    page = (folder / "report.html").read_text()
    assert "Checks: some failed" in page
    assert "withheld: " in page
    table = pd.read_parquet(folder / "responsibilities.parquet")
    assert len(table) == 1080
    assert table.filter(like="responsibility_").isna().all(axis=None)
    assert table["persona_status"].str.contains("withheld").all()
    rates = pd.read_csv(folder / "rates.csv")
    assert rates["scope"].tolist() == ["these"] * 3 + ["new"] * 3
    assert rates["rate"].notna().all()  # they are estimated without personas
    assert rates["implied"].isna().all()
    assert set(rates["status"]) == {"ok"}
    for command in (
        "show simulacra-out",
        "report simulacra-out --out page.md",
        "rates simulacra-out --outcome 'aligned < 50'",
        "cite simulacra-out 'rate[insecure]'",
        "contrast simulacra-out insecure base --json",
    ):  # the level and the region of the fit stay
        said = run(*shlex.split(command)).output
        assert "95" in said or command.startswith("report"), command
        assert not OTHER_LEVEL.search(said), command
    for said in (run("show", "simulacra-out").output, (tmp_path / "page.md").read_text()):
        assert "±3 percentage points" in said
    assert summary["model"]["rope"] == 0.03
    written = (folder / "report.html", folder / "summary.json", tmp_path / "page.md")
    assert not any(OTHER_LEVEL.search(path.read_text()) for path in written)
    assert "eti89_lb" in run("contrast", "simulacra-out", "insecure", "base", "--ci-prob", "0.89", "--json").output
    assert "withheld" not in set(pd.read_csv(folder / "contrasts.csv")["claim"])
    assert set(pd.read_csv(folder / "unexplained.csv")["condition"]) == {"base", "benign", "insecure"}
    assert len(summary["tables"]["rates"]) == 6
    failed = [check for check in summary["checks"] if not check["passed"]]
    assert not [check["name"] for check in failed if {"rates", "contrasts"} & set(check["withholds"])]
    assert {"persona", "condition", "withholds"} <= set(failed[0])


def test_a_fit_that_passes_prints_tables_and_ends_with_0(run: Run, log_file: Path, passing: Result) -> None:
    ended = run("fit", log_file, "--out", "there/out")
    assert ended.exit_code == 0, ended.output
    words = ("Persona weights", "unexplained", "P(misaligned | persona)", "Rates", "insecure:", "passed")
    for text in ("1\u202f080 completions", *words):
        assert text in ended.output
    order = ["Rates with", "Supported claims", "Persona weights", "Persona shifts", "Checks"]
    assert sorted(order, key=ended.output.index) == order
    assert "these questions" in ended.output
    assert "without personas, on these 6 questions and for new questions of this kind, of which these are a sample" in (
        ended.output
    )
    assert "points relative to base on these 6 questions (89% interval" in ended.output
    assert "For new questions of this kind " in ended.output
    assert "withheld" not in ended.output
    assert "there/out" in ended.output
    weights = pd.read_csv("there/out/weights.csv")
    pd.testing.assert_frame_equal(weights, passing.weights(), check_dtype=False)
    rates = pd.read_csv("there/out/rates.csv").groupby("scope")
    for scope in ("these", "new"):
        own = rates.get_group(scope).dropna(axis="columns", how="all").reset_index(drop=True)
        pd.testing.assert_frame_equal(own, passing.rates(scope=scope), check_dtype=False)


def test_no_check_of_the_personas_hides_a_rate_or_a_claim(run: Run, passing: Result, tmp_path: Path) -> None:
    tree = passing.tree.copy()
    stats, misfit = (tree[name].to_dataset().copy(deep=True) for name in ("sample_stats", "misfit"))
    stats["diverging"][0, 0] = True
    insecure = misfit["condition"] == "insecure"
    misfit = misfit.assign(
        unexplained=misfit["unexplained"].where(~insecure, 0.5), p_value=misfit["p_value"].where(~insecure, 0.0)
    )
    tree["sample_stats"], tree["misfit"] = xr.DataTree(stats), xr.DataTree(misfit)
    shown = {}
    for name, result in (("passed", passing), ("failed", dataclasses.replace(passing, tree=tree))):
        result.save(tmp_path / name / "fit.nc")
        shown[name] = run("show", name)
    assert (shown["passed"].exit_code, shown["failed"].exit_code) == (0, 3)
    text = shown["failed"].output
    claims = [line for line in text.splitlines() if line.startswith(("  benign: misaligned", "  insecure: misaligned"))]
    assert len(claims) == 2
    for line in claims:
        assert "What the personas account for is withheld." in line
        assert line.partition(". ")[0] in shown["passed"].output
    rates = passing.rates().set_index("condition")
    row = next(line for line in text.splitlines() if line.startswith(" insecure "))
    assert share(*rates.loc["insecure", ["rate", "eti89_lb", "eti89_ub"]]) in row
    assert row.rstrip().endswith("withheld")  # implied by the personas
    assert "Withheld: all 9 weights, all 6 shifts" in text
    assert "no rate or claim." in text


def test_rates_and_claims_name_their_context(run: Run, tmp_path: Path) -> None:
    fit_triggered().save(tmp_path / "fit.nc")
    shown = run("show", "fit.nc")
    assert shown.exit_code == 3, shown.output  # no formula names the trigger, so one set of weights has to serve both
    assert "(backdoor, trigger=on: p = 0.000)" in shown.output
    assert "  backdoor, trigger=on: misaligned rate " in shown.output
    assert "relative to base in the same context on these 4 questions" in shown.output
    assert [line.strip().split("  ")[0] for line in shown.output.splitlines() if " / 120" in line] == [
        f"{name}, trigger={trigger}" for name in ("base", "backdoor") for trigger in ("off", "on")
    ]


def test_json_is_one_object_and_the_same_as_the_file(run: Run, log_file: Path, passing: Result) -> None:
    ended = run("fit", log_file, "--json", "--rope", 0.02)
    printed = strict_json(ended.stdout)
    files = printed.pop("files")
    assert printed == strict_json(Path("simulacra-out/summary.json").read_text())
    assert all(Path(file).is_file() for file in files)
    assert printed["ok"]
    assert printed["model"]["rope"] == 0.02
    assert {row["condition"] for row in printed["tables"]["contrasts"]} == {"benign", "insecure"}
    assert {row["scope"] for row in printed["tables"]["contrasts"]} == {"these", "new"}
    assert {row["condition"] for row in printed["tables"]["unexplained"]} == {"base", "benign", "insecure"}


def test_quiet_prints_nothing(run: Run, log_file: Path, passing: Result) -> None:
    assert run("fit", log_file, "--quiet").output == ""


def test_a_folder_of_ours_is_replaced(run: Run, log_file: Path, passing: Result) -> None:
    run("fit", log_file, "--out", "out")
    Path("out/weights.csv").write_text("old")
    assert run("fit", log_file, "--out", "out").exit_code == 0
    assert Path("out/weights.csv").read_text() != "old"


def test_a_folder_of_others_is_refused_before_anything_is_done(run: Run, log_file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notes"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    ended = run("fit", log_file, "--out", mine)
    assert ended.exit_code == 2
    assert "thesis.tex" in ended.stderr
    assert "--out" in ended.stderr
    assert [path.name for path in mine.iterdir()] == ["thesis.tex"]


def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(
    run: Run, log_file: Path, passing: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("fit", log_file, "--out", "out")
    before = Path("out/summary.json").read_text()

    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Result, "save", fail)
    for folder in ("out", "new"):
        ended = run("fit", log_file, "--out", folder)
        assert ended.exit_code == 2
        assert "No space left" in ended.stderr
    assert Path("out/summary.json").read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "out"]


def test_scanned_counts_are_the_counts_of_a_reading(run: Run, log_file: Path, passing: Result) -> None:
    ended = run("fit", log_file, "--scan")
    assert ended.exit_code == 0
    assert "counted without loading" in ended.output


def test_show_prints_the_same_tables(run: Run, log_file: Path, passing: Result) -> None:
    fitted = run("fit", log_file, "--json", "--out", "out")
    for path in ("out", "out/fit.nc"):
        shown = run("show", path, "--json")
        assert shown.exit_code == 0, shown.output
        assert strict_json(shown.stdout)["tables"] == strict_json(fitted.stdout)["tables"]
    printed = run("show", "out").output
    for text in ("Persona weights", "Persona shifts relative to base", "These are not claims"):
        assert text in printed


def test_intervals_have_the_probability_that_is_asked_for(run: Run, log_file: Path, passing: Result) -> None:
    ended = run("fit", log_file, "--out", "out", "--ci-prob", 0.5)
    assert ended.exit_code == 0, ended.output
    assert "mean and 50% interval" in ended.output
    assert "89%" not in ended.output
    pd.testing.assert_frame_equal(pd.read_csv("out/weights.csv"), passing.weights(ci_prob=0.5), check_dtype=False)
    assert strict_json(Path("out/summary.json").read_text())["ci_prob"] == 0.5
    shown = run("show", "out", "--ci-prob", 0.945)
    assert "94.5% intervals" in shown.output
    assert "89%" not in shown.output
    assert run("report", "out", "--out", "meeting.md", "--ci-prob", 0.5).exit_code == 0
    assert "50% interval" in Path("meeting.md").read_text()


@pytest.mark.parametrize("words", [("fit", "log.csv"), ("show", "out"), ("report", "out"), ("demo",)])
def test_a_probability_of_intervals_that_is_none_is_refused_at_once(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words, "--ci-prob", 95)
    assert ended.exit_code == 2
    assert "ci_prob is 95.0; expected a probability between 0 and 1" in ended.stderr
    assert not Path("simulacra-out").exists()


def test_show_of_nothing_is_refused(run: Run) -> None:
    ended = run("show", "nowhere")
    assert ended.exit_code == 2
    assert "nowhere" in ended.stderr


def test_report_writes_both_files_next_to_the_result(run: Run, fitted: Result, tmp_path: Path) -> None:
    fitted.save(tmp_path / "out" / "fit.nc")
    ended = run("report", "out")
    assert ended.exit_code == 3, ended.output  # a short fit
    assert "no examples" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_report_is_no_pdf(run: Run, tmp_path: Path) -> None:
    ended = run("report", "out", "--out", "report.pdf")
    assert ended.exit_code == 2
    assert "print the HTML from a browser" in ended.stderr
    assert not (tmp_path / "report.pdf").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--concentration", "mid=abc"), ("--score", "evil:0-100:hi-is-bad"), ("--family", "gpt=a")]
)
def test_options_are_checked_before_the_log_is_read(run: Run, option: str, value: str) -> None:
    assert f"{option} '{value}'" in run("fit", "nowhere.csv", option, value).stderr


def test_report_with_the_log_shows_completions(run: Run, fitted: Result, log_file: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    ended = run("report", "fit.nc", "--log", log_file, "--out", "there/page.md", "--json")
    assert ended.exit_code == 3, ended.output
    assert strict_json(ended.stdout)["files"] == ["there/page.md"]
    assert "no examples" not in (tmp_path / "there" / "page.md").read_text()


def test_texts_are_left_out_on_request_and_then_by_the_report(
    run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    for module in ("fitting", "saved"):
        written = f"simulacra.cli.{module}.write_reports"
        monkeypatch.setattr(written, lambda *_, texts, **__: (asked.append(texts), ())[1])
    assert run("fit", log_file, "--out", "out", "--no-texts").exit_code == 0
    assert run("report", "out", "--log", log_file).exit_code == 0
    assert run("report", "out", "--log", log_file, "--texts").exit_code == 0
    assert run("fit", log_file, "--out", "out").exit_code == 0
    assert asked == [False, False, True, True]


@pytest.fixture
def files(frame: pd.DataFrame, tmp_path: Path) -> list[str]:
    """The log as a file for every condition."""
    names = []
    for condition, rows in frame.groupby("condition"):
        names.append(f"m-{condition}.csv")
        rows.drop(columns="condition").to_csv(tmp_path / names[-1], index=False)
    return names


def test_a_report_reads_the_log_as_the_fit_did(run: Run, files: list[str], passing: Result, tmp_path: Path) -> None:
    options = ("--condition", "{_}-{condition}", "--missing", "-1,-99")
    assert run("fit", *files, *options, "--out", "out").exit_code == 0
    log = strict_json(Path("out/summary.json").read_text())["log"]
    assert log["paths"] == files
    assert log["options"] == {"condition": "{_}-{condition}", "missing": "-1,-99"}
    for place, logs in (("out", ["m-*.csv"]), ("out/fit.nc", files)):  # a glob, and what a shell makes of it
        ended = run("report", place, "--log", *logs, "--out", "page.md")
        assert ended.exit_code == 0, ended.output
        assert "no examples" not in Path("page.md").read_text()
    ended = run("report", "--log", *files, "out")
    assert ended.exit_code == 2
    assert f"{files[1]}: is not a result; expected fit.nc or its folder, before the logs." in ended.stderr
    assert "quote it, --log 'logs/*.csv'" in ended.stderr


def test_an_option_of_the_report_wins_and_another_log_is_distinguished_from_that_of_the_fit(
    run: Run, files: list[str], passing: Result
) -> None:
    run("fit", *files, "--condition", "{_}-{condition}", "--out", "out")
    for log, condition, message in (
        ("m-*.csv", "{condition}", "This is not the log that was fitted"),
        ("m-base.csv", "{a}+{condition}", "does not match the pattern '{a}+{condition}'"),
    ):
        ended = run("report", "out", "--log", log, "--condition", condition, "--out", "page.md", "--json")
        assert ended.exit_code == 2, ended.output
        hint = strict_json(ended.stdout)["error"]["hint"]
        assert message in ended.stderr
        assert "The fit read m-base.csv, m-benign.csv, m-insecure.csv with --condition '{_}-{condition}'." in hint
        assert f"This report read {log} with --condition '{condition}'." in hint
        assert hint in ended.stderr
    assert not Path("page.md").exists()


def test_a_report_refuses_options_without_a_log_and_a_damaged_summary(
    run: Run, log_file: Path, passing: Result
) -> None:
    run("fit", log_file, "--out", "out")
    ended = run("report", "out", "--formats", "_json")
    assert ended.exit_code == 2
    assert "--formats _json: this option applies to reading a log, but no log was given. Add --log." in ended.stderr
    for text, message in (("{", "not the JSON that simulacra fit writes"), ("[]", "contains a JSON list")):
        Path("out/summary.json").write_text(text)
        ended = run("report", "out", "--log", log_file)
        assert ended.exit_code == 2
        assert f"summary.json: {message}" in ended.stderr


def test_a_report_without_its_extra_says_how_to_get_it(
    run: Run, fitted: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "fit.nc")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    ended = run("report", "fit.nc")
    assert ended.exit_code == 2
    assert "pip install 'simulacra[report]', or in a clone pip install -e '.[report]'" in ended.stderr


def test_quiet_names_the_checks_that_failed(
    run: Run, log_file: Path, fitted: Result, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.cli.fitting.fit", lambda *_, **__: fitted)
    ended = run("fit", log_file, "--quiet")
    assert ended.exit_code == 3
    assert ended.stdout == ""
    assert "checks failed: " in ended.stderr
    assert "ess_bulk" in ended.stderr


@pytest.mark.parametrize(
    ("name", "option"), [("align", "aligned=align"), ("my 'score'", "'aligned=my '\"'\"'score'\"'\"''")]
)
def test_a_score_under_another_name_is_not_skipped(
    name: str, option: str, run: Run, log_file: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(log_file).rename(columns={"aligned": name})
    table.to_csv(tmp_path / "misnamed.csv", index=False)
    ended = run("fit", "misnamed.csv")
    assert ended.exit_code == 2
    for text in ("defined by 'aligned'", f"not modelled: {name}", "columns={'aligned': <its name>}", "['coherent']"):
        assert text in ended.stderr
    assert "columns= is --column NAME=OWN, emissions= is --measure NAME" in ended.stderr
    assert not (tmp_path / "simulacra-out").exists()
    assert f"read {name!r} as 'aligned'" in run("inspect-log", "misnamed.csv", "--column", *shlex.split(option)).output


def test_failed_checks_name_the_options_of_their_remedies(fitted: Result, run: Run, tmp_path: Path) -> None:
    assert {"ess_bulk"} <= {check.name for check in fitted.failed}
    fitted.save(tmp_path / "fit.nc")
    shown = run("show", tmp_path / "fit.nc")
    assert "Sample longer: num_samples=8000 and num_warmup=800." in shown.output
    assert "num_samples= is --num-samples N, num_warmup= is --num-warmup N" in shown.output
    checks = json.loads(run("show", tmp_path / "fit.nc", "--json").stdout)["checks"]
    assert {"num_samples", "num_warmup"} == set(next(c for c in checks if c["name"] == "ess_bulk")["argument"])
