"""ClickHouse's HTTP interface over chDB: the engine is real, only this layer is made for tests.

``python -m tests.clickhouse_front DIRECTORY [--port N] [--certificate FILE]`` listens on 127.0.0.1,
prints its port, and ends when its standard input does. A process of its own, because one that
loaded chDB must not fork. What it cannot do: Replicated tables and ON CLUSTER, real privileges, two
questions at once.

`POST /misbehave?how=drop&times=1&matching=INSERT` spoils the next answers whose SQL holds that.
"""

import argparse
import email.parser
import email.policy
import os
import re
import ssl
import sys
import tempfile
import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

WRITER = ("doctor", "it's \\ secret")
READER = ("reader", "look")
"""Users and their passwords. The second may only read."""

HTTP_STATUS = {516: 403, 497: 403, 164: 403, 60: 404, 81: 404, 62: 400, 47: 400}
_TRANSPORT = {
    "query", "database", "default_format", "session_id", "session_timeout", "session_check",
    "query_id", "compress", "decompress", "enable_http_compression", "wait_end_of_query",
    "buffer_size", "client_protocol_version", "user", "password", "quota_key", "role",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms",
}  # fmt: skip
_WRITES = re.compile(r"(?i)(?:\s|--[^\n]*\n)*(INSERT|CREATE|ALTER|DROP|TRUNCATE|OPTIMIZE)\b")
_INSERT = re.compile(rb"(?is)\s*(INSERT\s+INTO\s+\S+[^;]*?FORMAT\s+\w+)[ \t]*\n(.*)")


