"""The columns of a report's tables, those that several of its tables share."""

from analytics.fields import age
from analytics.quantity import share
from analytics.report import Cells, Kind, ReportColumn

NODE = ReportColumn(name="node", title="NODE")
CHECK = ReportColumn(name="check_name", title="CHECK")
METRIC = ReportColumn(name="metric", title="METRIC", flexible=True)
DETAIL = ReportColumn(name="detail", title="DETAIL", flexible=True)


def number_of(row: Cells, name: str) -> float | None:
    """Return a number of *row*, None where it has none."""
    value = row[name]
    return None if value is None else float(str(value))


def mean_time(row: Cells) -> str:
    """Return the mean time between failures, or how much it is at least."""
    found, floor = number_of(row, "mtbf_s"), number_of(row, "mtbf_floor_s")
    if found is not None:
        return age(found)
    return "-" if floor is None else f">{age(floor)}"


def interval(row: Cells) -> str:
    """Return the pass rate's 95 % interval."""
    low, high = number_of(row, "rate_low"), number_of(row, "rate_high")
    return "-" if low is None or high is None else f"{share(low)}-{share(high)}"


def loss(row: Cells, name: str = "loss") -> str:
    """Return how much worse than the baseline: -10.2% is a loss of a tenth."""
    lost = number_of(row, name)
    if lost is None:
        return "-"
    return "0.0%" if abs(lost) < 0.0005 else f"{-lost:+.1%}"


RATES = (
    ReportColumn(name="judged", title="JUDGED", kind=Kind.COUNT),
    ReportColumn(name="pass_rate", title="PASS", kind=Kind.SHARE, bar=True),
    ReportColumn(name="interval", title="95%", kind=Kind.POINTS, text=interval),
    ReportColumn(name="rate_low", kind=Kind.SHARE),
    ReportColumn(name="rate_high", kind=Kind.SHARE),
    ReportColumn(name="passed"),
    ReportColumn(name="warned"),
    ReportColumn(name="failed"),
    ReportColumn(name="failures", title="FAILURES", kind=Kind.COUNT),
    ReportColumn(name="mtbf", title="MTBF", kind=Kind.LENGTH, text=mean_time),
    ReportColumn(name="mtbf_s"),
    ReportColumn(name="mtbf_floor_s"),
)
"""What `analytics.reliability.rates` has."""

REGRESSIONS = (
    METRIC,
    ReportColumn(name="verdict", title="VERDICT", kind=Kind.OUTCOME),
    ReportColumn(name="value", title="NOW", kind=Kind.NUMBER),
    ReportColumn(name="unit"),
    ReportColumn(name="baseline", title="USUAL", kind=Kind.NUMBER),
    ReportColumn(name="change", title="CHANGE", kind=Kind.NUMBER, text=loss),
    ReportColumn(name="loss"),
    ReportColumn(name="mads"),
    ReportColumn(name="against", title="AGAINST", flexible=True),
)
"""What `analytics.regression.worst` has, with its unit."""
