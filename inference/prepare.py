"""Preparation of a fit: cells, patterns and counts of a log as arrays, and notes on what was changed or left out."""

import dataclasses
import difflib
import functools
import re
import warnings

import numpy as np
import pandas as pd

from simulacra.data import CollapsedLog, CompletionLog, ScannedLog, collapse
from simulacra.data.counting.aggregate import distinct_rows
from simulacra.formalism.density_ratios import Texts
from simulacra.formalism.display import card, listing
from simulacra.formalism.errors import InputError
from simulacra.formalism.mixture import PersonaMixture
from simulacra.formalism.outcomes import Rule
from simulacra.formalism.weights import WeightDesign, weight_design

__all__ = ["Prepared", "assemble", "design_of", "on_design", "prepare", "without_idle"]

_BASE = ("condition", "question_id", "base_question")
_CONTEXTS = frozenset(("trigger", "triggered", "framing", "system_prompt", "checkpoint", "step", "context"))
"""Contexts by which rates are reported even if the formula does not name them."""
_REPLICATES = frozenset(("seed", "epoch", "run", "replicate", "sample", "sample_id", "judge"))
_MOST_LEVELS = 50
IDLE_SHARE = 0.03
"""A persona is left out if its evidence holds for a smaller proportion of completions than this in every condition."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Prepared:
    """Model and data of a fit, as arrays.

    Attributes:
        model: the model, without the personas that were left out.
        design: its weight formula evaluated on C cells.
        patterns: category codes of P measurement patterns, shape ``(P, measurements)``.
        counts: completions by cell and pattern, shape ``(C, P)``.
        conditions: names of the M conditions, the baseline first.
        condition: index of the condition of every cell, -1 for an empty cell without one, shape ``(C,)``.
        collapsed: the counts of the log.
        texts: log-likelihoods of texts by point, on the cells of the design; ``None`` if the model has none.
        notes: what was changed or left out, and why.
    """

    model: PersonaMixture
    design: WeightDesign
    patterns: np.ndarray
    counts: np.ndarray
    conditions: tuple[str, ...]
    condition: np.ndarray
    collapsed: CollapsedLog
    texts: Texts | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        cells, patterns = self.counts.shape
        return card(
            f"Prepared: {len(self.collapsed)} completions in {cells} cells and {patterns} patterns",
            f"conditions: {listing(self.conditions)}",
            f"personas: {listing(self.model.names)}",
            f"weights: {self.design.formula}",
        )

    @property
    def is_cut(self) -> bool:
        """Whether the calibration of texts is cut from the rows."""
        return self.model.likelihood is not None and self.model.likelihood.calibration == "cut"

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Category codes ``(Q, measurements)`` of the units of the likelihood, and their counts by cell ``(C, Q)``.

        These are measurement patterns, or the points of texts if there are any.
        """
        if self.texts is None:
            return self.patterns, self.counts
        counts = np.zeros((len(self.counts), len(self.texts.cell)))
        counts[self.texts.cell, np.arange(len(self.texts.cell))] = self.texts.total
        return self.patterns[self.texts.pattern], counts

    @property
    def in_condition(self) -> np.ndarray:
        """Whether a cell belongs to a condition, shape ``(M, C)``."""
        return np.equal.outer(np.arange(len(self.conditions)), self.condition)

    @property
    def shares(self) -> np.ndarray:
        """Proportion of the completions of every condition in each cell, shape ``(M, C)``; rows sum to one."""
        by_condition = self.in_condition * self.counts.sum(axis=1)
        return by_condition / by_condition.sum(axis=1, keepdims=True)

    @property
    def contexts(self) -> tuple[str, ...]:
        """The contexts by which rates are reported, which are columns of the cells that vary within a condition.

        Formats are not contexts: they are ways to ask the same base question. Neither are seeds and other numbers of
        repeated samples.
        """
        cells = self.collapsed.cells
        others = [str(name) for name in cells if name not in (*_BASE, "format")]
        question = self.collapsed.question_column
        return tuple(
            name
            for name in others
            if name.casefold() not in _REPLICATES
            and cells[name].nunique() <= _MOST_LEVELS
            and cells.groupby("condition", observed=True)[name].nunique(dropna=False).max() > 1
            and cells.groupby(question, observed=True)[name].nunique(dropna=False).max() > 1
        )

    @functools.cached_property
    def groups(self) -> pd.DataFrame:
        """The conditions with the contexts in which they were sampled, one row per group; the baseline first."""
        columns = ["condition", *self.contexts]
        order = {name: position for position, name in enumerate(self.conditions)}
        return (
            self.collapsed.cells[columns]
            .drop_duplicates()
            .sort_values(columns, key=lambda own: own.map(order) if own.name == "condition" else own, kind="stable")
            .reset_index(drop=True)
        )

    @property
    def group(self) -> np.ndarray:
        """The group of every cell of the collapsed log, a row of :attr:`groups`; int, shape ``(cells,)``."""
        position = self.groups.assign(group=range(len(self.groups)))
        return self.collapsed.cells[list(self.groups)].merge(position, how="left")["group"].to_numpy()

    @property
    def group_counts(self) -> np.ndarray:
        """Completions of every group by pattern, shape ``(G, P)``."""
        counts = np.zeros((len(self.groups), len(self.patterns)))
        np.add.at(counts, self.group, np.asarray(self.collapsed.counts, dtype=float))
        return counts

    @property
    def logged_questions(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """The base question of every cell of the collapsed log, int, shape ``(cells,)``, and the names of all Q."""
        numbers, names = pd.factorize(self.collapsed.base_questions)
        return numbers, tuple(map(str, names))

    @property
    def asked(self) -> np.ndarray:
        """Whether a group was asked a base question, shape ``(G, Q)``."""
        question, names = self.logged_questions
        asked = np.zeros((len(self.groups), len(names)), dtype=bool)
        asked[self.group, question] = True
        return asked

    @property
    def group_shares(self) -> np.ndarray:
        """Proportion of the completions of every group in each cell of the design, shape ``(G, C)``."""
        shares = np.zeros((len(self.groups), len(self.counts)))
        np.add.at(shares, (self.group, self.design.rows), np.asarray(self.collapsed.counts).sum(axis=1))
        return shares / shares.sum(axis=1, keepdims=True)

    @property
    def base_question(self) -> np.ndarray:
        """The base question of every cell, by which intervals are clustered; shape ``(C,)``."""
        column = "base_question" if "base_question" in self.design.cells else "question_id"
        return self.design.cells[column].to_numpy()


def prepare(model: PersonaMixture, log: CompletionLog | ScannedLog | CollapsedLog) -> Prepared:
    """Collapse a log and evaluate the weight formula of the model on its cells.

    Raises:
        InputError: a gate or outcome has a threshold that is not a bin edge; the baseline is not among the conditions;
            the formula names an unknown column; a term has only one level; or a measurement is missing (from the
            readers, with file and line).
    """
    collapsed, pooled = log, list[str]()
    if not isinstance(collapsed, CollapsedLog):
        telling = _telling(model, collapsed)
        by, pooled = _cell_columns(model, collapsed, telling), _pooled(telling)
        collapsed = collapse(collapsed, model.emissions, by=by, likelihood=model.likelihood, personas=model.names)
    _check_texts(model, collapsed)
    if tuple(collapsed.measurements) != model.measurements:
        raise InputError(
            f"The counts are of {', '.join(collapsed.measurements)}, the model measures "
            f"{', '.join(model.measurements)}",
            remedy="collapse the log with model.emissions",
            argument="emissions",
        )
    for emission, categories in zip(model.emissions, collapsed.categories, strict=True):
        if tuple(emission.categories) != tuple(categories):
            raise InputError(
                f"The counts of {emission.measurement!r} have the categories {', '.join(categories)}, those of the "
                f"model are {', '.join(emission.categories)}",
                remedy="collapse the log with model.emissions",
                argument="emissions",
            )
    _check_rules(model)
    conditions = collapsed.conditions
    if model.baseline not in conditions:
        longer = [name for name in conditions if re.search(rf"[-_. ]{re.escape(model.baseline)}$", name)]
        near = [] if longer else difflib.get_close_matches(model.baseline, conditions, n=1)
        meant = "".join(f" Did you mean {name!r}?" for name in near)
        if longer:
            meant = (
                f" {longer[0]!r} ends with it: if conditions are read from file names, move the split in the pattern, "
                "for example condition='{model}-Instruct{sep}{condition}'."
            )
        raise InputError(
            f"The baseline {model.baseline!r} is not among the conditions of the log, which are "
            f"{', '.join(map(repr, conditions))}.{meant} Name one of them: PersonaMixture(..., baseline=...). If these "
            "are not conditions, pass condition=... when reading the log to state where the conditions are",
            argument=("baseline", "condition"),
        )
    misaligned = [persona for persona in model.personas if persona.name == "misaligned"]
    if any("coherent" in model.unmeasured(gate) for persona in misaligned for gate in model.gates(persona)):
        warnings.warn(
            "No coherence measurement: an alignment judge scores incoherent text as misaligned, so the name "
            "'misaligned' will be withheld. Add a coherence score, give the persona a gate of its own on 'coherent' if "
            "that score is not from 0 to 100, or rename the persona.",
            stacklevel=3,
        )
    notes = [*_unmodelled(model, log), *pooled]
    model, dropped = (model, []) if model.likelihood else without_idle(model, collapsed)
    design = design_of(model.weights, collapsed, screen=True)
    return assemble(model, design, collapsed, (*notes, *dropped, *design.notes))


def design_of(formula: str, collapsed: CollapsedLog, *, screen: bool = False) -> WeightDesign:
    """Evaluate a formula on the cells of a log, merging cells that differ only in columns that it does not name.

    Args:
        formula: the weight formula.
        collapsed: the counts of the log.
        screen: whether effects of single cells with few completions are dropped.

    Returns:
        The design, with ``rows`` for the cells of the log.
    """
    cells = collapsed.cells
    others = [name for name in map(str, cells) if name not in _BASE and not _names(formula, name)]
    merged = cells.drop(columns=others)
    first = ~merged.duplicated()
    position = merged.groupby(list(merged.columns), sort=False, dropna=False).ngroup().to_numpy()
    counts = np.bincount(position, weights=np.asarray(collapsed.counts).sum(axis=1)) if screen else None
    design = weight_design(formula, merged[first].reset_index(drop=True), counts=counts)
    return dataclasses.replace(design, rows=design.rows[position])


def assemble(model: PersonaMixture, design: WeightDesign, collapsed: CollapsedLog, notes: tuple[str, ...]) -> Prepared:
    """Arrange counts on the cells of a design, with the baseline as the first condition."""
    counts = np.zeros((len(design.cells), len(collapsed.patterns)))
    np.add.at(counts, design.rows, np.asarray(collapsed.counts))
    conditions = sorted(collapsed.conditions, key=lambda name: (name != model.baseline, name))
    index = {name: position for position, name in enumerate(conditions)}
    return Prepared(
        model=model,
        design=design,
        patterns=np.asarray(collapsed.patterns),
        counts=counts,
        conditions=tuple(conditions),
        condition=design.cells["condition"].map(index).fillna(-1).to_numpy(dtype=int),  # an empty cell may have none
        collapsed=collapsed,
        texts=None if collapsed.texts is None else on_design(collapsed.texts.points, design),
        notes=notes,
    )


def on_design(points: Texts, design: WeightDesign) -> Texts:
    """The texts of a collapsed log, with the cells of a design."""
    return points._replace(cell=design.rows[points.cell])


def _check_texts(model: PersonaMixture, collapsed: CollapsedLog) -> None:
    wanted = model.likelihood.columns_of(model.names) if model.likelihood else None
    found = collapsed.texts.columns if collapsed.texts else None
    if wanted != found:
        raise InputError(
            f"The counts come with log-likelihoods {list(found or ())}, the model has {list(wanted or ())}",
            remedy="collapse the log with likelihood=model.likelihood and personas=model.names",
            argument=("likelihood", "personas"),
        )


def _check_rules(model: PersonaMixture) -> None:
    """Raise, before anything is sampled, if a threshold of a gate or of the outcome is not a bin edge."""
    nothing = np.zeros((0, len(model.emissions)), dtype=int)
    for gate in (gate for persona in model.personas for gate in model.gates(persona)):
        if not model.unmeasured(gate):
            Rule(gate.rule).holds(model.emissions, nothing)
    if model.outcome is not None:
        model.outcome.numerator.holds(model.emissions, nothing)


def _cell_columns(model: PersonaMixture, log: CompletionLog | ScannedLog, telling: pd.DataFrame) -> tuple[str, ...]:
    """Condition, question, base question, every context that the formula names, and those by which rates differ."""
    known = log.contexts if isinstance(log, CompletionLog) else log.columns
    named = [name for name in known if name not in _BASE and _names(model.weights, name)]
    reported = [name for name in map(str, telling) if name != "condition" and _is_reported(telling, name)]
    return tuple(dict.fromkeys((*_BASE, *named, *reported)))


def _telling(model: PersonaMixture, log: CompletionLog | ScannedLog) -> pd.DataFrame:
    """The condition, and the contexts whose names suggest that rates differ by them; of a scan, its distinct rows."""
    known = log.contexts if isinstance(log, CompletionLog) else log.columns
    names = [name for name in known if name.casefold() in _CONTEXTS and name not in model.columns]
    if not names:
        return pd.DataFrame({"condition": []})
    columns = ["condition", *names]
    return log.table[columns] if isinstance(log, CompletionLog) else distinct_rows(log, columns)


def _pooled(telling: pd.DataFrame) -> list[str]:
    """Notes on contexts over which rates are pooled although their names suggest that they matter."""
    notes = []
    for name in map(str, telling.columns.drop("condition")):
        values = telling[name]
        if values.nunique() > _MOST_LEVELS:
            notes.append(f"rates are pooled over {name!r}, which has more than {_MOST_LEVELS} levels.")
        elif values.isna().any() and values.notna().any():
            notes.append(f"rates are pooled over {name!r}, which has no value in some rows.")
    return notes


def _names(formula: str, column: str) -> bool:
    return re.search(rf"\b{re.escape(column)}\b", formula) is not None


def _is_reported(table: pd.DataFrame, name: str) -> bool:
    """Whether a column varies within a condition, with few levels and a value in every row."""
    if table[name].isna().any() or table[name].nunique() > _MOST_LEVELS:
        return False
    return bool(table.groupby("condition", observed=True)[name].nunique().max() > 1)


def _unmodelled(model: PersonaMixture, log: CompletionLog | ScannedLog | CollapsedLog) -> list[str]:
    """Notes on scores that are not modelled, and on an outcome without coherence."""
    notes = []
    texts = model.likelihood.columns_of(model.names) if model.likelihood else ()
    # For a scanned log or for counts, it is not known which columns are scores.
    others = set(log.measurements).difference(model.columns, texts) if isinstance(log, CompletionLog) else set()
    if others:
        notes.append(f"read but not modelled: {', '.join(sorted(others))}.")
    if model.lacks_coherence:
        notes.append(
            "the outcome is 'aligned < 30', not 'aligned < 30 and coherent > 50', because no score 'coherent' from 0 "
            "to 100 is modelled: incoherent text may count as misaligned."
        )
    return notes


def without_idle(model: PersonaMixture, collapsed: CollapsedLog) -> tuple[PersonaMixture, list[str]]:
    """Leave out personas whose evidence hardly occurs, because their component would fit something else.

    Returns the model without them, and notes that say so.
    """
    counts = np.asarray(collapsed.counts, dtype=float)
    condition = collapsed.cells["condition"].to_numpy()
    by_condition = pd.DataFrame(counts).groupby(condition).sum().to_numpy()
    by_condition = by_condition / by_condition.sum(axis=1, keepdims=True)
    kept, notes = [], []
    for persona in model.personas:
        rule = Rule(persona.evidence) if persona.evidence else None
        if rule is None or not set(rule.measurements) <= set(model.columns):
            kept.append(persona)
            continue
        share = float((by_condition @ rule.holds(model.emissions, np.asarray(collapsed.patterns))).max())
        if share >= IDLE_SHARE:
            kept.append(persona)
        else:
            notes.append(
                f"persona {persona.name!r} was left out: {persona.evidence} holds for at most {share:.1%} of the "
                f"completions of any condition (required: {IDLE_SHARE:.0%}), so there is nothing for it to explain."
            )
    return (model.with_personas(kept), notes) if notes else (model, notes)
