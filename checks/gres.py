"""Generic resources as Slurm writes them, such as gpu:h100:8(S:0-1),nvme:2."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = r"[A-Za-z0-9_.-]+"
_REQUEST = re.compile(rf"({_WORD})(?::([A-Za-z_]{_WORD[:-1]}*))?(?::([0-9]{{1,9}}))?")
_COUNT = re.compile(r"([0-9]{1,15})([KMGT]?)", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gres:
    """Some of one generic resource; an empty kind means any."""

    name: str
    kind: str = ""
    count: int = 1


def parse_gres(text: str) -> tuple[Gres, ...]:
    """Return what *text*, a node's Gres (scontrol(1), SHOW NODE), says the node has.

    Sockets and indexes in parentheses are left out, and so is what cannot be read: it
    then matches no selector.
    """
    plain = re.sub(r"\([^)]*\)", "", text)
    return tuple(found for item in plain.split(",") if (found := _one(item.strip())))


def parse_request(text: str) -> Gres:
    """Return what a selector's *text* asks for: name, name:count, name:type or name:type:count.

    Raises:
        ValueError: written in no such way.
    """
    found = _REQUEST.fullmatch(text)
    if not found or found[3] == "0":
        raise ValueError(f"{text!r} is not a gres; write it like gpu, gpu:h100 or gpu:h100:8")
    return Gres(name=found[1], kind=found[2] or "", count=int(found[3] or 1))


def amount(gres: Iterable[Gres], name: str, kind: str = "") -> int:
    """Return how many of *name*, and of *kind* if that is given, there are in *gres*."""
    return sum(one.count for one in gres if one.name == name and (not kind or one.kind == kind))


def _one(item: str) -> Gres | None:
    name, *rest = item.split(":")
    number = _COUNT.fullmatch(rest[-1]) if rest else None
    if number:
        rest.pop()
    kinds = [part for part in rest if part != "no_consume"]
    if not name or len(kinds) > 1:
        return None
    count = int(number[1]) * _FACTORS[number[2].upper()] if number else 1
    return Gres(name=name, kind=kinds[0] if kinds else "", count=count)
