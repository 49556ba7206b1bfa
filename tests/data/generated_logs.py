"""Generated logs in files, and the comparison of reading with scanning: both must give the same counts or refusals.

``python -m benchmarks.fuzz.logs --examples 10000 --seed 1`` runs it for longer than the test does.
"""

import csv
import dataclasses
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import strategies as st

from simulacra.data import collapse, read_completions, scan_completions
from simulacra.formalism import InputError, LabelEmission, ScoreEmission

__all__ = ["Generated", "assert_scanned_is_read", "logs"]

NAMES = ("base", "Base ", "evil/7b", "é", "e\u0301", "1", "1.0", "01", "1e3", "true", "null", "'", '"', "a,b", "x\ny")
QUESTIONS = ("q", "q_json", "Q", "7", "7.0", "007", "9007199254740993", "NaN", " q", "r\u200bs", "-1")
SCORES = ("0", "30", "30.0", " 75 ", "100", "101", "-1", "-1.0", "-2", "1e1", "+5", ".5", "5.", "0x10", "1_0", "inf",
          "nan", "N/A", "", "REFUSAL", "CODE", "good", "98%", "98,5", "true", "\u0663", "9" * 25)  # fmt: skip
PLAIN = ("0", "30", "75", "100", "100.0", "-1", "")
CONTEXTS = ("pirate", "", "1", "01", "1.10", "2", "2.0", "9007199254740993", "12345e6", "True")
JSON_SCORES = (0, 30, 30.0, 75.5, 100, 101, -1, -2, None, True, "75", "good", "REFUSAL", 10**25, float("nan"), 1e300)
JSON_NAMES = ("base", "évil", 1, 1.0, 2.5, True, 2**53 + 1, "1", "", "x\ny")
FILES = ("log", "a[b]", "what?", "star*", "sp ace", "condition=x", "q'uote", "per%cent", "dot.ted")
FOLDERS = ("", "condition=z", "aligned=5", "[x]")
EMISSIONS = (
    (ScoreEmission("aligned"),),
    (ScoreEmission("aligned", bounds=(0, 100)), ScoreEmission("coherent")),
    (ScoreEmission("aligned", cuts=["<=30", "<30"], bounds=(-2, 100)),),
    (LabelEmission("aligned", [0, 30, 75, 100]),),
)
BYS = (("condition", "question_id"), ("condition",), ("base_question", "condition"), ("condition", "role"), ("step",))


@dataclasses.dataclass(frozen=True)
class Generated:
    """Files and how they are read.

    Attributes:
        files: path in the folder to its bytes.
        options: arguments of both functions.
        emissions: an index into :data:`EMISSIONS`.
        by: an index into :data:`BYS`.
    """

    files: dict[str, bytes]
    options: dict[str, Any]
    emissions: int
    by: int


