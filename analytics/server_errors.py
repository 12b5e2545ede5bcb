"""What went wrong between us and a ClickHouse server, in one line that names both and the remedy.

A password is in none of these lines: what the driver and the server say of themselves is quoted
only where it cannot hold one.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPException

from clickhouse_connect.driver.exceptions import Error

from slurm_hooks.duration import format_duration
from slurm_hooks.errors import StoreError, UnansweredError
from slurm_hooks.store_settings import StoreSettings

ABOUT = r"^https?://[^ ]+: "
"""How every line of these begins, and no other error's: a regular expression, also ClickHouse's."""

_INIT = "run: cluster-doctor store init"
_GRANTS = "docs/store.md has the privileges that writers and readers need"
_NOISE = re.compile(
    r"^(Received ClickHouse exception, code: \d+, server response: )?(Code: \d+\. )?"
    r"(DB::Exception: )?|\s*\(for url [^)]*\)|\s*\(version [^)]*(\([^)]*\))?\)"
)


def store_error(error: Exception, store: StoreSettings, user: str) -> StoreError:
    """Return what to say of *error*, which the driver raised when *user* asked *store*."""
    code = error.code if isinstance(error, Error) else None
    if code is not None:
        return StoreError(f"{store.url}: {_refusal(code, error, store, user)}")
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError | socket.gaierror | TimeoutError | OSError):
            known = _unreachable(cause, str(error), store)
            if known:
                return StoreError(f"{store.url}: {known}")
    if any(isinstance(cause, ConnectionError | HTTPException) for cause in causes):
        return UnansweredError(f"{store.url}: {_broken(causes)}")
    status = re.search(r"HTTP status (\d+)", str(error))
    if status:
        kind = UnansweredError if status[1] in {"429", "502", "503", "504"} else StoreError
        return kind(
            f"{store.url}: it answers with HTTP status {status[1]}; is ClickHouse up behind it?"
        )
    if "Unexpected response" in str(error):
        return not_clickhouse(store)
    return StoreError(f"{store.url}: {said(error)}")


def not_clickhouse(store: StoreSettings) -> StoreError:
    """Return what to say where something else answers."""
    return StoreError(
        f"{store.url}: its answer is not ClickHouse's; store.url in {store.path} must name the "
        "HTTP interface of ClickHouse, with nothing that answers in its place"
    )


def said(error: Exception) -> str:
    """Return in one line what the server said, without what surrounds it."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return _NOISE.sub("", line)[:300]


def _refusal(code: int, error: Exception, store: StoreSettings, user: str) -> str:
    match code:
        case 516 | 192 | 193 | 194:
            return (
                f"it does not let user {user!r} in: there is no such user, or the password is "
                f"wrong; see store.user and store.password_file in {store.path}"
            )
        case 81:
            return f"there is no database {store.database!r}, or {user!r} may not see it; {_INIT}"
        case 60:
            return f"a table or view of ours is not in {store.database!r}; {_INIT}"
        case 497:
            return f"user {user!r} may not do this: {said(error)}; {_GRANTS}"
        case 164:
            return (
                f"user {user!r} may only read here: {said(error)}; "
                "where the form of answers cannot be chosen, let its profile have readonly = 2"
            )
        case 159:
            return f"it gave up, as it took too long; raise store.timeout in {store.path}"
        case 242:
            return "its tables are read-only just now: has it lost its Keeper?"
        case _:
            return f"it refuses: {said(error)}"


def _unreachable(cause: BaseException, text: str, store: StoreSettings) -> str:
    match cause:
        case ssl.SSLCertVerificationError():
            return (
                f"its certificate is not trusted ({cause.verify_message}); name the file of who "
                f"signed it as store.ca_file in {store.path}"
            )
        case ssl.SSLError():
            return f"there is no TLS behind this port ({cause.reason}); see store.url"
        case socket.gaierror():
            return f"there is no host of this name ({cause.strerror}); see store.url"
        case TimeoutError() if "connect timeout" in text:
            return (
                f"it cannot be reached within {format_duration(store.connect_timeout)}; "
                "is it up, and is store.url right?"
            )
        case TimeoutError():
            return (
                f"it gave no answer within {format_duration(store.timeout)}; "
                f"look at its load, or raise store.timeout in {store.path}"
            )
        case ConnectionRefusedError():
            return "nothing listens there (connection refused); is it up, and is store.url right?"
        case ConnectionError():
            return ""
        case OSError() if cause.errno and cause.strerror:
            return f"it cannot be reached ({cause.strerror}); is it up, and is store.url right?"
        case _:
            return ""


def _broken(causes: list[BaseException]) -> str:
    names = {type(cause).__name__ for cause in causes}
    if "BadStatusLine" in names:
        return "what answers there does not speak HTTP; see store.url"
    return "it closed the connection before its answer was whole; did it restart? try again"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and what it came from, the nearest first."""
    for _ in range(12):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(error, BaseException):
            return
