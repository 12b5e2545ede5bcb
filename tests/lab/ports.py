"""Free TCP ports for a lab: a block that neither another lab nor anything else uses."""

import random
import socket
from collections.abc import Iterable

from tests.lab.errors import LabError

FIRST, LAST = 20000, 32000  # below the kernel's ephemeral ports, which start at 32768
TRIES = 200


def free_block(count: int, taken: Iterable[range]) -> int:
    """The first of *count* ports in a row that can be bound now and lie in no range of *taken*.

    Raises:
        LabError: no such block was found.
    """
    reserved = list(taken)
    for _ in range(TRIES):
        first = random.randrange(FIRST, LAST - count)
        block = range(first, first + count)
        if not any(_overlap(block, other) for other in reserved) and all_free(block):
            return first
    raise LabError(f"no {count} free ports in a row between {FIRST} and {LAST}")


def all_free(block: range) -> bool:
    """Whether every port of *block* can be bound now."""
    return all(_is_free(port) for port in block)


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
