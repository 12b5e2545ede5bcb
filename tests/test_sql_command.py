"""`sql` answers whatever can be asked of the history, and does nothing else."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.guard import why_not
from analytics.views import VIEWS
from slurm_hooks.errors import StoreError
from slurm_hooks.outcome import Outcome
from tests.command_line import Site, new_site
from tests.history_examples import row


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = new_site(tmp_path_factory.mktemp("site"))
    rows = [
        row("a", node="n1"),
        row("b", node="n2", minute=1, outcome=Outcome.FAIL)._replace(detail="\x1b[31mno|space\n"),
        row("c", node="n3", minute=2)._replace(cluster="beta"),
    ]
    EmbeddedStore(made.state.history).append(frame(rows))
    return made


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done = site.run("sql", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


def _refused(site: Site, *arguments: str, code: int = 2) -> str:
    done = site.run("sql", *arguments)
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    assert done.stderr.count("\n") == 1
    return done.stderr


EVERYTHING = "SELECT node, count() AS results, max(finished_at) AS latest, any(detail) AS d FROM"


def test_numbers_are_on_the_right_and_times_local(site: Site) -> None:
    asked = f"{EVERYTHING} history WHERE cluster = 'alpha' GROUP BY node ORDER BY node"
    assert _lines(site, asked) == [
        "NODE  RESULTS  LATEST               D",
        "n1          1  2030-01-02T12:00:00  a pass",
        r"n2          1  2030-01-02T12:01:00  \x1b[31mno|space\n",
    ]
    assert _lines(site, "-nP", asked)[0] == "n1|1|2030-01-02T12:00:00|a pass"
    assert _lines(site, "-np", "--delimiter", ";", asked)[0] == "n1;1;2030-01-02T12:00:00;a pass;"


def test_every_cluster_of_the_history_is_in_it(site: Site) -> None:
    assert _lines(site, "-n", "SELECT DISTINCT cluster FROM history ORDER BY cluster") == [
        "alpha",
        "beta",
    ]


def test_programs_get_values_as_they_are(site: Site) -> None:
    asked = (
        "SELECT node, metrics, finished_at AS at, toDate(finished_at) AS day,"
        " outcome = 'fail' AS f, NULL AS nothing, [1, 2] AS list, nan AS n"
        " FROM history ORDER BY node LIMIT 1"
    )
    (one,) = json.loads("\n".join(_lines(site, "--json", asked)))
    assert one == {
        "node": "n1",
        "metrics": {"write_bytes_per_s": 1.5e9},
        "at": "2030-01-02T12:00:00.000Z",
        "day": "2030-01-02",
        "f": 0,
        "nothing": None,
        "list": [1, 2],
        "n": None,
    }
    (named,) = csv.DictReader(_lines(site, "--csv", asked))
    assert (named["day"], named["list"]) == ("2030-01-02", "[1, 2]")


def test_parquet_has_the_answer_s_types_with_no_row_at_all_too(site: Site, tmp_path: Path) -> None:
    asked = "SELECT node, task, duration_s, finished_at, metrics, toDate(finished_at) AS day"
    for where, height in (("1", 3), ("0", 0)):
        file = tmp_path / "answer.parquet"
        assert _lines(site, "--parquet", str(file), f"{asked} FROM history WHERE {where}") == []
        found = pl.read_parquet(file)
        assert found.height == height
        kinds = [pl.String, pl.Int64, pl.Float64, pl.Datetime("ms", "UTC")]
        assert [*found.schema.values()][:4] == kinds
        assert found.schema["day"] == pl.Date
        assert found["metrics"].to_list()[:1] == [{"write_bytes_per_s": 1.5e9}][:height]
    assert [path.name for path in tmp_path.iterdir()] == ["answer.parquet"]
    two = _refused(site, "--parquet", str(tmp_path / "two"), "SELECT 1, 1", code=1)
    assert "two columns have the same name" in two


def test_text_that_is_no_utf_8_is_shown_all_the_same(site: Site) -> None:
    assert _lines(site, "-n", "SELECT unhex('6eff31') AS x, 1 AS y") == ["n\ufffd1  1"]


def test_a_statement_comes_from_a_file_or_from_standard_input(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "asked.sql"
    file.write_text("-- how many\nSELECT count()\nFROM history;\n")
    assert _lines(site, "-n", "-f", str(file)) == ["3"]
    done = subprocess.run(
        site.argv("sql", "-n", "-"),
        env=site.environment,
        input=file.read_text(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
    assert "cannot read it: No such file" in _refused(site, "-f", str(tmp_path / "gone"))
    file.write_bytes(b"SELECT '\xff'")
    assert "is not UTF-8" in _refused(site, "-f", str(file))
    file.write_bytes(b"SELECT 1 " + b" " * 1_000_000)
    assert "at most 1,000,000 bytes" in _refused(site, "-f", str(file))


def test_the_views_and_their_columns_are_listed(site: Site) -> None:
    found = [line.split("|") for line in _lines(site, "--tables", "-nP")]
    assert [*dict.fromkeys(view for view, _, _ in found)] == [*VIEWS]
    assert ["history", "metrics", "Map(String, Float64)"] in found


def test_every_view_can_be_asked(site: Site) -> None:
    for view in VIEWS:
        assert len(_lines(site, f"SELECT * FROM {view}")) >= 1


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT outcom FROM history", "`outcom`. Maybe you meant: ['outcome']"),
        ("SELECT * FROM histroy", "'histroy'. Maybe you meant history?"),
        ("SELECT * FROM resultings", "'resultings'"),
        ("SELEC 1", "Syntax error: failed at position 7"),
        ("SELECT toInt32('x')", "Cannot parse"),
        ("SELECT {x:String}", "x"),
    ],
)
def test_what_is_wrong_is_clickhouse_s_own_line(site: Site, statement: str, message: str) -> None:
    line = _refused(site, statement, code=1)
    assert message in line
    assert "store_" not in line
    assert "formatQuery" not in line


HERE = "/etc/hostname"

ATTACKS = f"""
SELECT 1; SELECT 2
SELECT 1) INTO OUTFILE 'PLACE' ; SELECT * FROM (SELECT 1
SELECT * FROM file('{HERE}', 'LineAsString')
SELECT * FROM `file`('{HERE}', 'LineAsString')
SELECT * FROM FILE /* x */ ('{HERE}', 'LineAsString')
SELECT file('{HERE}')
SELECT `file`('{HERE}')
WITH (SELECT file('{HERE}')) AS x SELECT x
SELECT arrayMap(x -> file(x), ['{HERE}'])
DESCRIBE TABLE file('{HERE}', 'LineAsString')
DESCRIBE file('{HERE}')
EXPLAIN SELECT file('{HERE}')
SELECT 1 INTO OUTFILE 'PLACE'
SELECT 1 INTO OUTFILE 'PLACE' TRUNCATE FORMAT CSV
SELECT 1 /* */ INTO/**/OUTFILE 'PLACE'
SELECT 1 INTO -- comment
SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')
SELECT * FROM urlCluster('x', 'http://127.0.0.1:1/', 'CSV', 'a String')
SELECT * FROM remote('127.0.0.1', 'system.one')
SELECT * FROM remoteSecure('127.0.0.1', 'system.one')
SELECT * FROM cluster('default', 'system.one')
SELECT * FROM s3('http://127.0.0.1:1/a/b', 'CSV', 'a String')
SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')
SELECT * FROM sqlite('PLACE', 'status')
SELECT * FROM executable('id', 'TSV', 'a String')
SELECT * FROM python('sys')
SELECT * FROM Python(sys)
SELECT * FROM eval('SELECT 1')
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1))
SELECT * FROM input('a String')
SELECT * FROM merge('system', '.*')
SELECT * FROM dictionary('x')
SELECT * FROM filesystem('/etc')
SELECT aiGenerate('x', 'y')
INSERT INTO FUNCTION file('PLACE', 'CSV', 'a Int8') SELECT 1
INSERT INTO history SELECT * FROM history
CREATE TABLE t (a Int8) ENGINE = File(CSV, 'PLACE')
CREATE TEMPORARY TABLE t (a Int8)
CREATE FUNCTION f AS x -> x
ATTACH TABLE t FROM 'PLACE' (a Int8) ENGINE = Memory
DROP VIEW history
DROP DATABASE default
TRUNCATE TABLE settled_results
ALTER TABLE settled_results DELETE WHERE 1
OPTIMIZE TABLE settled_results FINAL
RENAME TABLE history TO h
EXCHANGE TABLES history AND status
GRANT ALL ON *.* TO default
SET readonly = 0
SET allow_ddl = 1
SELECT 1 SETTINGS readonly = 0
SELECT * FROM (SELECT 1 SETTINGS readonly = 0)
SELECT 1 SETTINGS max_execution_time = 0
USE system
KILL QUERY WHERE 1
SYSTEM SHUTDOWN
SYSTEM FLUSH LOGS
BACKUP TABLE history TO File('PLACE')
RESTORE TABLE history FROM File('PLACE')
WATCH history
CHECK TABLE settled_results
SHOW GRANTS
SHOW PROCESSLIST
SHOW SETTINGS LIKE '%'
SELECT * FROM system.processes
SELECT * FROM `system`.`named_collections`
SELECT * FROM information_schema.tables
SELECT 1 FORMAT TSV
SELECT 1 FORMAT Native
""".strip().splitlines()


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_but_questions_about_the_history_is_done(
    site: Site, tmp_path: Path, attack: str
) -> None:
    place = tmp_path / "place"
    done = site.run("sql", attack.replace("PLACE", str(place)))
    assert done.exit_code in (1, 2), done.output
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "a bug of ours" not in done.stderr
    assert not place.exists()
    assert Path(HERE).read_text().strip() not in done.output
    assert _lines(site, "-n", "SELECT count() FROM history") == ["3"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'INTO OUTFILE', '; DROP VIEW history', 'file(' AS file FROM history",
        "SELECT node AS `a;b`, 1 AS outfile FROM history -- INTO OUTFILE 'x'",
        "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        "(SELECT 1 AS a) UNION ALL (SELECT 2 AS a)",
        "SELECT number FROM numbers(3)",
        "SELECT format('{} on {}', outcome, node) FROM history",
        "EXPLAIN SELECT 1",
        "DESCRIBE history",
        "SHOW TABLES",
        "SHOW CREATE VIEW history",
        "EXISTS history",
        "FROM history SELECT count()",
        "SELECT $x$ INTO OUTFILE 'a' $x$",
        "SELECT node AS format FROM history",
    ],
)
def test_questions_that_only_look_dangerous_are_answered(site: Site, statement: str) -> None:
    assert _lines(site, statement)


def test_the_engine_itself_lets_nothing_be_changed(site: Site) -> None:
    """The guard is one wall; this one stands where it has a hole."""
    store = EmbeddedStore(site.state.history)
    for statement in (
        "CREATE TABLE t (a Int8) ENGINE = Memory",
        "INSERT INTO settled_results SELECT * FROM settled_results",
        f"SELECT * FROM file('{HERE}', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SET readonly = 0",
    ):
        with pytest.raises(StoreError, match="READONLY"):
            store.answer(statement)
    store.close()


def test_a_table_function_that_nobody_looked_at_is_refused() -> None:
    assert why_not("SELECT * FROM novelty('x')", ["novelty", "numbers"]) is not None
    assert why_not("SELECT * FROM numbers(1)", ["novelty", "numbers"]) is None


def test_a_history_without_any_record_has_no_answer_and_says_so(tmp_path: Path) -> None:
    done = new_site(tmp_path).run("sql", "SELECT 1")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing was ever recorded" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["SELECT 1", "--tables"], [""], ["-f"]])
def test_it_wants_exactly_one_statement(site: Site, arguments: list[str]) -> None:
    _refused(site, *arguments)


def test_ctrl_c_ends_it_at_once(site: Site) -> None:
    endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    with subprocess.Popen(site.argv("sql", endless), env=site.environment) as process:
        children = Path(f"/proc/{process.pid}/task")
        deadline = time.monotonic() + 30
        while len([*children.iterdir()]) < 4:  # the engine's threads are there
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        started = time.monotonic()
        process.wait(10)
        assert time.monotonic() - started < 2
        assert process.returncode == -signal.SIGINT


def test_parquet_does_not_go_to_a_terminal_and_does_into_a_pipe(site: Site) -> None:
    asked = ("sql", "--parquet", "-", "SELECT 1 AS a")
    done = subprocess.run(
        site.argv(*asked), env=site.environment, capture_output=True, timeout=60, check=True
    )
    assert pl.read_parquet(io.BytesIO(done.stdout))["a"].to_list() == [1]
    ours, theirs = pty.openpty()
    refused = subprocess.run(
        site.argv(*asked),
        env=site.environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert refused.returncode == 2
    assert b"would fill the terminal" in refused.stderr
