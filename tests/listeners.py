"""A web server on this machine that behaves as badly as it is asked to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """What it answers, and what it was told."""

    port: int = 0
    answer: str = "ok"
    """ok, hang, slow, garbage, close, redirect, or a status."""
    heard: list[tuple[dict[str, str], object]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-path"


def _hang(_: BaseHTTPRequestHandler, listener: Listener) -> None:
    listener.over.wait()


def _trickle(handler: BaseHTTPRequestHandler, listener: Listener) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not listener.over.wait(0.1):
        handler.wfile.write(b"x")


def _garbage(handler: BaseHTTPRequestHandler, _: Listener) -> None:
    handler.wfile.write(b"\0\xff" * 1000)


def _close(handler: BaseHTTPRequestHandler, _: Listener) -> None:
    handler.connection.close()


def _redirect(handler: BaseHTTPRequestHandler, _: Listener) -> None:
    handler.send_response(302)
    handler.send_header("Location", "file:///etc/passwd")
    handler.end_headers()


_BAD = {
    "hang": _hang, "slow": _trickle, "garbage": _garbage, "close": _close, "redirect": _redirect,
}  # fmt: skip


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            listener.heard.append((dict(self.headers), json.loads(self.rfile.read(size))))
            if listener.answer in _BAD:
                _BAD[listener.answer](self, listener)
            else:
                self._say({"ok": 204}.get(listener.answer) or int(listener.answer))

        def _say(self, status: int) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 512

    def handle_error(self, *_: object) -> None:
        """A client that was killed is what these tests are about."""


@contextmanager
def listening(answer: str = "ok") -> Iterator[Listener]:
    """A listener that answers like *answer*, which may be changed meanwhile."""
    listener = Listener(answer=answer)
    server = _Server(("127.0.0.1", 0), _handler(listener))
    listener.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield listener
    finally:
        listener.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
