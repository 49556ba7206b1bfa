"""Command-line options that describe models, values and designs, as arguments of Python functions."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

from simulacra.analysis import Guess
from simulacra.cli.reading import parse_names
from simulacra.formalism import RESIDUAL, LikelihoodEmission, PersonaMixture
from simulacra.formalism.emissions.base import High
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome, as_outcome
from simulacra.formalism.partitions import Partition
from simulacra.formalism.persona_files import is_persona_file, read_personas
from simulacra.formalism.persona_sets import OPEN_SETS, base_set, persona_set
from simulacra.inference import Declared, Result, default_model
from simulacra.inference.log_measurements import Log

__all__ = [
    "candidates",
    "expect_personas",
    "likelihoods_of",
    "parse_concentrations",
    "parse_declarations",
    "parse_event",
    "parse_families",
    "parse_numbers",
    "parse_template_kwargs",
    "parse_values",
    "planned_source",
]

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_SCORE = re.compile(rf"(.+?)(?::{_NUMBER}-{_NUMBER})?(?::high-is-(good|bad))?")


def parse_declarations(scores: Sequence[str] = (), cuts: Sequence[str] = ()) -> dict[str, Declared]:
    """``["evil:0-10:high-is-bad"]`` and ``["aligned:<30,<=75"]`` as declarations by measurement.

    Args:
        scores: range, direction, or both.
        cuts: bin edges.

    Raises:
        InputError: a text of another form.
    """
    found: dict[str, Declared] = {}
    for text in scores:
        match = _SCORE.fullmatch(text)
        if match is None or match[2] is None is match[4]:
            raise InputError(
                f"--score {text!r}: expected NAME:LOW-HIGH, such as medical:0-10 or valence:-5-5, with "
                ":high-is-bad or :high-is-good, or NAME:high-is-bad alone"
            )
        bounds = None if match[2] is None else (float(match[2]), float(match[3]))
        found[match[1]] = Declared(bounds, cast(High | None, match[4]))
    for text in cuts:
        name, colon, edges = text.partition(":")
        if not (name and colon and parse_names(edges)):
            raise InputError(f"--cuts {text!r}: expected NAME:CUTS, such as 'aligned:<30,<=75'")
        found[name] = found.get(name, Declared())._replace(cuts=parse_names(edges))
    return found


def parse_families(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``["gpt=verdict_4o,verdict_41"]`` as the judges of every family.

    Raises:
        InputError: a text of another form.
    """
    found = {}
    for text in texts:
        name, equals, judges = text.partition("=")
        if not (equals and name.strip() and len(parse_names(judges)) > 1):
            raise InputError(f"--family {text!r}: expected NAME=JUDGE,JUDGE, such as gpt=verdict_4o,verdict_41")
        found[name.strip()] = parse_names(judges)
    return found


def parse_concentrations(texts: Sequence[str]) -> dict[str, float]:
    """``["misaligned=200"]`` as concentrations by persona.

    Raises:
        InputError: a text of another form.
    """
    found = {text: re.fullmatch(rf"([^=]+)={_NUMBER}", text) for text in texts}
    for text, match in found.items():
        if match is None:
            raise InputError(f"--concentration {text!r}: expected PERSONA=NUMBER, such as misaligned=200")
    return {match[1]: float(match[2]) for match in found.values() if match is not None}


def expect_personas(name: str) -> None:
    """Refuse personas that no log can make valid, before one is read.

    Raises:
        InputError: a file that cannot be read as personas, or no such set.
    """
    if is_persona_file(name):
        read_personas(name)
    elif base_set(name) not in OPEN_SETS:
        persona_set(name)


def likelihoods_of(
    *, reference: str | None, label: str | None, calibration: Literal["cut", "joint"] | None, used: bool
) -> LikelihoodEmission | bool:
    """The emission of log-likelihoods, or ``False`` if they are not used.

    Raises:
        InputError: an option of likelihoods that are not used, or a label without references.
    """
    if used:
        return LikelihoodEmission(reference=reference, label=label, calibration=calibration or "cut")
    for name, value in {"--references": reference, "--reference-label": label, "--calibration": calibration}.items():
        if value is not None:
            raise InputError(f"{name} {value} applies to likelihoods only", remedy="add --likelihoods, or leave it out")
    return False


def parse_event(outcome: str | None, categories: Sequence[str], rest: str, of: str) -> Outcome | Partition:
    """The rule of an outcome, or ``["incoherent=coherent <= 50"]`` as the categories of a partition.

    Raises:
        InputError: neither or both, a text of another form, or a rule that is not understood.
    """
    if bool(categories) == (outcome is not None):
        raise InputError("expected either --outcome RULE or one --category NAME=RULE or more")
    if outcome is not None:
        return as_outcome(outcome, "simulacra rates", of=of)
    rules = {}
    for text in categories:
        name, equals, rule = (part.strip() for part in text.partition("="))
        if not (name.replace(" ", "").isidentifier() and equals and rule):
            raise InputError(f"--category {text!r}: expected NAME=RULE, such as 'incoherent=coherent <= 50'")
        rules[name] = rule
    return Partition(rules, rest, of)


def parse_template_kwargs(texts: Sequence[str]) -> dict[str, Any]:
    """``["enable_thinking=false"]`` as arguments of a chat template; a value that is not JSON is text.

    Raises:
        InputError: a text without a name or ``=``.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--template-kwargs {text!r}: expected NAME=VALUE, such as enable_thinking=false")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def parse_values(texts: Sequence[str], option: str) -> dict[str, float]:
    """``["base=0", "ft, trigger=on=40"]`` as numbers by name.

    Raises:
        InputError: a text of another form.
    """
    found = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            name = ""
        if not name.strip():
            raise InputError(f"{option} {text!r}: expected CONDITION=VALUE, such as narrow-step-10=10")
    return found


def parse_numbers(text: str, option: str) -> tuple[int, ...]:
    """``"4,8,16"`` as whole numbers.

    Raises:
        InputError: a text of another form.
    """
    parts = parse_names(text)
    if not parts or not all(part.isdecimal() for part in parts):
        raise InputError(f"{option} {text!r}: expected whole numbers, such as 8,16")
    return tuple(map(int, parts))


def planned_source(result: Path | None, rate: float | None, difference: float | None) -> Result | Guess:
    """The first log or the guess that a plan starts from.

    Raises:
        InputError: neither a result nor both numbers, or a result and a rate.
    """
    if result is not None:
        if rate is not None:
            raise InputError("plan: --rate is a guess, but a result was given", remedy="leave one of them out")
        return Result.load(result)
    if rate is None or difference is None:
        raise InputError("plan: expected a saved result, or both --rate and --difference")
    return Guess(rate, difference)


def candidates(log: Log, personas: Sequence[str], **options: Any) -> dict[str, PersonaMixture]:
    """The models to compare, by name: persona sets of the same measurements.

    Args:
        log: the log.
        personas: sets or files. Default: the set of the log, and it with a residual persona.
        options: arguments of :func:`~simulacra.inference.default_model`.
    """
    if not personas:
        usual = default_model(log, silent=True, **options)
        return {"default": usual, "+residual": usual.with_personas([*usual.personas, RESIDUAL])}
    first, *others = (default_model(log, personas=name, silent=True, **options) for name in personas)
    same = [first, *(first.with_personas(other.personas) for other in others)]
    return dict(zip(personas, same, strict=True))
