"""A question to Grafana's ClickHouse data source, which the SDK itself does not know."""

from collections.abc import Mapping
from enum import Enum
from textwrap import dedent
from typing import Any, Self

from grafana_foundation_sdk.cog import builder, plugins, runtime, variants
from grafana_foundation_sdk.models.common import DataSourceRef

PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
"""The first release whose macros these dashboards were written for."""

UID = "cluster-doctor"
"""Of the data source as it is provisioned."""

SOURCE = DataSourceRef(type_val=PLUGIN, uid="${datasource}")
"""The data source that the reader of a dashboard chose."""


class Form(Enum):
    """What a question's answer is taken for: the plugin's name of it, and its number in JSON.

    A series has a time first, in order, then texts that name each line, then one number.
    """

    SERIES = ("timeseries", 0)
    TABLE = ("table", 1)


class ClickHouseQuery(variants.Dataquery):
    """One target of a panel, as grafana-clickhouse-datasource writes it into a dashboard."""

    def __init__(
        self, sql: str, form: Form, *, ref_id: str = "A", source: DataSourceRef | None = SOURCE
    ) -> None:
        self.sql, self.form, self.ref_id, self.source = sql, form, ref_id, source

    def to_json(self) -> dict[str, object]:
        """Return the target's object; without a source where the panel around it names one."""
        name, number = self.form.value
        found: dict[str, object] = {
            "editorType": "sql",
            "format": number,
            "pluginVersion": PLUGIN_VERSION,
            "queryType": name,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }
        if self.source is not None:
            found["datasource"] = self.source
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the target that `to_json` made *data* of."""
        source = data.get("datasource")
        return cls(
            data["rawSql"],
            next(form for form in Form if form.value[1] == data["format"]),
            ref_id=data["refId"],
            source=DataSourceRef.from_json(source) if source else None,
        )


class Query(builder.Builder[ClickHouseQuery]):
    """Makes a target of *sql*."""

    def __init__(
        self, sql: str, form: Form, *, ref_id: str = "A", source: DataSourceRef | None = SOURCE
    ) -> None:
        self._query = ClickHouseQuery(sql, form, ref_id=ref_id, source=source)

    def build(self) -> ClickHouseQuery:
        """Return it."""
        return self._query


def plain(sql: str) -> str:
    """Return *sql* without what it is indented by here."""
    return dedent(sql).strip()


def register() -> None:
    """Let the SDK read dashboards with such targets; may be called again."""
    plugins.register_default_plugins()
    config = runtime.DataqueryConfig(identifier=PLUGIN, from_json_hook=ClickHouseQuery.from_json)
    runtime.register_dataquery_variant(config)
