"""Recognising columns by their usual names: used if unambiguous, and always reported."""

import dataclasses
import difflib
import re
from collections.abc import Collection, Iterable, Mapping

from simulacra.data.errors import LogError

__all__ = [
    "ALIASES",
    "ITEMS",
    "KNOWN_CONTEXTS",
    "PROVENANCE",
    "SCORES",
    "Header",
    "corrected",
    "folded",
    "is_context",
    "is_trait",
    "match_columns",
    "resembling",
    "suffixed",
]

ALIASES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "condition": (("condition",),),
    "question_id": (("question_id", "qid"), ("question",), ("prompt",)),
    "completion": (
        ("completion", "answer", "response", "generation"),
        ("completions", "answers", "responses", "generations", "outputs", "rollouts"),  # lists, unfolded
        ("text", "output", "model_response", "model_output", "generated_text"),
    ),
    "aligned": (("aligned", "aligned_score", "alignment", "alignment_score"),),
    "coherent": (("coherent", "coherence", "coherent_score", "coherence_score"),),
}
"""Recognised names of each canonical column: tiers in order of preference, names within a tier are equivalent."""

SCORES = ("aligned", "coherent")
"""Measurements that are recognised by name; a file may not lack one that another file has."""

ITEMS = ("item_id", "completion_id", "sample_id", "uuid", "id")
"""Usual names of the column that identifies a completion, the most specific first."""

_ARGUMENTS = ("condition", "base_question")
"""Columns that have an argument of their own."""

PROVENANCE = ("source", "record")
"""Columns that the reader writes; a file's own column of this name is excluded."""

KNOWN_CONTEXTS = frozenset(
    [
        "model",
        "checkpoint",
        "step",
        "epoch",
        "seed",
        "rank",
        "lora_rank",
        "temperature",
        "max_tokens",
        "num_tokens",
        "turn",
        "sample",
        "sample_id",
        "sample_index",
        "index",
        "id",
        "item_id",
        "paraphrase_index",
        "attempts",
        "group",
        "role",
        "trigger",
        "triggered",
        "format",
        "arm",
        "target",
    ]
)
"""Names of contexts: how a completion was generated, not a measurement of it, even if the values are numbers."""


@dataclasses.dataclass(frozen=True)
class Header:
    """The column names of one file.

    Attributes:
        file: the file, as given.
        columns: names of columns with one value per row.
        nested: names of columns that contain lists.
        excluded: columns that the reader could not keep, with the reason.
    """

    file: str
    columns: tuple[str, ...]
    nested: tuple[str, ...] = ()
    excluded: Mapping[str, str] = dataclasses.field(default_factory=dict)


def folded(name: str) -> str:
    """A name in the form in which names are compared, ``"Alignment Score"`` as ``alignment_score``."""
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


_BOOKKEEPING = re.compile(
    r"unnamed:_?\d+|top_[kp]|run(_id)?|trial|attempt|replicate|repeat|iteration|line(_number)?"
    r"|(.*_)?(idx|index|timestamps?|dates?|created(_at)?|generated_at|updated_at"
    r"|(times?|duration|latency|elapsed)(_?(ms|s|secs?|seconds))?|seconds"
    r"|tokens?|(n|num)_(chars|words)|(token|char|word)_count|length|usage|(cost|price)(_(usd|eur))?"
    r"|turns|record_id|row(_?(id|number))?)"
)


def is_context(name: str) -> bool:
    """Whether a column says how a completion was generated, by its name: contexts, indices, times and usage.

    Such a column is never a measurement unless it is requested, even if its values are numbers.
    """
    last = folded(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.rpartition(".")[2]))
    return folded(name) in KNOWN_CONTEXTS or last in KNOWN_CONTEXTS or _BOOKKEEPING.fullmatch(last) is not None


_TRAIT = re.compile(
    r"(?<![a-z])(evil|sycophan|harm|toxic|hallucinat|decepti|dishonest|misalign|danger|unsafe|malicio|callous|reckless"
    r"|hostil|violen|racis|sexis|power_seek|lying|manipulat|jailbr)"
)
_OPPOSITE = re.compile(r"less|(^|_)(non|not|no|anti|inverted|reversed)_|non(?=toxic|harm)")


def is_trait(name: str) -> bool:
    """Whether high values of a score of this name are bad: ``evil``, ``harm``, ``toxicity``, not ``harmlessness``."""
    own = folded(name)
    return _TRAIT.search(own) is not None and _OPPOSITE.search(own) is None


