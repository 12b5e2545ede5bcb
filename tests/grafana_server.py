"""The wall to a real Grafana's HTTP API, for those who have one; Grafana's own names for things."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from grafana.clickhouse import PLUGIN, PLUGIN_VERSION
from grafana.reading import Json
from tests.grafana_macros import MACROS, Shown
from tests.grafana_variables import milliseconds, substitute

REAL = "CLUSTER_DOCTOR_TEST_GRAFANA"
"""Names a server: http://user:password@host:3000. The user may make folders and dashboards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafana:
    """A server, and who asks it."""

    url: str
    user: str
    password: str

    @classmethod
    def at(cls, url: str) -> "Grafana":
        """Return the server at *url*, which has user and password."""
        found = urlsplit(url)
        place = f"{found.hostname}:{found.port}" if found.port else str(found.hostname)
        return cls(
            url=f"{found.scheme}://{place}{found.path.rstrip('/')}",
            user=unquote(found.username or "admin"),
            password=unquote(found.password or "admin"),
        )

    def source(self) -> str:
        """Return the uid of its first ClickHouse data source."""
        found = [
            one["uid"] for one in self._call("GET", "/api/datasources") if one["type"] == PLUGIN
        ]
        assert found, f"{self.url} has no data source of the type {PLUGIN}"
        return str(found[0])

    def make_folder(self, uid: str) -> None:
        """Make a folder."""
        self._call("POST", "/api/folders", {"uid": uid, "title": uid})

    def drop_folder(self, uid: str) -> None:
        """Remove a folder with all that is in it."""
        self._call("DELETE", f"/api/folders/{uid}?forceDeleteRules=true")

    def take(self, dashboard: Json, folder: str) -> Json:
        """Import *dashboard* into a folder; return it as the server has it then."""
        wanted = {"dashboard": dashboard, "folderUid": folder, "overwrite": True}
        uid = self._call("POST", "/api/dashboards/db", wanted)["uid"]
        found: Json = self._call("GET", f"/api/dashboards/uid/{uid}")["dashboard"]
        return found

    def columns(self, sql: str, shown: Shown, *, source: str, form: int = 1) -> list[list[Any]]:
        """Return the columns of the answer to *sql*; the plugin's back end expands its macros."""
        query = {
            "refId": "A", "datasource": {"type": PLUGIN, "uid": source}, "editorType": "sql",
            "queryType": "table" if form else "timeseries", "format": form,
            "pluginVersion": PLUGIN_VERSION, "intervalMs": shown.interval_ms, "maxDataPoints": 1000,
            "rawSql": substitute(sql, shown, MACROS),
        }  # fmt: skip
        asked = {
            "from": str(milliseconds(shown.since)),
            "to": str(milliseconds(shown.until)),
            "queries": [query],
        }
        result = self._call("POST", "/api/ds/query", asked)["results"]["A"]
        assert "error" not in result, f"{result['error']}\n{query['rawSql']}"
        return [values for one in result["frames"] for values in one["data"]["values"]]

    def _call(self, how: str, path: str, body: object = None) -> Any:  # noqa: ANN401 its JSON
        who = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        head = {"Authorization": f"Basic {who}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, headers=head, method=how)
        try:
            with urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            raise AssertionError(f"{how} {path}: {error.read().decode()}") from error
