"""The engine in this process says the same as rows and as a frame, and takes values as values."""

import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.engine import Engine, literal
from slurm_hooks.errors import StoreError

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine("engine_tests")
    yield made
    made.close()


@given(text=TEXT, several=st.lists(TEXT, max_size=3), number=st.integers(-(2**63), 2**63 - 1))
def test_a_parameter_comes_back_as_it_went_in(
    engine: Engine, text: str, several: list[str], number: int
) -> None:
    asked = "SELECT {t:String}, {s:Array(String)}, {n:Int64}"
    assert engine.rows(asked, {"t": text, "s": several, "n": number}) == [(text, several, number)]


@pytest.mark.parametrize("value", [True, None, b"bytes", {"a": 1}])
def test_nothing_else_is_a_parameter(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be a parameter"):
        literal(value)


EVERYTHING = """
SELECT
    toDateTime64('2030-01-02 03:04:05.678', 3, 'UTC') AS t,
    CAST(NULL, 'Nullable(DateTime64(3, \\'UTC\\'))') AS no_t,
    toUInt64(18446744073709551615) AS big, toInt32(-5) AS small, toFloat64(2) AS two,
    CAST(NULL, 'Nullable(Int32)') AS no_n, 'ü\\n日\\0' AS text, map('a', 1.5, 'b', 2.) AS map,
    ['x', 'y'] AS list,
    [CAST(tuple(1, 'n', 'r'), 'Tuple(job_id UInt64, node String, reason String)')] AS named
"""


def test_rows_and_frames_say_the_same_in_the_same_types(engine: Engine) -> None:
    (row,) = engine.rows(EVERYTHING)
    (framed,) = engine.frame(EVERYTHING).rows()
    assert row == framed
    assert [type(value) for value in row] == [type(value) for value in framed]
    assert row[0] == datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert row[7] == {"a": 1.5, "b": 2.0}


def test_what_json_has_no_number_for_is_a_number_all_the_same(engine: Engine) -> None:
    ((nan, infinite, held),) = engine.rows("SELECT nan, -inf, map('a', inf)")
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert (infinite, held) == (-math.inf, {"a": math.inf})


def test_text_that_is_no_utf_8_does_not_stop_the_answer(engine: Engine) -> None:
    assert engine.rows("SELECT unhex('6eff31')") == [("n\ufffd1",)]


def test_an_answer_that_is_read_in_parts_has_every_row_once_and_in_order(engine: Engine) -> None:
    for count in (10_000, 10_001, 25_000):
        asked = f"SELECT number, toDateTime64(number, 3, 'UTC') FROM numbers({count}) ORDER BY 1"
        found = engine.rows(asked)
        assert [row[0] for row in found] == [*range(count)]
        assert found[-1][1] == datetime.fromtimestamp(count - 1, UTC)


def test_no_rows_are_no_rows(engine: Engine) -> None:
    assert engine.rows("SELECT 1 WHERE 0") == []
    engine.command("CREATE OR REPLACE VIEW nothing AS SELECT 1 WHERE 0")
    assert engine.rows("SELECT * FROM nothing") == []


def test_what_the_engine_refuses_is_one_line(engine: Engine) -> None:
    with pytest.raises(StoreError, match=r"^Code: 60\. DB::Exception: .*nowhere") as caught:
        engine.rows("SELECT * FROM nowhere")
    assert "\n" not in str(caught.value)


def test_two_engines_of_a_process_have_databases_of_their_own(engine: Engine) -> None:
    other = Engine("other_tests")
    engine.command("CREATE OR REPLACE VIEW mine AS SELECT 1 AS one")
    with pytest.raises(StoreError, match="mine"):
        other.rows("SELECT * FROM mine")
    other.close()
    assert engine.rows("SELECT * FROM mine") == [(1,)]


def test_asking_for_rows_loads_neither_polars_nor_a_client() -> None:
    """They would take longer than the engine and the answer together."""
    program = (
        "import sys\nfrom analytics.engine import Engine\n"
        "print(Engine('a').rows('SELECT 1'), *sorted({'polars', 'clickhouse_connect', 'pandas',"
        " 'pyarrow', 'numpy', 'chdb'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[(1,)]\n"