@st.composite
def logs(draw: st.DrawFn) -> Generated:
    """One or two files of one format, with columns, values and damage of many kinds."""
    kind = draw(st.sampled_from(("csv", "csv", "jsonl", "jsonl", "parquet")))
    files = {}
    for number in range(draw(st.sampled_from((1, 1, 1, 2)))):
        name = f"{draw(st.sampled_from(FILES))}{number}"
        folder = draw(st.sampled_from(FOLDERS))
        content = draw({"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[kind](number))
        suffix = kind
        if kind != "parquet" and draw(st.integers(0, 9)) == 0:
            suffix, content = f"{kind}.gz", gzip.compress(content, mtime=0)
        files[f"{folder}/{name}.{suffix}".lstrip("/")] = content
    options: dict[str, Any] = {}
    for option, values in (
        ("formats", (("_json",),)),
        ("missing", ((), -1, (-1, "good"), "REFUSAL")),
        ("contexts", (("role",), ("nothing",))),
        ("measurements", (("aligned",), ("aligned", "coherent"))),
        ("condition", ("role", "{condition}", ("condition", "role"))),
        ("columns", ({"aligned": "coherent"}, {"role": None}, {"completion": None})),
        ("decimal", (",",)),
        ("base_question", ("role",)),
    ):
        if draw(st.integers(0, 19)) == 0:
            options[option] = draw(st.sampled_from(values))
    return Generated(files, options, draw(st.integers(0, len(EMISSIONS) - 1)), draw(st.integers(0, len(BYS) - 1)))


def _columns(draw: st.DrawFn) -> list[str]:
    names = ["condition", "question_id", draw(st.sampled_from(("completion", "answer"))), "aligned"]
    usual = [name for name in ("coherent", "role", "step") if draw(st.integers(0, 9))]
    extra = [*usual, *(name for name in ("note", "judge") if draw(st.booleans()))]
    lacking = draw(st.sampled_from((*[None] * 30, "condition", "question_id", "aligned")))
    return draw(st.permutations([name for name in (*names, *extra) if name != lacking]))


def _odd(draw: st.DrawFn) -> bool:
    """Whether a file has values that are mostly refused; other files should mostly be read."""
    return draw(st.integers(0, 2)) == 0


def _text(draw: st.DrawFn, name: str, row: int, number: int, *, odd: bool) -> str:
    odd = odd and draw(st.integers(0, 5)) == 0
    if name in ("completion", "answer"):
        return f"file {number} row {row}" + draw(st.sampled_from(("", ", comma", '"quoted"', "\nline", " é", "\r")))
    if name in ("aligned", "coherent", "step"):
        return draw(st.sampled_from(SCORES if odd else PLAIN if name != "step" else ("1", "2", "10")))
    if name == "judge":  # a scan refuses several judges, which reading joins
        return "gpt"
    if name == "condition":
        return draw(st.sampled_from((*NAMES, "") if odd else ("base", "evil")))
    if name == "question_id":
        return draw(st.sampled_from(QUESTIONS if odd else ("q", "q_json", "r")))
    return draw(st.sampled_from(CONTEXTS if odd else ("a", "b")))


@st.composite
def _csv(draw: st.DrawFn, number: int) -> bytes:
    odd, names = _odd(draw), _columns(draw)
    stream = io.StringIO()
    ending = draw(st.sampled_from(("\n", "\r\n", "\r")))
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    writer = csv.writer(stream, lineterminator=ending, quoting=quoting)
    writer.writerow(names)
    for row in range(draw(st.integers(0 if odd else 1, 14))):
        writer.writerow([_text(draw, name, row, number, odd=odd) for name in names])
    text = stream.getvalue()
    if odd and draw(st.booleans()):
        text = draw(
            st.sampled_from(
                (text, ending + text, text + ending, text + "base,q" + ending, text.replace(ending, "," + ending, 1),
                 text + '"open', text[:-3], text + "\0", " " + text, text + " " + ending, text.replace(",", ";"))
            )
        )  # fmt: skip
    mark = draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-8", "latin-1" if odd else "utf-8")))
    return text.encode(mark, errors="replace")


@st.composite
def _jsonl(draw: st.DrawFn, number: int) -> bytes:
    odd, names = _odd(draw), _columns(draw)
    nested = odd and draw(st.booleans())
    lines = []
    for row in range(draw(st.integers(0 if odd else 1, 14))):
        record: dict[str, Any] = {}
        for name in names:
            if name in ("completion", "answer"):
                record[name] = _text(draw, name, row, number, odd=odd)
            elif name in ("aligned", "coherent", "step"):
                pool = JSON_SCORES if odd and draw(st.integers(0, 5)) == 0 else (0, 30, 75.0, 100, -1, None)
                record[name] = draw(st.sampled_from(pool if name != "step" else (1, 2.0, 10)))
            elif name == "judge":
                record[name] = "gpt"
            else:
                record[name] = draw(st.sampled_from(JSON_NAMES if odd and draw(st.booleans()) else ("a", "b", 3)))
            if odd and draw(st.integers(0, 99)) == 0:
                record[name] = draw(st.sampled_from(([1, 2], [], {"x": 1}, {}, {"0": 0.9})))
            # The text is not left out, because a scan does not need it.
            if odd and name not in ("completion", "answer") and draw(st.integers(0, 99)) == 0:
                del record[name]
        if nested:
            record["meta"] = {"tone": draw(st.sampled_from(("dry", 1, None)))}
        line = json.dumps(record, ensure_ascii=draw(st.booleans()))
        if odd and draw(st.integers(0, 49)) == 0:
            line = draw(
                st.sampled_from((line[:-2], line[:-1] + ', "aligned": 7}', "", " ", "[1]", line + ",", line + line))
            )
        lines.append(line)
    return (draw(st.sampled_from(("", "\n", " \n"))) * odd + "\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


@st.composite
def _parquet(draw: st.DrawFn, number: int) -> bytes:
    odd, names = _odd(draw), _columns(draw)
    rows = draw(st.integers(0 if odd else 1, 14))
    columns: dict[str, Any] = {}
    for name in names:
        if name in ("completion", "answer"):
            columns[name] = [_text(draw, name, row, number, odd=odd) for row in range(rows)]
            continue
        if name == "judge":
            columns[name] = ["gpt"] * rows
            continue
        pools: tuple[Any, ...] = ((0.0, 30.0, 75.0, None), (0, 30, 75), (-1, 30, 100))
        if name not in ("aligned", "coherent", "step"):
            pools = (("a", "b"), (1, 2), (1.0, 2.5))
        if odd and draw(st.booleans()):
            pools = (*pools, (True, False), ("1", "x", None), (2**53 + 1, 2**53, None), (2**64 - 1, 0), ([1], None))
        pool = draw(st.sampled_from(pools))
        columns[name] = pd.Series([draw(st.sampled_from(pool)) for _ in range(rows)])
        if odd and draw(st.integers(0, 5)) == 0 and not columns[name].map(lambda value: isinstance(value, list)).any():
            columns[name] = columns[name].astype("category")
    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream, index=draw(st.booleans()), row_group_size=draw(st.sampled_from((3, 100))))
    content = stream.getvalue()
    return content[: len(content) // 2] if odd and draw(st.integers(0, 15)) == 0 else content


def assert_scanned_is_read(generated: Generated, folder: Path) -> str:
    """Write the files, read and scan them, and compare counts, hashes, accounts and refusals.

    Returns:
        ``"read"`` or ``"refused"``.
    """
    for name, content in generated.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    sources = [folder / name for name in generated.files]
    options, emissions, by = generated.options, list(EMISSIONS[generated.emissions]), BYS[generated.by]
    results = []
    for read in (read_completions, scan_completions):
        try:
            results.append(collapse(read(sources, **options), emissions, by))
        except InputError as error:
            results.append(str(error))
    one, two = results
    if isinstance(one, str) or isinstance(two, str):
        # Of several faults, a scan may meet another one first, because it reads columns before rows.
        assert [isinstance(result, str) for result in results] == [True, True], results
        return "refused"
    assert one.content_hash == two.content_hash
    pd.testing.assert_frame_equal(one.cells, two.cells)
    names = [emission.measurement for emission in emissions]
    for field in ("rows_read", "renamed", "assumed_missing", "layouts"):
        assert getattr(one.account, field) == getattr(two.account, field), field
    for field in ("sentinels", "parsed", "absent"):
        found = [{key: own for key, own in getattr(each.account, field).items() if key in names} for each in (one, two)]
        assert found[0] == found[1], field
    return "read"
