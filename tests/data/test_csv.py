"""Samples from tables in text: how they are read, and what is refused, with its line and column."""

from __future__ import annotations

import contextlib
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcnn.data import csv, lines
from gcnn.data.csv import open_csv
from gcnn.errors import DataError, FormatError

IRIS = "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n6.3,3.3,virginica\n"


@pytest.fixture
def table(tmp_path):
    """Write a table, as text or bytes, and return its path."""

    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def refused(table):
    """`refused(FormatError, "content", "line 3", ...)`: that very error, with the path and all the texts in it."""

    def check(kind: type[Exception], content: str | bytes, *said: str, target: str | None = None) -> None:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the type is compared below)
            open_csv(table(content), target)
        assert type(caught.value) is kind
        assert [text for text in ("data.csv", *said) if text not in str(caught.value)] == [], str(caught.value)

    return check


def test_a_table_without_header_keeps_its_first_line_and_sorts_the_names_of_its_classes(table):
    dataset = open_csv(table(IRIS))
    x, t = dataset.training[[3, 0]]
    assert x.tolist() == [[6.3, 3.3], [5.1, 3.5]]
    assert (x.dtype, t.dtype, t.tolist()) == (np.float64, np.intp, [2, 0])
    assert dataset.classes == ("setosa", "versicolor", "virginica")
    assert (len(dataset.training), dataset.training.shape, dataset.test, dataset.model) == (4, (2,), None, "mlp")
    assert "commas, no header, 2 features; target: column 2, 3 classes" in dataset.source


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n\n"])
@pytest.mark.parametrize("header", ["", "a,b,c\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_way_to_write_a_table_gives_the_same_samples(table, delimiter, end, bom, last, header, packed):
    text = bom + (header + IRIS.strip() + last).replace(",", delimiter).replace("\n", end)
    content = gzip.compress(text.encode()) if packed else text
    dataset = open_csv(table(content, "data.csv.gz" if packed else "data.csv"))
    expected = open_csv(table(IRIS, "plain.csv")).training.arrays()
    for found, same in zip(dataset.training.arrays(), expected, strict=True):
        np.testing.assert_array_equal(found, same)
    assert ("a header" in dataset.source) == bool(header)


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("a,b\n1,2\n", True),
        ("a,b\n1,x\n2,y\n", True),
        ("1,2,y\n1,2,3.5\n", True),
        ("1,2,y\n1,2,x\n", False),
        ("1,2\n3,4\n", False),
    ],
)
def test_the_first_line_is_a_header_where_no_feature_is_a_number_or_the_target_is_one_only_below(
    table, content, header
):
    dataset = open_csv(table(content))
    assert ("a header" in dataset.source, len(dataset.training)) == (header, content.count("\n") - header)


def test_a_first_line_that_is_half_names_and_half_numbers_is_refused(refused):
    refused(FormatError, "1,?,3\n1,2,3\n", "line 1, column 1: '?' is no number but other fields are")
    refused(FormatError, ",0,1,y\n0,1,2,3\n", "line 1, column 0: ''")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, [[3.5], [6.5]]),
        ("a", [[1.5], [4.5]]),
        ("0", [[1.5], [4.5]]),
        ("-2", [[2.5], [5.5]]),
        ("c, a", [[3.5, 1.5], [6.5, 4.5]]),
        ("1,2", [[2.5, 3.5], [5.5, 6.5]]),
    ],
)
def test_targets_are_chosen_by_name_or_number(table, target, expected):
    dataset = open_csv(table("a,b,c\n1.5,2.5,3.5\n4.5,5.5,6.5\n"), target)
    x, t = dataset.training[:]
    assert (t.tolist(), dataset.classes) == (expected, None)
    assert x.shape[1] == 3 - t.shape[1]
    assert not np.isin(x, t).any()


def test_a_name_that_looks_like_a_number_or_holds_a_comma_is_still_a_name(table):
    assert "column 1 (0)" in open_csv(table("a,0\n1.5,2.5\n"), "0").source
    assert "column 0 (b,c)" in open_csv(table('"b,c",a\n1.5,2.5\n'), "b,c").source


@pytest.mark.parametrize("target", ["d", "3", "-4", "a,a", "a,b,c", "a,", "", "A"])
def test_a_target_that_is_not_there_is_refused(refused, target):
    refused(DataError, "a,b,c\n1,2,3\n", "target", target=target)


