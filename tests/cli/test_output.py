"""A terminal, a pipe or a disk never costs a fit: results are written first, and what is printed always can be."""

import gc
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Outcome

from simulacra import data
from simulacra.cli import folder as folders
from simulacra.cli.app import app
from simulacra.cli.folder import reserve_folder
from simulacra.cli.interrupts import keep_interrupts
from simulacra.cli.output import Output, PlainConsole
from simulacra.inference import Result

Run = Callable[..., Outcome]


class Full(io.StringIO):
    """A stream that fails once it is told to."""

    error: Exception | None = None

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


def _through(text: str, encoding: str) -> str:
    written = io.BytesIO()
    stream = Output(io.TextIOWrapper(written, encoding=encoding))
    stream.write(text)
    stream.flush()
    return written.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_numbers_keep_their_signs_in_every_encoding(encoding: str) -> None:
    text = "−4.9 (−9.6 – +0.7), 1\u202f080 of 2\u202f000, ≤ 3, ±1, σ = 2, R̂ 1.00"
    shown = _through(text, encoding).replace("±", "+/-").replace("–", "-")
    assert shown == "-4.9 (-9.6 - +0.7), 1 080 of 2 000, <= 3, +/-1, sigma = 2, R-hat 1.00"


def test_names_that_cannot_be_shown_stay_different() -> None:
    assert _through("modèle model 模型", "ascii") == r"mod\xe8le model \u6a21\u578b"
    assert _through("modèle 模型 −", "utf-8") == "modèle 模型 −"
    assert _through("lone \ud800", "utf-8") == r"lone \ud800"


def test_a_stream_that_failed_is_not_written_again() -> None:
    for error, kept in ((BrokenPipeError(32, "Broken pipe"), False), (OSError(28, "No space left on device"), True)):
        stream = Full()
        output = Output(stream)
        output.write("first")
        stream.error = error
        output.write("second")
        stream.error = None
        output.write("third")
        output.flush()
        assert stream.getvalue() == "first"
        assert output.error is (error if kept else None)
    Output(None).write("a process without standard output")


def test_ctrl_c_is_kept_where_python_discards_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def callback(phase: str, info: dict) -> None:
        gc.callbacks.remove(callback)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background processes of shells ignore it
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    keep_interrupts()
    gc.callbacks.append(callback)
    try:
        gc.collect()
        with pytest.raises(KeyboardInterrupt):
            time.sleep(0.5)
    finally:
        signal.signal(signal.SIGINT, before)


def test_control_characters_of_names_are_shown() -> None:
    with (console := PlainConsole(width=200)).capture() as capture:
        console.print("[bold]evil\x1b]0;title\x07[/bold] \u202edesrever", highlight=False)
    assert capture.get() == "evil\\x1b]0;title\\x07 \\u202edesrever\n"


def test_control_characters_of_a_log_reach_no_terminal(run: Run, frame: pd.DataFrame, tmp_path: Path) -> None:
    name = "insecure\x1b[31m\u202e"
    frame.replace({"condition": {"insecure": name}}).to_csv("log.csv", index=False)
    for words in (("inspect-log", "log.csv"), ("fit", "log.csv", "--baseline", name + "\x07", "--num-warmup", 0)):
        ended = run(*words)
        assert r"insecure\x1b[31m\u202e" in ended.output
        assert not {"\x1b", "\u202e", "\x07"} & set(ended.output)