class RefusedError(Exception):
    """What ClickHouse would say no to, with its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")


@dataclass
class Misbehaviour:
    """What is done to the next answers instead of giving them."""

    how: str = ""
    """drop (half an answer), late (after it was done: none), 503, hang, garbage, page."""
    times: int = 0
    matching: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, sql: str) -> str:
        """Return what to do to the answer to *sql*; it counts as done."""
        with self.lock:
            if not self.times or self.matching.lower() not in sql.lower():
                return ""
            self.times -= 1
            return self.how


class Engine:
    """chDB, one question at a time."""

    def __init__(self, directory: str) -> None:
        import chdb  # noqa: PLC0415 this process alone

        self._connection: Any = chdb.connect(directory)  # type: ignore[no-untyped-call]
        self._lock = threading.Lock()
        self.timezone = str(self._connection.query("SELECT timezone()")).strip().strip('"')

    def ask(
        self, sql: str, data: bytes | None, form: str, database: str, values: dict[str, str]
    ) -> bytes:
        """Return the answer; ``param_x`` among *values* are parameters, the others settings."""
        settings = {k: v for k, v in values.items() if not k.startswith("param_")}
        bound = {k.removeprefix("param_"): v for k, v in values.items() if k.startswith("param_")}
        with self._lock, tempfile.NamedTemporaryFile() as file:
            try:
                self._connection.query(f"USE `{database}`")
                for name, value in settings.items():
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    self._connection.query(f"SET {name} = '{quoted}'")
                if data is not None:
                    Path(file.name).write_bytes(data)
                    infile = rf" FROM INFILE '{file.name}' FORMAT \1"
                    sql = re.sub(r"(?is)\s+FORMAT\s+(\w+)\s*$", infile, sql)
                answer: bytes = self._connection.query(sql, form, params=bound).bytes()
            finally:
                for name in settings:
                    self._connection.query(f"SET {name} = DEFAULT")
        return answer


class Handler(BaseHTTPRequestHandler):
    """One request, as HTTP Interface in ClickHouse's documentation has it."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    server: "Front"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self._handle()

    def do_POST(self) -> None:
        """Answer."""
        self._handle()

    def _handle(self) -> None:
        url = urlsplit(self.path)
        given = dict(parse_qsl(url.query, keep_blank_values=True))
        body = self._body()
        if url.path == "/misbehave":
            once = self.server.misbehaviour
            once.how, once.matching = given["how"], given.get("matching", "")
            once.times = int(given.get("times", "1"))
            return self._send(200, b"Ok.\n")
        if url.path == "/ping":
            return self._send(200, b"Ok.\n")
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            given |= self._form(body)
            body = b""
        sql, data = _statement(given.pop("query", "").encode(), body)
        spoiled = self.server.misbehaviour.take(sql)
        if spoiled and spoiled not in {"drop", "late"}:
            return self._spoil(spoiled)
        code, answer, form = self._answer(sql, data, given)
        if spoiled == "late":
            return self._spoil("close")
        return self._send(200 if not code else HTTP_STATUS.get(code, 500), answer, form=form,
                          code=code, half=spoiled == "drop")  # fmt: skip

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return _decoded(body, self.headers.get("Content-Encoding", ""))

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        found = {}
        for part in message.iter_parts():
            name, value = part.get_param("name", header="content-disposition"), part.get_content()
            found[str(name)] = value.decode() if isinstance(value, bytes) else str(value)
        return found

    def _answer(
        self, sql: str, data: bytes | None, given: dict[str, str]
    ) -> tuple[int, bytes, str]:
        form = given.get("default_format") or self.headers.get("X-ClickHouse-Format")
        form = form or "TabSeparated"
        try:
            self._allow(sql, given)
            values = {k: v for k, v in given.items() if k not in _TRANSPORT}
            database = given.get("database") or self.headers.get("X-ClickHouse-Database")
            answer = self.server.engine.ask(sql, data, form, database or "default", values)
        except (RefusedError, RuntimeError) as error:
            found = re.search(r"Code: (\d+)", str(error))
            return int(found[1]) if found else 1000, str(error).encode(), form
        return 0, answer, form

    def _allow(self, sql: str, given: dict[str, str]) -> None:
        user, password = given.get("user", "default"), given.get("password", "")
        if self.headers.get("Authorization", "").startswith("Basic "):
            import base64  # noqa: PLC0415 rarely

            text = base64.b64decode(self.headers["Authorization"].split()[1]).decode()
            user, _, password = text.partition(":")
        if (user, password) not in {WRITER, READER}:
            raise RefusedError(
                516, f"{user}: Authentication failed: password is incorrect, or there is no user "
                "with such name. (AUTHENTICATION_FAILED)",
            )  # fmt: skip
        if given.pop("readonly", "0") != "0" and _WRITES.match(sql):  # the engine could not go back
            raise RefusedError(164, f"{user}: Cannot execute query in readonly mode. (READONLY)")
        if user == READER[0] and _WRITES.match(sql):
            raise RefusedError(
                497, f"{user}: Not enough privileges. To execute this query, it's necessary to "
                "have the grant INSERT ON db.*. (ACCESS_DENIED)",
            )  # fmt: skip

    def _send(
        self, status: int, body: bytes, *, form: str = "", code: int = 0, half: bool = False
    ) -> None:
        self.send_response(status)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) > 1024 and not code:
            body = zlib.compress(body, 1, 31)
            self.send_header("Content-Encoding", "gzip")
        for name, value in (
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("X-ClickHouse-Server-Display-Name", "front"),
            ("X-ClickHouse-Query-Id", str(uuid.uuid4())),
            ("X-ClickHouse-Format", form),
            ("X-ClickHouse-Timezone", self.server.engine.timezone),
            ("X-ClickHouse-Summary", '{"read_rows":"0","written_rows":"0"}'),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)
        self.wfile.flush()
        if half:
            self._spoil("close")

    def _spoil(self, how: str) -> None:
        self.close_connection = True
        match how:
            case "503":
                self._send(503, b"upstream connect error\n")
            case "page":
                self._send(200, b"<html><title>Welcome to nginx!</title></html>")
            case "garbage":
                self.wfile.write(b"\0\xff" * 1000)
            case "hang":
                time.sleep(60)
            case _:
                pass


class Front(ThreadingHTTPServer):
    """The listener; threads wait for the engine in turn."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, directory: str, port: int, certificate: str | None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = Engine(directory)
        self.misbehaviour = Misbehaviour()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 its parent's
        """Say nothing of clients that went away."""


def _statement(sql: bytes, body: bytes) -> tuple[str, bytes | None]:
    """Return the statement, and the data that came with it."""
    if sql and body:
        return sql.decode(), body
    inline = _INSERT.match(body)
    if inline:
        return inline[1].decode(), inline[2]
    return (sql or body).decode(), None


def _decoded(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "gzip":
            return zlib.decompress(body, 31)
        case "lz4":
            import lz4.frame  # type: ignore[import-untyped]  # noqa: PLC0415 rarely

            return bytes(lz4.frame.decompress(body))
        case "zstd":
            from backports import zstd  # noqa: PLC0415 rarely

            return bytes(zstd.decompress(body))
        case _:
            return body


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate")
    given = parser.parse_args()
    front = Front(given.directory, given.port, given.certificate)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    print(front.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)  # its libraries do not survive the interpreter's tidying up


if __name__ == "__main__":
    main()
