"""Rows of the history as Polars frames, those of a table all of one schema."""

from collections.abc import Mapping, Sequence

import polars as pl

from analytics.planned import Planned
from analytics.reaction_row import ReactionRow
from analytics.result import COLUMNS, Result, short_path
from analytics.tables import BATCHES, REACTIONS, RESULTS, Table

_MAP = pl.Map(pl.String, pl.Float64)

_TYPES: dict[str, pl.DataType] = {
    "String": pl.String(),
    "Float64": pl.Float64(),
    "Int32": pl.Int32(),
    "Int64": pl.Int64(),
    "UInt8": pl.UInt8(),
    "UInt32": pl.UInt32(),
    "UInt64": pl.UInt64(),
    "DateTime64(3, 'UTC')": pl.Datetime("ms", "UTC"),
    "Map(String, Float64)": _MAP,
    "Array(String)": pl.List(pl.String),
}


def schema(table: Table = RESULTS) -> pl.Schema:
    """Return the one schema of every segment of *table*, derived from the ClickHouse types."""
    return _schema(table.columns)


def _schema(columns: Mapping[str, str]) -> pl.Schema:
    kinds = {
        name: kind.removeprefix("Nullable(").removesuffix(")") if "Nullable" in kind else kind
        for name, kind in columns.items()
    }
    return pl.Schema({name: _TYPES[kind] for name, kind in kinds.items()})


def frame(rows: Sequence[Result]) -> pl.DataFrame:
    """Return *rows* as `results` stores them, column by column."""
    kinds = _schema({name: kind for name, kind in COLUMNS.items() if name != "result_id"})
    columns = dict(zip(Result._fields, zip(*rows, strict=True), strict=True)) if rows else {}
    columns["log_path"] = tuple(map(short_path, rows))
    series = [
        maps(name, [row.metrics for row in rows])
        if name == "metrics"
        else pl.Series(name, columns.get(name, ()), dtype=kind)
        for name, kind in kinds.items()
    ]
    return stored(pl.DataFrame(series))


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Return *rows*, which have the columns of the view `history`, as `results` stores them.

    But for logs' paths: `analytics.result.short_path` does those.
    """
    duration = pl.col("duration_s").mul(1000).round().cast(pl.UInt64)
    took = (pl.col("finished_at") - pl.col("started_at")).dt.total_milliseconds()
    return rows.with_columns(
        duration_ms=duration, overhead_ms=took - duration.cast(pl.Int64)
    ).select(schema().names())


def plan_frame(rows: Sequence[Planned]) -> pl.DataFrame:
    """Return rows of `batches` as a frame."""
    return pl.DataFrame(rows, schema=schema(BATCHES), orient="row")


def reaction_frame(rows: Sequence[ReactionRow]) -> pl.DataFrame:
    """Return rows of `reaction_states` as a frame."""
    return pl.DataFrame(rows, schema=schema(REACTIONS), orient="row")


def told_frame(rows: Sequence[tuple[object, ...]], table: Table) -> pl.DataFrame:
    """Return rows that sweeps tell, each with all columns of *table* in their order, as a frame."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    return pl.DataFrame(
        [
            maps(name, values) if kind == _MAP else pl.Series(name, values, dtype=kind)
            for (name, kind), values in zip(schema(table).items(), columns, strict=True)
        ]
    )


def maps(name: str, metrics: Sequence[Mapping[str, float]]) -> pl.Series:
    """Return *metrics* as one Map column.

    Polars takes 50 µs a row to build it from dicts (2.1), and 1 µs from flat columns.
    """
    pairs = pl.DataFrame(
        {
            "row": pl.Series([n for n, one in enumerate(metrics) for _ in one], dtype=pl.UInt32),
            "key": pl.Series([key for one in metrics for key in one], dtype=pl.String),
            "value": pl.Series([x for one in metrics for x in one.values()], dtype=pl.Float64),
        }
    )
    grouped = pairs.group_by("row").agg(pl.struct("key", "value").alias(name))
    rows = pl.DataFrame({"row": pl.Series(range(len(metrics)), dtype=pl.UInt32)})
    joined = rows.join(grouped, on="row", how="left", maintain_order="left")[name]
    return joined.fill_null(pl.lit([], dtype=joined.dtype)).cast(_MAP)
