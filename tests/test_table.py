"""Tables fit the screen, and a node's output cannot drive the reader's terminal."""

from hypothesis import given
from hypothesis import strategies as st

from analytics.table import Column, Style, cells_of, cut, neutral, table

COLUMNS = [
    Column(title="NODE"),
    Column(title="COUNT", right=True),
    Column(title="DETAIL", flexible=True),
]
ROWS = [["n1", "7", "all fine"], ["n10", "12345", "cannot write to /scratch: no space left"]]


def test_columns_align_and_lines_have_no_trailing_space() -> None:
    assert list(table(COLUMNS, ROWS, width=None, colour=False)) == [
        "NODE  COUNT  DETAIL",
        "n1        7  all fine",
        "n10   12345  cannot write to /scratch: no space left",
    ]


def test_the_flexible_column_gives_way_to_a_narrow_screen() -> None:
    assert list(table(COLUMNS, ROWS, width=30, colour=False)) == [
        "NODE  COUNT  DETAIL",
        "n1        7  all fine",
        "n10   12345  cannot write to …",
    ]


def test_without_a_header_there_are_only_rows() -> None:
    assert list(table(COLUMNS, ROWS[:1], width=None, colour=False, header=False)) == [
        "n1  7  all fine"
    ]


def test_an_empty_table_is_its_header() -> None:
    assert list(table(COLUMNS, [], width=80, colour=True)) == ["NODE  COUNT  DETAIL"]


def test_a_given_width_is_kept_and_what_does_not_fit_is_cut() -> None:
    columns = [Column(title="NODE", width=6, right=True), Column(title="DETAIL", width=5)]
    assert list(table(columns, [["n1", "all fine"]], width=None, colour=False)) == [
        "  NODE  DETA…",
        "    n1  all …",
    ]


def test_colour_surrounds_the_text_and_never_the_padding() -> None:
    column = Column(title="OUTCOME", style=lambda text: Style.BAD if text == "fail" else Style.GOOD)
    rows = [["fail", "x"], ["pass", "y"]]
    lines = list(table([column, Column(title="NODE")], rows, width=80, colour=True))
    assert lines[1:] == ["\x1b[1;31mfail\x1b[0m     x", "\x1b[32mpass\x1b[0m     y"]


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert neutral("a\x1b[2Jb\nc\td\x9b\u202e\u200b") == r"a\x1b[2Jb\nc\td\x9b\u202e\u200b"


def test_wide_characters_take_two_cells() -> None:
    assert cells_of("日本") == 4
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 4) == "日…"
    assert cells_of("e\u0301") == 1


@given(
    st.lists(
        st.tuples(st.text(max_size=30), st.text(max_size=9), st.text(max_size=90)), max_size=5
    ),
    st.integers(1, 120),
)
def test_no_line_is_wider_than_the_screen_or_holds_a_control_character(
    rows: list[tuple[str, str, str]], width: int
) -> None:
    for line in table(COLUMNS, rows, width=width, colour=False):
        assert cells_of(line) <= width
        assert line.isprintable()


@given(st.text(max_size=60), st.integers(1, 60))
def test_a_cut_text_fits_and_begins_as_before(text: str, width: int) -> None:
    short = cut(text, width)
    assert cells_of(short) <= max(width, 1)
    assert text.startswith(short.removesuffix("…")) or short == text
