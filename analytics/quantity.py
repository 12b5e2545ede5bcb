"""Numbers as people read them: 1.53G, 99.6%."""

from math import floor, isfinite, log10

_PREFIXES = {
    -4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P", 6: "E",
}  # fmt: skip


def quantity(number: float) -> str:
    """Return *number* in three digits with a prefix of the SI: 1.53G, 42, 87.2m."""
    if not isfinite(number):
        return str(number)
    if number == 0:
        return "0"
    step = floor(log10(abs(number)) / 3)
    if abs(step) < 10 and float(f"{abs(number) / 1000.0**step:.3g}") >= 1000:
        step += 1
    if step not in _PREFIXES:
        return f"{number:.3g}"
    return f"{number / 1000.0**step:.3g}{_PREFIXES[step]}"


def share(number: float) -> str:
    """Return a share as a percentage that says 100 % or 0 % only where it is exactly that."""
    if not isfinite(number):
        return str(number)
    shown = f"{number:.1%}"
    if shown == "100.0%":
        return "100%" if number == 1 else "99.9%" if number < 1 else shown
    if shown in ("0.0%", "-0.0%"):
        return "0%" if number == 0 else "<0.1%"
    return shown