def test_a_name_that_stands_twice_is_refused_as_target_only(table, refused):
    refused(DataError, "a,a,c\n1,2,3\n", "several of this name", target="a")
    assert len(open_csv(table("a,a,c\n1,2,3\n"), "c").training) == 1


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["10", "9", "10", "9"], ("9", "10")),
        (["-1", "1", "1", "-1"], ("-1", "1")),
        (["b", "a", "10", "9"], ("10", "9", "a", "b")),
        ([" b", "a ", "b", "a"], ("a", "b")),
        (["1", "2", "3"], None),
        (["1.0", "2.0", "1.0", "2.0"], None),
        (["01", "02", "01", "02"], None),
        (["1", "2", "1", "2.5"], None),
        ([str(i // 2) for i in range(200)], tuple(map(str, range(100)))),
        ([str(i // 2) for i in range(202)], None),
    ],
)
def test_text_and_few_whole_numbers_are_classes_and_other_numbers_are_fitted(table, values, classes):
    dataset = open_csv(table("".join(f"{row}.5,{value}\n" for row, value in enumerate(values))))
    t = dataset.training[:][1]
    assert dataset.classes == classes
    if classes is None:
        assert t.tolist() == [[float(value)] for value in values]
        assert "numbers to fit" in dataset.source
    else:
        assert [classes[label] for label in t] == [value.strip() for value in values]
        assert f"{len(classes)} classes" in dataset.source


def test_a_target_of_text_and_fractions_is_refused_with_a_line_of_each(refused):
    refused(DataError, "1,2.5\n1,3.5\n1,x\n1,4.5\n", "column 1", "text in line 3 and a number in line 1")


def test_a_single_class_or_too_many_are_refused(refused, monkeypatch):
    refused(DataError, "1,a\n2,a\n", "column 1", "the same class")
    monkeypatch.setattr("gcnn.data.classes.MOST_CLASSES", 3)
    monkeypatch.setattr(csv, "MOST_CLASSES", 3)
    refused(DataError, "1,a\n2,b\n3,c\n4,d\n5,e\n", "at most 3")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("1e999", "'1e999' is not a finite number"),
        ("four", "'four' is not a number"),
        ('"4,5"', "'4,5' is not a number. Decimals are written with a point."),
        ("x" * 1000, "'" + "x" * 40 + "...' is not a number"),
    ],
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_field_that_is_no_number_is_refused_with_its_line_and_column(refused, field, said, column):
    row = ["7.5", "8.5", "9.5"]
    row[column] = field
    names = ("a", "b", "c")
    content = "a,b,c\n1.5,2.5,3.5\n4.5,5.5,6.5\n" + ",".join(row) + "\n1.5,2.5,3.5\n"
    if column == 2 and "is not a number" in said:
        refused(DataError, content, "text in line 4 and a number in line 2")
    else:
        refused(DataError, content, f"line 4, column {column} ({names[column]}): {said}")


def test_fields_are_checked_in_several_targets_too(refused):
    refused(DataError, "1,2,3\n4,5,\n", "line 2, column 2: empty", target="1,2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2\n3\n", "line 2: 1 columns, where line 1 has 2"),
        ("1,2\n3,4,5\n", "line 2: 3 columns, where line 1 has 2"),
        ("1,2\n\n3,4\n", "line 2: empty"),
        ('1,2\n"3,4\n5",6\n', "line 2: unexpected end of data"),
        ('1,2\n"3"4,5\n', "line 2: ',' expected after '\"'"),
        ("1,2\n3\r4,5\n", "line 2: a carriage return"),
        (b"1,2\n3,\xff\n", "line 2: byte 0xff at position 2 is not UTF-8"),
        (b"1,2\n3,\x00\n", "line 2: holds a NUL byte"),
        ("1,2\n3,4\n".encode("utf-16"), "line 1: holds a NUL byte, so it is no text in UTF-8. Save it in UTF-8."),
        ("1 2\n3 4\n", "line 1: a single column"),
        ("1,2\n" + "3" * 200_000 + ",4\n", "line 2: field larger than field limit"),
    ],
)
def test_lines_that_are_no_rows_are_refused_with_their_number(refused, content, said):
    refused(FormatError, content, said)


def test_a_line_longer_than_any_row_is_refused_before_it_is_read(refused, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    refused(FormatError, "1,2\n3,4\n5,6,7,8,9,0\n", "line 3: longer than 10 bytes")


@pytest.mark.parametrize("content", ["", "\n", "\n\n  \n", "a,b\n", "a,b\n\n", "\ufeff"])
def test_a_table_without_samples_is_refused(refused, content):
    refused(DataError, content)


def test_quoted_fields_may_hold_the_delimiter_and_quotes(table):
    dataset = open_csv(table('a,b,"c, or ""d"""\n1,"2","x, y"\n"3",4,"z"\n'))
    assert dataset.classes == ("x, y", "z")
    assert 'c, or "d"' in dataset.source
    assert dataset.training[:][0].tolist() == [[1, 2], [3, 4]]


def test_a_decimal_comma_is_told_where_semicolons_separate(refused):
    refused(DataError, "1,5;2,5;a\n3,5;4,5;b\n3,5;4,5;b\n", "line 2, column 0", "Decimals are written with a point")


def test_a_sum_that_overflows_is_no_reason_to_refuse_its_fields(table):
    assert open_csv(table("1e308,1e308,1.5\n")).training[:][0].tolist() == [[1e308, 1e308]]


def test_what_is_no_gzip_file_to_its_end_is_refused(refused):
    whole = gzip.compress(IRIS.encode() * 100)
    refused(FormatError, whole[:-10], "not a whole gzip file")
    refused(FormatError, whole[:20] + bytes(20) + whole[40:], "not a whole gzip file")


def test_a_gzip_file_that_unpacks_to_more_than_half_of_free_memory_is_refused(refused, monkeypatch):
    monkeypatch.setattr(lines, "available_memory", lambda: 10**6)
    refused(DataError, gzip.compress(bytes(10**7)), "gunzip")


def test_paths_that_are_no_files_are_refused(tmp_path):
    for path, kind in ((tmp_path, DataError), (tmp_path / "none.csv", FileNotFoundError)):
        with pytest.raises(kind, match=str(path)):
            open_csv(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_changed_or_went_away_is_told_instead_of_read(table, packed):
    content = gzip.compress(IRIS.encode()) if packed else IRIS.encode()
    path = table(content)
    training = open_csv(path).training
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="changed since it was opened"):
        training[:2]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="it was there when it was opened"):
        training[:2]


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3, st.sampled_from(["a", "b,", '"', "ü"])),
        min_size=1,
    ),
    st.data(),
)
def test_numbers_that_are_written_come_back_exactly_in_any_order(scratch, rows, data):
    import csv as writer

    with scratch.open("w", encoding="utf-8", newline="") as file:
        writer.writer(file).writerows([*rows, (1.0, 2.0, 3.0, "c"), (1.0, 2.0, 3.0, "d")])
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    dataset = open_csv(scratch)
    x, t = dataset.training[order]
    assert x.tolist() == [list(rows[row][:3]) for row in order]
    assert [dataset.classes[label] for label in t] == [rows[row][3] for row in order]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "data.csv"


def read_all(path: Path, target: str | None = None) -> None:
    with contextlib.suppress(FormatError, DataError, OSError):
        open_csv(path, target).training.arrays()


@given(
    st.sampled_from([bytes, lambda content: b"\x1f\x8b" + content, lambda content: gzip.compress(content, 1)]),
    st.binary(max_size=200),
    st.none() | st.text(max_size=5),
)
def test_random_bytes_are_refused_plainly(scratch, wrap, content, target):
    scratch.write_bytes(wrap(content))
    read_all(scratch, target)


@given(
    st.text("0123456789.,;\t\"' \r\n-+einfa_\ufeff\u2028\x1c", max_size=60),
    st.sampled_from([None, "0", "-1", "1,2", "a"]),
)
def test_tables_of_likely_characters_are_read_or_refused_plainly(scratch, text, target):
    scratch.write_bytes(text.encode())
    read_all(scratch, target)


@given(
    st.sampled_from([IRIS.encode(), gzip.compress(IRIS.encode(), mtime=0)]),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_tables_are_read_or_refused_plainly(scratch, whole, damage):
    content = bytearray(whole)
    for position, byte in damage:
        content[position % len(content)] = byte
    scratch.write_bytes(content)
    read_all(scratch)
