"""Reading YAML: lines, the text of numbers, and files that are no configuration at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from broken_config import problems, write

from ccbs.config import ConfigError
from ccbs.config.document import read


def test_a_number_keeps_the_text_it_was_written_as(tmp_path: Path) -> None:
    document = read(write(tmp_path, "numbers: [0101, 101, +7, 1.50, 0x1f]\n"))
    values = document.data["numbers"]
    assert values == [101, 101, 7, 1.5, 31]
    assert [value.text for value in values] == ["0101", "101", "+7", "1.50", "0x1f"]


def test_truth_values_and_texts_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    document = read(write(tmp_path, 'values: [true, no, on, ~, "7", 2026-11-23]\n'))
    assert document.data["values"] == [True, "no", "on", None, "7", "2026-11-23"]


def test_each_field_knows_its_line_and_a_missing_one_that_of_what_holds_it(tmp_path: Path) -> None:
    document = read(write(tmp_path, "a:\n  b: 1\n  c:\n  - d\n  - e: 5\n"))
    assert document.line(("a", "b")) == 2
    assert document.line(("a", "c"), key=True) == 3
    assert document.line(("a", "c", 0)) == 4
    assert document.line(("a", "c", 1, "e")) == 5
    assert document.line(("a", "c", 1, "missing")) == 5
    assert document.line(("a", "missing"), key=True) == 1


def test_merged_fields_give_way_to_own_ones(tmp_path: Path) -> None:
    text = "base: &base {x: 1, y: 2}\nown:\n  x: 3\n  <<: *base\n"
    assert read(write(tmp_path, text)).data["own"] == {"x": 3, "y": 2}


def test_duplicate_keys_are_told_with_both_lines(tmp_path: Path) -> None:
    document = read(write(tmp_path, "a: 1\nb: 2\na: 3\n"))
    (problem,) = document.problems
    assert (problem.line, problem.field) == (3, "a")
    assert "given twice, first in line 1" in problem.what
    assert document.data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [1, 2\nb: 3\n", 2, "expected ',' or ']'"),
        ("a: 1\n b: 2\n", 2, "mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", 2, "cannot start any token"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "expected a single document"),
        ('a: "unended\n', 2, "unexpected end of stream"),
        ("a: \x07\n", 0, "special characters are not allowed"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.line == line
    assert "is not valid YAML" in problem.what
    assert what in problem.what
    assert problem.file == tmp_path / "ccbs.yml"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "nowhere.yml")
    assert str(caught.value).startswith(f"{tmp_path}/nowhere.yml: cannot be read: No such file or directory")


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read(tmp_path)


def test_a_file_without_permission(tmp_path: Path) -> None:
    file = write(tmp_path, "a: 1\n")
    file.chmod(0)
    # Root may read everything, so it becomes somebody else meanwhile.
    own = os.geteuid()
    os.seteuid(own or 65_534)
    try:
        with pytest.raises(ConfigError, match=r"Permission denied.*let the user that runs ccbs read it"):
            read(file)
    finally:
        os.seteuid(own)


def test_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "ccbs.yml"
    file.write_bytes(b"a: 1\nname: \xc0\xe1\n")
    with pytest.raises(ConfigError) as caught:
        read(file)
    (problem,) = caught.value.problems
    assert (problem.line, problem.what) == (2, "byte 0xc0 is not UTF-8")
    assert problem.todo == "save the file as UTF-8"


def test_an_empty_file_and_one_that_is_no_mapping(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "# nothing\n")
    assert problem.what == "is empty"
    (problem,) = problems(tmp_path, "- 1\n- 2\n")
    assert problem.what == "a list is of the wrong kind"
    assert problem.expected.startswith("a mapping with listen, switch, subscribers")


def test_aliases_cannot_make_a_small_file_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccbs.config.document.MAX_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (problem,) = problems(tmp_path, "\n".join(lines))
    assert problem.what == "holds too many values"
    assert problem.expected == "at most 10,000"


def test_an_alias_to_itself_does_not_hang(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "a: &a [*a]\n")
    assert (problem.line, problem.what) == (1, "is nested too deeply")


def test_deep_nesting_does_not_crash(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "a: " + "[" * 800)
    assert problem.what == "is nested too deeply"
