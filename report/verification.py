r"""Verification of a paper: every number with a key is derived again from the saved result and compared.

A keyed number is a key, as :meth:`~simulacra.inference.Result.cite` accepts it, followed by a number: all text that
:func:`~simulacra.report.format_citation` returns, and shorter forms of it::

    rate[narrow]: 0.312 on these 8 questions (89% ETI 0.273–0.350; …)
    `rate[narrow]`: **31.2%**
    <!-- rate[narrow] -->0.312 (89% ETI 0.273–0.350)
    % rate[narrow]
    \num{0.312} (89\% ETI \numrange{0.273}{0.350})

What is written is compared: the number and the ends of its interval, to as many digits as are written, the scope, and
the diagnostics and provenance that follow the interval. What is left out is not.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from simulacra.formalism.errors import InputError, expect_type
from simulacra.inference import Citation, Result

__all__ = ["verify_paper"]

_PLAIN: Sequence[tuple[str, str]] = (
    (r"\$\\hat\s*\{?R\}?\$|\bR-hat\b", "R̂"),
    (r"\\numrange\{([^{}]*)\}\{([^{}]*)\}", r"\1–\2"),
    (r"\\(?:SI|qty)\{([^{}]*)\}\{\\percent\}", r"\1%"),
    (r"\\(?:num|texttt|textbf|emph)\{([^{}]*)\}", r"\1"),
    (r"\\,|[~\u00a0\u2009\u202f]", " "),
    (r"\\([%_&#$\[\]])", r"\1"),
    ("(?<!!)---?(?!>)", "–"),
    (r"\$-\$|−", "-"),
    (r"\$(-?[\d.]+)\$", r"\1"),
    (r"[*`…]", ""),
    (r"(?<=\d) (?=\d{3}\b)", ""),
)
"""Markup of Markdown and LaTeX, and the plain text that it stands for; line ends stay where they are."""

_POINTS = r"(?:\s?%|\s(?:percentage\s)?points?\b)"
_NUMBER = rf"[+-]?(?:\d*\.\d+{_POINTS}?|\d+{_POINTS})"
_KEY = r"\(*\w+\[[^\[\]]+\](?:\)*\s-\s\(*\w+\[[^\[\]]+\])*\)*"
_CITED = (
    r"\s*?(?::\s|=|-->|(?:;[^\n]*)?\n)\s*"
    rf"(?P<value>{_NUMBER})"
    r"(?:(?P<scope>[^%\[\]]{0,300}?)\s*\((?P<probability>\d+(?:\.\d+)?)%\s+ETI\s+"
    rf"(?P<lower>{_NUMBER})\s*(?:–|-|to|,)\s*(?P<upper>{_NUMBER})"
    r"(?P<rest>(?:[^()]|\([^()]*\))*)\))?"
)
"""What follows a key: the number, and its scope, interval, diagnostics and provenance, as far as they are written."""
_PROVENANCE = re.compile(r"simulacra\s+[\w.+]+,\s+(?:seed\s+\d+,\s+)?data\s+[0-9a-f]{8}\b")
_CONTRAST = re.compile(r"(new_)?(rate|implied_rate|weight)\[([^\[\]]+)\] - \1\2\[([^\[\]]+)\]")
_NOT_DERIVED = 1000
"""Stands for more differences than a citation can have."""
_QUANTITIES = {"rate": "rates", "implied_rate": "implied_rates", "weight": "weights"}


@dataclasses.dataclass(frozen=True)
class _Keyed:
    """A keyed number as it is written, in plain text: parts that are left out are None."""

    key: str
    value: str
    scope: str | None
    probability: str | None
    lower: str | None
    upper: str | None
    rest: str | None

    def __str__(self) -> str:
        ends = f" ({self.probability}% ETI {self.lower} to {self.upper})" if self.probability else ""
        return f"{self.value}{ends}"


def verify_paper(
    paper: str | Path, results: Result | Sequence[Result], *, citations: Iterable[Citation] = ()
) -> pd.DataFrame:
    """Compare every keyed number of a paper with the number that the result gives now.

    Args:
        paper: a Markdown, LaTeX or text file.
        results: the result from which the paper cites, or several; each number is compared with the one that fits best,
            by its data hash if that is written.
        citations: citations that no key of a result gives, such as those of a mix of questions, of contrasts of means,
            and of the functions of :mod:`simulacra.analysis`.

    Returns:
        One row per keyed number, in the order of the paper. Columns ``file, line`` (of the number), ``key, written``,
        ``derived`` (the citation now, or nothing), ``status``: ``"ok"``, or what differs and why.

    Raises:
        InputError: the file cannot be read as text, or contains no keyed number.

    When not to trust this: a number is found by its key. Numbers without keys, and those in figures, are not compared.
    """
    expect_type(paper, (str, Path), "paper", "verify_paper", expected="the path of a Markdown or LaTeX file")
    path, several = Path(paper), [results] if isinstance(results, Result) else list(results)
    text = _plain(_read(path))
    own = {_folded(citation.key): citation for citation in citations}
    known = [_folded(key) for key in (*own, *(key for result in several for key in result.citable))]
    rows = [
        (text.count("\n", 0, place) + 1, keyed.key, str(keyed), *_verdict(keyed, several, own))
        for place, keyed in _keyed_numbers(text, known)
    ]
    if not rows:
        raise InputError(
            f"{path}: no number has a key",
            expected="keys in front of numbers, such as 'rate[narrow]: 0.312', or in a comment before them",
            remedy="Result.citable lists the keys, and format_citation writes them with their numbers",
            argument="paper",
        )
    table = pd.DataFrame(rows, columns=["line", "key", "written", "derived", "status"])
    table.insert(0, "file", str(path))
    return table.sort_values("line", kind="stable", ignore_index=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: {error.strerror if isinstance(error, OSError) else 'is not text in UTF-8'}",
            expected="a Markdown or LaTeX file",
            argument="paper",
        ) from error


def _plain(text: str) -> str:
    for markup, plain in _PLAIN:
        text = re.sub(markup, plain, text)
    return text


def _folded(key: str) -> str:
    return " ".join(_plain(key).split())


def _keyed_numbers(text: str, known: Sequence[str]) -> Iterator[tuple[int, _Keyed]]:
    """Every keyed number with the place of its number in the text, and every citation whose key is missing."""
    names = [re.escape(key).replace(r"\ ", r"\s+") for key in sorted(set(known), key=len, reverse=True)]
    spans = []
    for match in re.finditer(rf"(?P<key>{'|'.join([*names, _KEY])}){_CITED}", text):
        spans.append(match.span())
        parts = {name: None if part is None else " ".join(part.split()) for name, part in match.groupdict().items()}
        yield match.start("value"), _Keyed(**parts)  # type: ignore[arg-type]
    for match in _PROVENANCE.finditer(text):
        if not any(start <= match.start() < end for start, end in spans):
            yield match.start(), _Keyed("", match[0], *[None] * 5)


def _verdict(keyed: _Keyed, results: Sequence[Result], own: Mapping[str, Citation]) -> tuple[str, str]:
    """The citation now and the status, by the result that fits best."""
    if not keyed.key:
        return "", "no key: write the citation as format_citation does"
    if keyed.key in own:
        return str(own[keyed.key]), _status(_differences(keyed, own[keyed.key]))
    verdicts = []
    for result in results:
        try:
            now = _derive(keyed, result)
        except InputError as error:
            reason = str(error).splitlines()[0].removesuffix(" These can be cited:")
            verdicts.append((_NOT_DERIVED, "", reason))
        else:
            differences = _differences(keyed, now)
            verdicts.append((len(differences), str(now), _status(differences)))
    nothing = (_NOT_DERIVED, "", "no citation has this key, and there is no result")
    return min(verdicts, key=lambda verdict: verdict[0], default=nothing)[1:]


def _status(differences: Sequence[str]) -> str:
    return f"drifted: {'; '.join(differences)}" if differences else "ok"


def _derive(keyed: _Keyed, result: Result) -> Citation:
    """The citation of a key, or of a contrast of two groups.

    Raises:
        InputError: the key does not exist, or the number is withheld.
    """
    probability = None if keyed.probability is None else float(keyed.probability) / 100
    alike = [own for own in result.citable if _folded(own).casefold() == keyed.key.casefold()]
    key = next((own for own in alike if _folded(own) == keyed.key), next(iter(alike), keyed.key))
    contrast = _CONTRAST.fullmatch(keyed.key)
    if contrast is None:
        return result.cite(key, ci_prob=probability)
    new, kind, *groups = contrast.groups()
    persona = None
    if kind == "weight":
        (group, _, persona), (minus, _, other) = (name.rpartition(", ") for name in groups)
        if persona != other or not group:
            return result.cite(keyed.key, ci_prob=probability)  # which says that there is no such key
        groups = [group, minus]
    of = _QUANTITIES[kind]
    found = result.contrast(groups[0], groups[1], of=of, persona=persona, scope="new" if new else "these")
    family = re.search(r"one of (\d+) comparisons", keyed.rest or "")  # of a family that the paper chose
    return dataclasses.replace(found.cite(ci_prob=probability), comparisons=int(family[1]) if family else 1)


def _differences(keyed: _Keyed, now: Citation) -> list[str]:
    """What is written and does not hold now."""
    percent = not keyed.value[-1].isdigit()  # then the ends of the interval are as well
    numbers = (
        ("value", keyed.value, now.value),
        ("lower end", keyed.lower, now.lower),
        ("upper end", keyed.upper, now.upper),
    )
    found = [
        f"{name} {written} is now {now.rounded(value)}"
        for name, written, value in numbers
        if written is not None and not _agrees(written, value, percent=percent)
    ]
    scope = _folded(now.scope)
    if keyed.scope and keyed.scope != scope:
        found.append(f"scope {keyed.scope!r} is now {scope!r}")
    written = _pieces(keyed.rest or "") - {f"seed {now.provenance.seed}"}
    current = _pieces(_plain(str(now)).partition(" ETI ")[2].partition(";")[2].removesuffix(")"))
    found += [f"{piece!r} does not hold" for piece in sorted(written - current)]
    if _PROVENANCE.search(keyed.rest or ""):  # a complete citation
        found += [f"{piece!r} is missing" for piece in sorted(current - written)]
    return found


def _agrees(written: str, value: float, *, percent: bool) -> bool:
    """Whether a written number is the value, rounded to the digits that are written."""
    number = written.split()[0].rstrip("%")
    size = 0.01 if percent else 1.0
    last = size * 10.0 ** -len(number.partition(".")[2])
    return abs(float(number) * size - value) <= 0.5 * last * (1 + 1e-9)


def _pieces(rest: str) -> set[str]:
    """Diagnostics, caveats and provenance, one by one."""
    return {" ".join(piece.split()) for piece in re.split("[;,]", rest)} - {""}