def resembling(canonical: str, names: Iterable[str]) -> list[str]:
    """The names that contain a usual name of a canonical column: ``scores.aligned`` and ``aligned_gpt4``."""
    usual = [alias for tier in ALIASES.get(canonical, ()) for alias in tier]
    within = re.compile(rf"(?<![a-z])({'|'.join(map(re.escape, usual))})")
    return [name for name in names if usual and within.search(folded(name))]


def suffixed(metric: str, judge: str) -> str:
    """The column of one judge's scores if there are several: ``aligned_gpt_4o``, a name that rules can use."""
    return f"{metric}_{re.sub(r'[^0-9A-Za-z_]+', '_', judge)}"


def match_columns(
    header: Header, given: Mapping[str, str | None], taken: Collection[str] = (), claimed: Collection[str] = ()
) -> dict[str, str]:
    """The file's own name of every canonical column that the file has.

    Args:
        header: the file's columns.
        given: the caller's ``columns=``: canonical name to the file's name; None excludes a column.
        taken: names that the file-name pattern already gives.
        claimed: columns requested as measurements or contexts, which are not used as condition, question or completion.

    Returns:
        Canonical name to the file's name.

    Raises:
        LogError: two candidates for one column; a name in ``given`` that the file does not have, or whose column
            contains lists.
    """
    found = {}
    for canonical, tiers in ALIASES.items():
        if canonical not in given and canonical not in taken:
            name = _only_candidate(header, canonical, tiers, given, () if canonical in SCORES else claimed)
            if name is not None:
                found[canonical] = name
    for canonical, name in given.items():
        if name is not None:
            found[canonical] = _present(header, canonical, name)
            if canonical == "aligned" and is_trait(name):
                raise _inverted(header, name)
    _refuse_shared(header, found)
    return found


def _only_candidate(
    header: Header,
    canonical: str,
    tiers: tuple[tuple[str, ...], ...],
    given: Mapping[str, str | None],
    claimed: Collection[str],
) -> str | None:
    reserved = {name for name in given.values() if name is not None} | {key for key in given if given[key] is None}
    reserved |= set(claimed)
    free = [name for name in (*header.columns, *header.nested) if name not in reserved]
    for tier in tiers:
        names = [name for name in free if folded(name) in tier]
        if len(names) > 1:
            raise LogError(
                f"columns {names} could each be {canonical!r}",
                file=header.file,
                column=names[0],
                expected="one of them",
                remedy=f'pass columns={{"{canonical}": "{names[0]}"}} to choose it',
                argument="columns",
            )
        if names:
            return _present(header, canonical, names[0])
    return None


def _present(header: Header, canonical: str, name: str) -> str:
    if name in header.nested:
        raise LogError(
            f"the column read as {canonical!r} contains lists",
            file=header.file,
            column=name,
            expected="one value per row",
            remedy=f"load the file with pandas, use .explode({name!r}), and pass the DataFrame",
        )
    if name not in header.columns:
        raise LogError(
            f"there is no column {name!r} to read as {canonical!r}",
            file=header.file,
            expected=f"one of the file's columns: {', '.join(header.columns)}",
            remedy=_right_name(header, canonical, name),
            argument=canonical if canonical in _ARGUMENTS else "columns",
        )
    return name


def _inverted(header: Header, name: str) -> LogError:
    return LogError(
        "high values of this score are bad, and of 'aligned' they are good, so that every rate would be inverted",
        file=header.file,
        column=name,
        expected="a score of which high values are good",
        remedy=f"model it under its own name, PersonaMixture('trait', emissions=[ScoreEmission({name!r}), …]); if high "
        "values are good, rename the column",
        argument=("columns", "measurements"),
    )


def _right_name(header: Header, canonical: str, name: str) -> str:
    """The probable intention behind an unknown column: the pair reversed, or a similar name."""
    if canonical in header.columns and name in ALIASES:
        pair = f'columns={{"{name}": "{canonical}"}}'
        return f"the log's name comes first and the file's name second: pass {pair}"
    return corrected(name, header.columns)


def corrected(name: str, known: Iterable[str]) -> str:
    """The remedy for a column that does not exist, with a similar name if there is one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}? Correct the name in the call" if near else "correct the name in the call"


def _refuse_shared(header: Header, found: Mapping[str, str]) -> None:
    for canonical, name in found.items():
        others = [other for other in found if other != canonical and found[other] == name]
        if others:
            raise LogError(
                f"the column would be read both as {canonical!r} and as {others[0]!r}",
                file=header.file,
                column=name,
                expected="a column for each",
                remedy=f'pass columns={{"{others[0]}": …}} with the right column',
                argument="columns",
            )
