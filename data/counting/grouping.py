"""Grouping the rows of a file as they are read, so that a log larger than memory becomes its distinct rows and counts.

Only parsing happens here, with the readers of :mod:`simulacra.data.reading.formats`. What columns and values mean is
decided afterwards, on the distinct rows, by the same function as for a log in memory
(:func:`~simulacra.data.reading.interpret.interpret`).
"""

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra.data.counting.portion import Portion
from simulacra.data.errors import LogError
from simulacra.data.reading.formats.csv import csv_rows
from simulacra.data.reading.formats.frame import arrow_frame
from simulacra.data.reading.formats.jsonl import json_records
from simulacra.data.reading.formats.parquet import open_parquet, parquet_batches
from simulacra.data.reading.formats.records import flat
from simulacra.data.reading.formats.sheet import Sheet, object_array, refuse_no_rows, refuse_wide, split_columns
from simulacra.data.reading.sheets import FileOptions
from simulacra.data.reading.sources import format_of

__all__ = ["grouped_sheet", "outline"]

_BATCH = 1 << 16  # rows that are grouped at once
_ROW, _COUNT = "row", "count"


def outline(path: Path, how: FileOptions) -> Sheet:
    """The columns of a file without its rows; a column of lists has its first list that is not empty.

    Raises:
        LogError: a file that is empty, damaged, or of a format with several rows in one document.
    """
    kind = format_of(path)
    lists: dict[str, Any] = {}
    if kind == "csv":
        with csv_rows(path, delimiter=how.delimiter, encoding=how.encoding) as (header, _):
            names = header
    elif kind == "jsonl":
        names, lists = _json_names(path, how.encoding)
    elif kind == "parquet":
        names, lists = _parquet_names(path)
    else:
        raise LogError(
            "a scan cannot read this format",
            file=path,
            expected="CSV, JSONL or Parquet, with one row per completion",
            remedy="read it with read_completions, or write log.table.to_parquet(...) and scan that file",
        )
    refuse_wide(len(names), path)
    nothing = np.empty(0, dtype=object)
    columns = {name: nothing for name in names if name not in lists}
    held = {name: object_array([first]) for name, first in lists.items()}
    return Sheet(str(path), columns, np.empty(0, dtype=np.int64), held)


def grouped_sheet(path: Path, wanted: Sequence[str], how: FileOptions, portion: Portion | None = None) -> Sheet:
    """The distinct rows of a file over some columns, in order of first appearance, each with its count.

    Args:
        path: the file.
        wanted: the columns; one that a record lacks is None there.
        how: how the file is read.
        portion: gathers the rows in which repeated judgments are looked for.

    Returns:
        A sheet whose records are located at their first appearance.

    Raises:
        LogError: a damaged file, or one without rows.
    """
    kind = format_of(path)
    if kind == "parquet":
        return _parquet_groups(path, wanted, portion)
    if kind == "csv":
        with csv_rows(path, delimiter=how.delimiter, encoding=how.encoding) as (header, located):
            fields = {name: _filled(place) for place, name in enumerate(header)}
            parts = _batches(located, wanted, fields.__getitem__, path, portion)
            columns, record, count = _distinct(parts, wanted, lambda values: values)
        if not record.size:
            raise refuse_no_rows(path, header)
        return Sheet(str(path), columns, record, typed=False, count=count)
    with json_records(path, encoding=how.encoding) as objects:
        flattened = ((line, flat(record)) for line, record in objects)
        parts = _batches(flattened, wanted, lambda name: operator.methodcaller("get", name), path, portion)
        raw, record, count = _distinct(parts, wanted, _typed)
    columns, lists = split_columns(pd.DataFrame(raw, dtype=object))
    return Sheet(str(path), columns, record, lists, count=count)


def _filled(place: int) -> Callable[[list[str]], str | None]:
    """A field of CSV; an empty one is None, as the reader has it."""
    return lambda row: row[place] or None


