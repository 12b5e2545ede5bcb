"""Keeps a table's segments few and settled, and drops what is older than the retention.

Killed anywhere, nothing is lost: new segments are whole before the manifest names them, and what
they replace stays until no reader can have it open.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl

from analytics.layout import cuts, merges
from analytics.manifest import SUFFIX, Manifest, Segment, files, read_manifest, write_manifest
from analytics.segments import Segments, inspect, key_text, unwritable
from analytics.tables import Table
from analytics.tidying import GRACE
from slurm_hooks.errors import StoreError

_YOUNG = timedelta(hours=6)
"""Of batches younger than this results still come; they get segments of their own."""

_YOUNG_KEY = "%Y%m%dT%H%M%S"


def tidy(
    segments: Segments,
    *,
    now: datetime,
    retention: timedelta,
    grace: timedelta = GRACE,
    all_of_it: bool = False,
) -> list[str]:
    """Merge what is worth it (with *all_of_it* all that is contested); drop what is too old.

    Returns one line for each file that is in the way.

    Raises:
        StoreError: it cannot be written, or a segment cannot be read.
    """
    if not segments.directory.is_dir():
        return []
    try:
        problems = _adopt(segments)
        _remove_leftovers(segments)
        manifest = segments.manifest()
        damaged = _damaged(segments, manifest)
        manifest = _without_old(manifest, before=now - retention, now=now)
        groups = merges(
            [one for one in manifest.segments if one.name not in damaged], all_of_it=all_of_it
        )
        for group in groups:
            added = list(_merge(segments, group, now=now))
            replaced = {one.name for one in group} - {one.name for one in added}
            manifest = manifest.retiring(replaced, now=now).adding(added)
        if manifest != read_manifest(segments.directory):
            write_manifest(segments.directory, manifest)
        _remove_retired(segments, manifest, before=now - grace)
    except OSError as error:
        raise unwritable(segments.directory, error) from error
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"{segments.directory}: cannot merge its segments: {error}") from error
    return problems


def latest(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return of the rows that tell of the same thing the one that counts.

    Nearly all of them are the only one: by hashes of what they tell of, few have to be sorted.
    """
    alike = rows.select(table.identity).hash_rows().is_duplicated()
    if not alike.any():
        return rows
    names = [name for name, _ in table.latest]
    ordered = rows.filter(alike).sort(
        names, descending=[down for _, down in table.latest], nulls_last=True, maintain_order=True
    )
    one_of_each = ordered.unique(subset=table.identity, keep="first", maintain_order=True)
    return pl.concat([rows.filter(~alike), one_of_each])


def _merge(segments: Segments, group: Sequence[Segment], *, now: datetime) -> Iterator[Segment]:
    """Write what *group* holds as settled segments, one after the other."""
    table, key = segments.table, key_text(segments.table)
    paths = {one.name: segments.directory / f"{one.name}{SUFFIX}" for one in group}
    counts = (
        pl.scan_parquet(list(paths.values()))
        .group_by(key.alias("key"))
        .agg(pl.len())
        .collect()
        .rows()
    )
    young = f"{now - _YOUNG:{_YOUNG_KEY}}"
    parts = [
        part
        for is_young in (False, True)
        for part in cuts({text: rows for text, rows in counts if (text >= young) == is_young})
    ]
    for part in parts:
        within = [paths[one.name] for one in group if one.first <= part[-1] and part[0] <= one.last]
        rows = (
            pl.scan_parquet(within)
            .filter(key.is_between(pl.lit(part[0]), pl.lit(part[-1])))
            .collect()
        )
        yield segments.write(latest(rows, table), settled=True)


def _adopt(segments: Segments) -> list[str]:
    """Take in what lies there and no manifest names; return why other files are not taken."""
    manifest = segments.manifest()
    known = {*manifest.by_name, *(one.name for one in manifest.retired)}
    problems = []
    for path in files(segments.directory):
        if path.stem in known:
            continue
        found = inspect(path, segments.table)
        if isinstance(found, str):
            problems.append(f"{path}: not read: {found}; move it out of this directory")
            continue
        segments.append(pl.read_parquet(path))
        if path.stem not in segments.manifest().by_name:
            path.unlink()
    return problems


def _damaged(segments: Segments, manifest: Manifest) -> set[str]:
    """Return the segments that are not as they were written; readers name them."""
    found = set()
    for one in manifest.segments:
        try:
            size = (segments.directory / f"{one.name}{SUFFIX}").stat().st_size
        except FileNotFoundError:
            size = -1
        if size != one.size:
            found.add(one.name)
    return found


def _without_old(manifest: Manifest, *, before: datetime, now: datetime) -> Manifest:
    old = {one.name for one in manifest.segments if one.until < before}
    return manifest.retiring(old, now=now) if old else manifest


def _remove_retired(segments: Segments, manifest: Manifest, *, before: datetime) -> None:
    gone = {one.name for one in manifest.retired if one.at < before}
    for name in gone:
        (segments.directory / f"{name}{SUFFIX}").unlink(missing_ok=True)
    if gone:
        write_manifest(segments.directory, manifest.forgetting(gone))


def _remove_leftovers(segments: Segments) -> None:
    for path in segments.directory.glob(".*.tmp"):
        path.unlink(missing_ok=True)
