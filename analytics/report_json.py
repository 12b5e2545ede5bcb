"""Writes a report for programs: one JSON object; its form is documented in docs/report.md."""

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite

from analytics.fields import utc_time
from analytics.report import Report, Section


def as_json(report: Report) -> str:
    """Return *report* as JSON: times in UTC, what is no finite number as null, ASCII only."""
    head: Mapping[str, object] = {
        "report": report.kind,
        "subject": report.subject,
        "cluster": report.cluster,
        "since": report.since,
        "until": report.until,
        "made_at": report.made_at,
        "summary": report.summary,
    }
    tables = {section.key: _rows(section) for section in report.sections}
    return json.dumps(_plain({**head, **tables}), indent=1, allow_nan=False)


def _rows(section: Section) -> list[dict[str, object]]:
    names = [column.name for column in section.columns if column.text is None]
    return [{name: row[name] for name in names} for row in section.rows.iter_rows(named=True)]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return utc_time(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value
