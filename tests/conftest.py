"""Fixtures that more than one test file needs: the lab, and a ClickHouse server."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from tests.clickhouse import REAL, ClickHouse, real, start
from tests.lab import Lab, LabError
from tests.lab.install import build_wheel
from tests.site import make_room, suspend_shipped

if TYPE_CHECKING:
    from tests.dashboard_engine import History

# A busy machine is no failed property; and what CI tries is the same each time it tries it.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

MakeLab = Callable[..., Lab]


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A ClickHouse server for all tests: the one that the environment names, or the front."""
    if os.environ.get(REAL):
        yield real(os.environ[REAL])
        return
    with start(tmp_path_factory.mktemp("clickhouse")) as made:
        yield made


@pytest.fixture(scope="session")
def fleets(clickhouse: ClickHouse) -> Iterator["History"]:
    """The history of two fleets, for all that ask what dashboards ask; nobody changes it."""
    from tests.dashboard_engine import told  # noqa: PLC0415 it loads Polars and Grafana's SDK

    with told(clickhouse) as made:
        yield made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's wheel, built once per test run."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def make_lab() -> Iterator[MakeLab]:
    """`Lab.create`, but what the machine lacks is said in one line.

    While it is in use SIGTERM ends the run through its fixtures; labs watch for SIGKILL themselves.
    """

    def make(**options: object) -> Lab:
        try:
            return Lab.create(**options)  # type: ignore[arg-type]  # the options are create's own
        except LabError as error:
            problem = str(error)
        pytest.fail(problem, pytrace=False)  # outside of the handler, or pytest shows both

    def end(_number: int, _frame: object) -> NoReturn:
        pytest.exit("ended by SIGTERM", returncode=143)

    before = signal.signal(signal.SIGTERM, end)
    yield make
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def _session_lab(make_lab: MakeLab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    with make_lab() as lab:
        lab.install(request.getfixturevalue("wheel"))  # not built where there can be no lab
        lab.up()
        yield lab


@pytest.fixture
def lab(_session_lab: Lab) -> Lab:
    """The cluster that tests share, with the product installed, as good as new."""
    _session_lab.reset()
    return _session_lab


@pytest.fixture
def site(lab: Lab) -> Lab:
    """A lab where only the checks that a test adds are active."""
    lab.wait_until_idle()
    suspend_shipped(lab)
    lab.configure(max_concurrent_visits=8, record_grace="0s")
    return lab


@pytest.fixture
def ward(site: Lab) -> Lab:
    """A site whose reactions have room for everything."""
    make_room(site)
    return site


@pytest.fixture
def new_lab(make_lab: MakeLab) -> Iterator[MakeLab]:
    """Make a cluster for this test alone: ``new_lab(nodes=2)``, then `install` and `up`."""
    with ExitStack() as labs:

        def make(**options: object) -> Lab:
            return labs.enter_context(make_lab(**options))

        yield make