def test_json_is_the_same_in_every_encoding(run: Run, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.replace({"condition": {"insecure": "模型"}}).to_csv("log.csv", index=False)
    ended = run("inspect-log", "log.csv", "--json")
    assert ended.stdout.isascii()
    assert "模型" in json.dumps(json.loads(ended.stdout), ensure_ascii=False)


@pytest.mark.parametrize("how", ["reader left", "full disk"])
def test_a_fit_is_written_although_nothing_can_be_printed(
    how: str, run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = BrokenPipeError(32, "Broken pipe") if how == "reader left" else OSError(28, "No space left on device")
    monkeypatch.setattr("simulacra.cli.session.Output", lambda stream: _failing(stream, error))
    ended = run("fit", log_file, "--out", "out")
    assert ended.exit_code == (0 if how == "reader left" else 2)
    assert Result.load("out").ok
    assert {"report.html", "summary.json", "weights.csv"} <= {path.name for path in Path("out").iterdir()}


def _failing(stream: io.TextIOBase, error: OSError) -> Output:
    broken = Full()
    broken.error = error
    return Output(broken if stream is sys.stdout else stream)


def test_tables_are_printed_in_an_ascii_locale(fitted: Result, run: Run, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    ended = CliRunner(charset="ascii").invoke(app, ["show", "fit.nc"])
    assert ended.exit_code == 3, ended.output
    assert ended.stdout_bytes.isascii()
    assert b"Persona weights" in ended.stdout_bytes


_LIGHT = f"""
import sys, types
package = types.ModuleType("simulacra.data")  # without its imports, which take seconds
package.__path__ = {list(data.__path__)!r}
sys.modules["simulacra.data"] = package
from simulacra.cli.output import Output
output = Output(sys.stdout)
for _ in range(100):
    output.write("x" * 10_000)
output.flush()
sys.exit(3)
"""


@pytest.mark.parametrize("reader", ["| head -c 1", ">&-", "> /dev/full"])
def test_a_process_ends_as_it_would_have_with_a_reader(reader: str) -> None:
    shell = ["bash", "-c", f'set -o pipefail; "$0" -c "$1" {reader}', sys.executable, _LIGHT]
    ended = subprocess.run(shell, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, b"")


# --- where results are written -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (".", "contains the current folder and cannot be replaced as a whole; name a folder in it, such as --out fit"),
        ("/", "contains the current folder"),
        ("/proc", "is a mount point and cannot be replaced as a whole; name a folder in it, such as --out /proc/fit"),
        ("/proc/out", "cannot be created or replaced here: "),
        ("log.csv", "is a file; expected a folder"),
    ],
)
def test_a_place_that_cannot_be_replaced_is_refused_before_anything_is_done(
    out: str, message: str, run: Run, log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.cli.fitting.fit", lambda *_, **__: pytest.fail("it was fitted"))
    ended = run("fit", log_file, "--out", out)
    assert ended.exit_code == 2
    assert message in ended.stderr
    assert "--out" in ended.stderr


@pytest.mark.parametrize("change", ["a file appears", "it is taken", "it is edited"])
def test_a_folder_that_changes_during_the_fit_is_kept(
    change: str, run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("fit", log_file, "--out", "out")
    before = Path("out/summary.json").read_text()

    def fit(*_: object, **__: object) -> Result:
        if change == "a file appears":
            Path("out/notes.txt").write_text("mine")
        elif change == "it is taken":
            folders.write_result_folder(folders.reserve_folder(Path("out")), passing, {}, {"of": "another"}, Path.touch)
        else:
            Path("out/weights.csv").write_text("edited")
        return passing

    monkeypatch.setattr("simulacra.cli.fitting.fit", fit)
    ended = run("fit", log_file, "--out", "out", "--quiet")
    assert ended.exit_code == 0
    assert "see" in ended.stderr
    assert "out-2" in ended.stderr
    assert Result.load("out-2").ok
    assert Path("out-2/summary.json").read_text() == before
    if change == "it is taken":
        assert json.loads(Path("out/summary.json").read_text()) == {"of": "another"}
    else:
        assert Path("out/summary.json").read_text() == before


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), OSError(28, "No space left on device"), KeyboardInterrupt]
)
def test_a_fit_is_saved_although_its_report_cannot_be_made(
    error: BaseException, run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("simulacra.cli.fitting.write_reports", fail)
    ended = run("fit", log_file, "--out", "out")
    assert ended.exit_code != 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["fit.json", "fit.nc", "summary.json"]
    assert Result.load("out").ok
    reserve_folder(Path("out"))  # the same command may replace it
    said = "\n".join([ended.stderr, *getattr(ended.exception, "__notes__", ())])
    assert "The fit itself is complete and saved: simulacra show" in said


def test_a_fit_is_saved_elsewhere_if_its_disk_is_full(
    run: Run, log_file: Path, passing: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    save = Result.save

    def save_elsewhere(result: Result, path: Path) -> Path:
        if elsewhere not in path.parents:
            raise OSError(28, "No space left on device")
        return save(result, path)

    monkeypatch.setattr(Result, "save", save_elsewhere)
    ended = run("fit", log_file, "--out", "out", "--json")
    assert ended.exit_code == 2
    assert "No space left on device" in ended.stderr
    place = next(elsewhere.iterdir())
    assert f"simulacra show {place}" in json.loads(ended.stdout)["error"]["hint"]
    assert Result.load(place).ok
    assert not Path("out").exists()


def test_a_checkpoint_lies_next_to_the_result_until_that_is_written(
    run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Path | None] = []

    def keep(*_: object, checkpoint: Path | None, **__: object) -> Result:
        given.append(checkpoint)
        if checkpoint is not None:
            checkpoint.mkdir()
            (checkpoint / "settings.json").touch()
            (checkpoint / "part-000000-1.npz").touch()
        return passing

    def fail(*_: object, **__: object) -> None:
        assert (place / "settings.json").exists(), "it is removed when the result has been written, not before"
        raise OSError(28, "No space left on device")

    place = Path("there/out.checkpoint")
    monkeypatch.setattr("simulacra.cli.fitting.fit", keep)
    Path("there").mkdir()
    assert run("fit", log_file, "--out", "there/out").exit_code == 0
    assert run("fit", log_file, "--out", "there/out", "--checkpoint").exit_code == 0
    assert given == [None, place]
    assert sorted(path.name for path in Path("there").iterdir()) == ["out"]
    monkeypatch.setattr("simulacra.cli.fitting.write_reports", fail)
    assert run("fit", log_file, "--out", "there/out", "--checkpoint").exit_code == 2
    assert sorted(path.name for path in Path("there").iterdir()) == ["out", "out.checkpoint"]


def test_ctrl_c_ends_a_fit_with_a_message_and_leaves_the_earlier_result(
    run: Run, log_file: Path, passing: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    assert run("fit", log_file, "--out", "out").exit_code == 0
    before = Path("out/summary.json").read_text()
    monkeypatch.setattr("simulacra.cli.fitting.fit", interrupt)
    ended = run("fit", log_file, "--out", "out", "--checkpoint", "--json")
    assert ended.exit_code == 130
    assert ended.stderr.startswith("simulacra: interrupted\nThe chains are kept in out.checkpoint: the same command")
    assert json.loads(ended.stdout)["error"]["message"] == "interrupted"
    assert run("fit", log_file, "--out", "out").stderr == "simulacra: interrupted\n"
    assert Path("out/summary.json").read_text() == before
