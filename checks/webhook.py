"""Posts one notice: a program of its own, so that it can be ended whatever it waits for.

Reads a JSON object on standard input: url, headers, body. Exits 0 where the answer was 2xx, and
else says on standard error what was wrong, without the address: its path may be a secret.
"""

import http.client
import json
import sys
import urllib.error
import urllib.request

_SOCKET_S = 10.0


def post(url: str, headers: dict[str, str], body: bytes) -> str:
    """Post *body* to *url*; returns what went wrong, or nothing.

    No proxy is used, no redirect followed, and https certificates are verified.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    try:
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - the handlers above know http and https alone
        answer = opener.open(request, timeout=_SOCKET_S)
        answer.close()
    except urllib.error.HTTPError as error:
        error.close()
        moved = "; write the address that it redirects to" if 300 <= error.code < 400 else ""
        return f"it answered {error.code}{moved}"
    except urllib.error.URLError as error:
        return f"cannot be reached: {error.reason}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer of the web's: {type(error).__name__}"
    return ""


def main() -> int:
    """Post what standard input says."""
    asked = json.load(sys.stdin.buffer)
    problem = post(asked["url"], asked["headers"], asked["body"].encode())
    sys.stderr.write(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
