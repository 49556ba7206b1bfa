"""``simulacra personas``: persona sets in a list, in detail, and as files."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from simulacra.cli.tables import simple_table
from simulacra.formalism import LabelEmission, PersonaMixture, ScoreEmission, persona_set
from simulacra.formalism.emissions.base import AbstractEmission, prior_concentration
from simulacra.formalism.errors import InputError
from simulacra.formalism.persona_files import format_personas, is_persona_file
from simulacra.formalism.persona_sets import OPEN_SETS, SUMMARIES
from simulacra.inference.default_model import model_in_words

__all__ = ["print_personas", "print_sets", "set_as_model", "write_template"]

_HEAD = """\
# Personas in the format of simulacra. Fit them with: simulacra fit LOG --personas {name}
# A persona needs a name and a description; [personas.scores.X] is its archetype of the measurement X, masses of the
# intervals between knots (one knot more than masses) or of values (as many). gates: what the fitted persona must do to
# keep its name. evidence: without completions that satisfy this rule, the persona is left out.

"""


def print_sets(console: Console) -> None:
    """Print the shipped sets, each with what it is for and its personas."""
    table = simple_table(("set", "for", "personas"), texts=3)
    for name, purpose in SUMMARIES.items():
        table.add_row(name, escape(purpose), ", ".join(set_as_model(name, "evil").names))
    console.print(table)
    console.print(
        "simulacra personas SET explains a set, and --out my.toml writes it as a file to edit.\n"
        "emergent-misalignment+residual, for example, adds a persona without an archetype.",
        highlight=False,
        soft_wrap=True,
    )


def set_as_model(name: str, measure: str, *, coherent: bool = True) -> PersonaMixture:
    """A shipped set or a file as a model of the measurements that it describes.

    Args:
        name: the set, or the path of a TOML file.
        measure: the measurement of sets that are made for one.
        coherent: whether a score ``coherent`` is measured as well, for the set ``trait``.

    Raises:
        InputError: no such set, a file that is not valid, or a set that never has a score ``coherent``.
    """
    if not coherent and name != "trait":
        raise InputError(
            f"personas {name}: --no-coherent has no effect", expected="it with the set trait", argument="coherent"
        )
    if is_persona_file(name):
        return PersonaMixture.from_toml(name)
    if name in OPEN_SETS:
        emissions: dict[str, list[str | AbstractEmission]] = {
            "trait": [ScoreEmission(measure, high="bad"), *(["coherent"] if coherent else [])],
            "likert": [LabelEmission(measure, [1, 2, 3, 4, 5], high="bad")],
            "event": [LabelEmission(measure, ["no", "yes"])],
            "judges": [LabelEmission(f"{measure}_{judge}", ["no", "yes"]) for judge in "abc"],
        }
        return PersonaMixture(name, emissions=emissions[name])
    return PersonaMixture(name, emissions=list(dict.fromkeys(own for each in persona_set(name) for own in each.scores)))


def print_personas(console: Console, model: PersonaMixture) -> None:
    """Print what a model measures and, of every persona, its description, archetypes and gates."""
    console.print(escape(model_in_words(model)), highlight=False, soft_wrap=True)
    tables = {emission.measurement: prior_concentration(emission, model.personas) for emission in model.emissions}
    for position, persona in enumerate(model.personas):
        gates = "; ".join(f"P({gate.rule}) ≥ {gate.at_least:g}" for gate in model.gates(persona)) or "none"
        console.print(f"\n[bold]{escape(persona.name)}[/bold]: {escape(persona.description)}", highlight=False)
        console.print(escape(f"  keeps its name if {gates}"), highlight=False, soft_wrap=True)
        if persona.evidence:
            console.print(
                escape(f"  is left out where hardly any completion satisfies {persona.evidence}"), highlight=False
            )
        for emission in model.emissions:
            row = tables[emission.measurement][position]
            expected = ", ".join(
                f"{label} {share:.0%}"
                for label, share in zip(emission.categories, row / row.sum(), strict=True)
                if share >= 0.005
            )
            console.print(
                escape(f"  expected {emission.measurement}: {expected} (weight {row.sum():.0f} completions)"),
                highlight=False,
                soft_wrap=True,
            )


def write_template(model: PersonaMixture, path: Path) -> Path:
    """Write a model's personas as a file.

    Raises:
        InputError: another suffix, or a file that exists.
    """
    if not is_persona_file(path):
        raise InputError(f"--out {path}: expected a file name that ends in .toml")
    if path.exists():
        raise InputError(f"--out {path}: the file exists; name another one, or remove it")
    text = format_personas(model.personas, model.emissions, model.outcome)
    path.write_text(_HEAD.format(name=path) + text, encoding="utf-8")
    return path
