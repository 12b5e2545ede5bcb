"""Asking by clickhouse-connect, alike for a server and for the engine in this process."""

from collections.abc import Mapping

import polars as pl
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from analytics.engine import first_line
from slurm_hooks.errors import StoreError


def ask_frame(client: Client, sql: str, parameters: Mapping[str, object]) -> pl.DataFrame:
    """Return the rows of *sql* as a frame; times are aware and in UTC.

    Raises:
        StoreError: there was no answer, or an error for one.
    """
    try:
        found = client.query_df_arrow(sql, parameters=dict(parameters), dataframe_library="polars")
    except ClickHouseError as error:
        raise StoreError(first_line(error)) from error
    if not isinstance(found, pl.DataFrame):
        raise StoreError(f"an answer of type {type(found)}")
    return found.with_columns(pl.selectors.datetime().dt.replace_time_zone("UTC"))
