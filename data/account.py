"""The account of a log: every renamed column, every value read as missing, every excluded row."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from simulacra.data.numerals import grouped
from simulacra.formalism.display import card, listing

__all__ = ["Account", "Duplicates", "LeftOut"]


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Rows that were excluded for one reason.

    Attributes:
        count: number of rows.
        examples: locations of the first few.
    """

    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{grouped(self.count)} (first: {', '.join(self.examples)})"


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Rows that repeat an earlier row: same condition, question, completion and measurements.

    Rows without a completion text are never counted, because equal scores alone do not identify a sample.

    Attributes:
        within_files: repeats of a row of the same file.
        across_files: repeats of a row of another file.
        examples: the first few, as ``"<location> repeats <location>"``.
        copies: pairs of files that contain the same rows under *different* conditions, as ``"<file> and <file>"``.
    """

    within_files: int = 0
    across_files: int = 0
    examples: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = f"{grouped(self.within_files)} within files, {grouped(self.across_files)} across files"
        return counts + f" (first: {'; '.join(self.examples)})" * bool(self.examples)


@dataclasses.dataclass(frozen=True, repr=False)
class Account:
    """How a log was read.

    Attributes:
        rows_read: records per file, before any were excluded.
        renamed: the file's column name to the log's, ``{"answer": "completion"}``.
        set_aside: columns that are not in the table, with the reason.
        sentinels: per measurement, values read as missing and their counts, ``{"aligned": {"-1": 12}}``.
        parsed: per measurement, the number of numbers that a typed source (JSONL, Parquet, DataFrame) stored as text.
        not_numbers: columns that are mostly numbers and were kept as text, with the first value that is not a number.
        absent: measurements that some files do not have, with those files; they are *missing* in their rows.
        left_out: excluded rows, by reason.
        duplicates: repeated rows.
        unscored: rows without a likelihood from the language model, by reason; they are kept, with *missing* values.
        notes: anything else that was decided.
        layouts: the layout of every file and the reason, ``{"log.csv": "rows (one row is one completion)"}``.
        provenance: what a source records about its origin, ``{"log.eval": {"task": …, "git_commit": …}}``.
        assumed_missing: whether no values were declared to mean *missing*, so that -1 was assumed to.
    """

    rows_read: Mapping[str, int]
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    set_aside: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sentinels: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    parsed: Mapping[str, int] = dataclasses.field(default_factory=dict)
    not_numbers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    absent: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    left_out: Mapping[str, LeftOut] = dataclasses.field(default_factory=dict)
    duplicates: Duplicates = dataclasses.field(default_factory=Duplicates)
    unscored: Mapping[str, LeftOut] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    layouts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    assumed_missing: bool = False

    @property
    def rows_kept(self) -> int:
        """Rows read minus rows excluded."""
        return sum(self.rows_read.values()) - sum(reason.count for reason in self.left_out.values())

    def to_dict(self) -> dict[str, Any]:
        """The account in plain JSON types."""
        return {**dataclasses.asdict(self), "rows_kept": self.rows_kept}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Account":
        """Rebuild an account from :meth:`to_dict`."""
        own = {key: value for key, value in record.items() if key != "rows_kept"}
        for name in ("left_out", "unscored"):
            own[name] = {
                reason: LeftOut(left["count"], tuple(left["examples"])) for reason, left in record.get(name, {}).items()
            }
        same = record["duplicates"]
        own["duplicates"] = Duplicates(**{**same, "examples": tuple(same["examples"]), "copies": tuple(same["copies"])})
        own["absent"] = {name: tuple(files) for name, files in record["absent"].items()}
        own["notes"] = tuple(record["notes"])
        return cls(**own)

    def __repr__(self) -> str:
        left = (f"{reason} ({grouped(rows.count)})" for reason, rows in self.left_out.items())
        repeated = self.duplicates.within_files + self.duplicates.across_files
        renamed = (f"{own} as {name}" for own, name in self.renamed.items())
        return card(
            f"Account of {len(self.rows_read)} source(s): {grouped(sum(self.rows_read.values()))} rows read, "
            f"{grouped(self.rows_kept)} kept",
            f"excluded: {listing(left)}" if self.left_out else "",
            f"exact duplicates: {grouped(repeated)}",
            f"columns renamed: {listing(renamed)}; excluded: {len(self.set_aside)}",
            f"notes: {listing(self.notes, 70)}" if self.notes else "",
            "next: print(account), account.to_dict()",
        )

    def __str__(self) -> str:
        return "\n".join([*self._rows(), *self.columns(), *self._sentinels(), *self.values(), *self.notes])

    def _rows(self) -> list[str]:
        total = sum(self.rows_read.values())
        lines = [f"{grouped(total)} rows read from {len(self.rows_read)} source(s), {grouped(self.rows_kept)} kept"]
        lines += [f"layout of {files}: {layout}" for layout, files in self.by_layout()]
        lines += [f"  excluded, {reason}: {left}" for reason, left in self.left_out.items()]
        lines += [f"  no likelihood, {reason}: {rows}" for reason, rows in self.unscored.items()]
        same = self.duplicates
        if same.within_files or same.across_files:
            lines.append(f"exact duplicates: {same}")
        lines += [f"same rows under different conditions: {pair}" for pair in same.copies]
        return lines

    def by_layout(self) -> list[tuple[str, str]]:
        """Every layout with its file, or with the number of files that have it."""
        groups: dict[str, list[str]] = {}
        for file, layout in self.layouts.items():
            groups.setdefault(layout, []).append(file)
        return [(layout, files[0] if len(files) == 1 else f"{len(files)} files") for layout, files in groups.items()]

    def columns(self) -> list[str]:
        """Renamed and excluded columns, one line per column."""
        lines = [f"read {name!r} as {canonical!r}" for name, canonical in self.renamed.items()]
        return lines + [f"column {name!r} excluded: {reason}" for name, reason in self.set_aside.items()]

    def _sentinels(self) -> list[str]:
        return [
            f"{name}: {grouped(count)} value(s) {value!r} read as missing"
            for name, values in self.sentinels.items()
            for value, count in values.items()
        ]

    def values(self) -> list[str]:
        """How values were read, except those that mean *missing*: one line per column."""
        lines = [
            f"{name}: {grouped(count)} number(s) written as text were parsed" for name, count in self.parsed.items()
        ]
        lines += [f"{name}: kept as text, {reason}" for name, reason in self.not_numbers.items()]
        return lines + [f"{name}: not in {', '.join(files)}; missing there" for name, files in self.absent.items()]
