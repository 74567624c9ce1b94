"""Parquet files: what they would take in memory is known before a column is laid out there."""

import io
from typing import Any

import pandas as pd

from trackfolio.cli._errors import InputError
from trackfolio.cli._sizes import HINT, in_words
from trackfolio.cli._tables import NEEDS_PYARROW


def number_table(data: bytes, where: str, most: int, exclude: tuple[str, ...]) -> pd.DataFrame:
    """Columns of numbers after a first one of dates; columns to exclude come empty, whatever they hold."""
    return _table(data, where, most, exclude, only_numbers=True)


def any_table(data: bytes, where: str, most: int) -> pd.DataFrame:
    """Columns of names and of numbers."""
    return _table(data, where, most, (), only_numbers=False)


def _table(data: bytes, where: str, most: int, exclude: tuple[str, ...], *, only_numbers: bool) -> pd.DataFrame:
    try:
        frame = _read(data, where, most, exclude, only_numbers)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(NEEDS_PYARROW) from error
    except Exception as error:  # pyarrow's own errors, which are not known without it
        raise InputError(f"{where} cannot be read as Parquet: {error}") from error
    if frame.empty:
        raise InputError(f"{where} has no rows.")
    return frame


def _read(data: bytes, where: str, most: int, exclude: tuple[str, ...], only_numbers: bool) -> pd.DataFrame:
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    file = ParquetFile(io.BytesIO(data))
    kinds = {field.name: getattr(field.type, "storage_type", field.type) for field in file.schema_arrow}
    names = _in_order(file.schema_arrow, where)
    read = [name for name in names if name not in exclude or name == names[0]]
    texts = [name for name in read if _is_text(kinds[name], types)]
    for name in read:
        plain = types.is_temporal(kinds[name]) or _is_number(kinds[name], types)
        if only_numbers and name != names[0]:
            if not _is_number(kinds[name], types):
                raise InputError(
                    f"{where}, column {name!r}: {kinds[name]} is no type of numbers. If it is not an asset, leave the "
                    "column out with --exclude."
                )
        elif not plain and name not in texts:
            raise InputError(f"{where}, column {name!r}: {kinds[name]} is no type of dates, names or numbers.")
    _check_size(file.metadata, len(names), where, most)
    # Each text once, however often it is repeated: until its size is known, nothing is laid out row by row.
    table = ParquetFile(io.BytesIO(data), read_dictionary=texts).read(columns=read)
    size = 8 * table.num_rows * len(read) + sum(_text_size(table.column(name)) for name in texts)
    if size > most:
        raise InputError(f"{where} has text of {in_words(size)} in memory; the limit is {in_words(most)}: {HINT}.")
    for name in texts:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table.column(place).cast(_plain_text()))
    # What pandas wrote into the file about its columns is of no use here.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame.reindex(columns=names)


def _in_order(schema: Any, where: str) -> list[str]:
    """Names of columns: pandas keeps an index apart, at the end; other programs have it as the first of them."""
    twice = next((name for name in schema.names if schema.names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: more than one column is named {twice!r}: keep or rename one.")
    index = [name for name in (schema.pandas_metadata or {}).get("index_columns", []) if name in schema.names]
    return [*index, *(name for name in schema.names if name not in index)]


def _is_text(kind: Any, types: Any) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_number(kind: Any, types: Any) -> bool:
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def _check_size(shape: Any, n_columns: int, where: str, most: int) -> None:
    # A number repeated takes no room in the file, but eight bytes in memory.
    if 8 * shape.num_rows * n_columns > most:
        raise InputError(
            f"{where} has {shape.num_rows} rows and {n_columns} columns, in memory "
            f"{in_words(8 * shape.num_rows * n_columns)}; the limit is {in_words(most)}: {HINT}."
        )
    unpacked = sum(shape.row_group(place).total_byte_size for place in range(shape.num_row_groups))
    if unpacked > most:
        raise InputError(f"{where} has {in_words(unpacked)} unpacked; the limit is {in_words(most)}: {HINT}.")


def _text_size(column: Any) -> int:
    from pyarrow import compute

    sizes = (
        compute.sum(compute.binary_length(chunk.dictionary).take(chunk.indices)).as_py() for chunk in column.chunks
    )
    return sum(size or 0 for size in sizes)


def _plain_text() -> Any:
    import pyarrow

    return pyarrow.large_string()
