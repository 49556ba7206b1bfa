"""Command-line options that describe a model, as arguments of :func:`~simulacra.inference.default_model`."""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from simulacra.cli.reading import parse_names
from simulacra.formalism.emissions.base import High
from simulacra.formalism.errors import InputError
from simulacra.formalism.outcomes import Outcome, as_outcome
from simulacra.formalism.partitions import Partition
from simulacra.inference import Declared

__all__ = ["parse_concentrations", "parse_declarations", "parse_event", "parse_families", "parse_template_kwargs"]

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