def _batches(
    located: Iterable[tuple[int, Any]],
    wanted: Sequence[str],
    field_of: Callable[[str], Callable[[Any], object]],
    path: Path,
    portion: Portion | None,
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """The wanted fields of consecutive records as columns, objects, and the location of every record."""
    rest, fields = iter(located), [field_of(name) for name in wanted]
    names = () if portion is None else portion.wanted.get(str(path), ())
    while True:
        # One list per column, because many small lists would keep the garbage collector busy.
        columns: list[list[object]] = [[] for _ in fields]
        lines: list[int] = []
        records: list[Any] = []
        for line, record in itertools.islice(rest, _BATCH):
            lines.append(line)
            if names:
                records.append(record)
            for column, field in zip(columns, fields, strict=True):
                column.append(field(record))
        if not lines:
            return
        if portion is not None and names:
            own = field_of(names[0])
            completions = pd.Series([own(record) for record in records], dtype=object)
            portion.add(str(path), completions, np.array(lines, dtype=np.int64), _chosen(records, names, field_of))
        yield [object_array(column) for column in columns], np.array(lines, dtype=np.int64)


def _chosen(
    records: Sequence[Any], names: Sequence[str], field_of: Callable[[str], Callable[[Any], object]]
) -> Callable[[np.ndarray], pd.DataFrame]:
    """Some columns of chosen records."""

    def rows(chosen: np.ndarray) -> pd.DataFrame:
        kept = list(itertools.compress(records, chosen))
        columns = {name: object_array(list(map(field_of(name), kept))) for name in names}
        return pd.DataFrame(columns, dtype=object)

    return rows


def _distinct(
    parts: Iterable[tuple[list[np.ndarray], np.ndarray]],
    wanted: Sequence[str],
    distinguish: Callable[[np.ndarray], np.ndarray],
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Distinct rows of all parts: their columns, first locations and counts.

    Args:
        parts: columns and locations of consecutive rows.
        wanted: names of the columns.
        distinguish: values that are equal only if the values of a column are to be taken for the same.
    """
    held: list[tuple[list[np.ndarray], np.ndarray, np.ndarray]] = []

    def merge() -> None:
        columns = [np.concatenate(own) for own in zip(*(part[0] for part in held), strict=True)]
        record, count = (np.concatenate([part[place] for part in held]) for place in (1, 2))
        codes = [pd.factorize(distinguish(own), use_na_sentinel=False)[0] for own in columns]
        first, total = _first_rows(codes, count)
        held[:] = [([own[first] for own in columns], record[first], total)]

    for columns, record in parts:
        held.append((columns, record, np.ones(len(record), dtype=np.int64)))
        if sum(len(part[1]) for part in held[1:]) >= max(_BATCH, len(held[0][1])):
            merge()
    if not held:
        nothing = np.empty(0, dtype=np.int64)
        return {}, nothing, nothing
    merge()
    columns, record, count = held[0]
    return dict(zip(wanted, columns, strict=True)), record, count


def _first_rows(codes: Sequence[np.ndarray], count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row of every combination of codes, in order, and the sum of its counts."""
    key = np.zeros(len(count), dtype=np.int64)
    for own in codes:
        # Numbered anew after every column, so that no product overflows.
        key = pd.factorize(key * (int(own.max(initial=0)) + 2) + own + 1)[0]
    first = np.flatnonzero(~pd.Series(key).duplicated().to_numpy())
    return first, np.bincount(key, weights=count).astype(np.int64)  # exact below 2**53


def _typed(values: np.ndarray) -> np.ndarray:
    """What distinguishes values of JSON: 1, 1.0, true and "1" are four values."""
    return object_array(
        [value if value is None or isinstance(value, str) else f"{type(value).__name__}\0{value!r}" for value in values]
    )


def _json_names(path: Path, encoding: str) -> tuple[list[str], dict[str, Any]]:
    names: dict[str, None] = {}
    lists: dict[str, Any] = {}
    with json_records(path, encoding=encoding) as located:
        for _, record in located:
            for name, value in flat(record).items():
                names.setdefault(name)
                if isinstance(value, list) and not lists.get(name):
                    lists[name] = value
    return list(names), lists


def _parquet_names(path: Path) -> tuple[list[str], dict[str, Any]]:
    with open_parquet(path) as file:
        head = file.schema_arrow.empty_table().to_pandas()
        names = list(map(str, head.columns))  # without an index that pandas stored
        nested = {name for name in names if _is_list(file.schema_arrow.field(name).type)}
        lists: dict[str, Any] = {}
        for name in nested:
            batches = file.iter_batches(columns=[name], batch_size=_BATCH)
            values = (value for batch in batches for value in batch.column(0).to_pylist() if value)
            lists[name] = next(values, [])
    return names, lists


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _parquet_groups(path: Path, wanted: Sequence[str], portion: Portion | None) -> Sheet:
    held: list[pa.Table] = []
    judged = () if portion is None else portion.wanted.get(str(path), ())
    with open_parquet(path) as file:
        names, start = list(map(str, file.schema_arrow.names)), 1
        for batch in parquet_batches(file, path, rows=_BATCH):
            size = batch.num_rows
            own = [*(batch.column(name) for name in wanted), np.arange(start, start + size), np.ones(size, np.int64)]
            held.append(_distinct_table(pa.table(own, names=[*wanted, _ROW, _COUNT]), wanted))
            if portion is not None and judged:
                _add_batch(portion, path, batch, np.arange(start, start + size), judged)
            start += size
            if sum(part.num_rows for part in held[1:]) >= max(_BATCH, held[0].num_rows):
                held = [_distinct_table(pa.concat_tables(held), wanted)]
    if start == 1:
        raise refuse_no_rows(path, names)
    table = _distinct_table(pa.concat_tables(held), wanted)
    columns, lists = split_columns(arrow_frame(table.select(list(wanted))))
    record, count = (table.column(name).to_numpy() for name in (_ROW, _COUNT))
    return Sheet(str(path), columns, record, lists, count=count)


def _add_batch(portion: Portion, path: Path, batch: pa.RecordBatch, record: np.ndarray, names: Sequence[str]) -> None:
    table = pa.table([batch.column(name) for name in names], names=list(names))  # without metadata, as for counts
    completions = arrow_frame(table.select([names[0]])).iloc[:, 0]
    portion.add(str(path), completions, record, lambda chosen: arrow_frame(table.filter(pa.array(chosen))))


def _distinct_table(table: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Distinct rows over some columns, with the first row number and the sum of counts."""
    codes = [_arrow_codes(table.column(name).combine_chunks()) for name in wanted]
    first, total = _first_rows(codes, table.column(_COUNT).to_numpy())
    taken = table.take(pa.array(first))
    return taken.set_column(taken.schema.get_field_index(_COUNT), _COUNT, pa.array(total))


def _arrow_codes(column: pa.Array) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    try:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    except pa.ArrowNotImplementedError:  # of structures
        return pd.factorize(np.array([repr(value) for value in column.to_pylist()], dtype=object))[0]
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
