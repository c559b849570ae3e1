"""Writes the table of the interoperation tests into ``docs/phones.md``, or, with ``--check``, compares it."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from interop.matrix import table  # noqa: E402

PAGE = ROOT / "docs" / "phones.md"
BEGIN, END = "<!-- made by scripts/interop_table.py -->\n", "<!-- end -->"


def main() -> int:
    """Returns the exit code: 1 when the page is out of date and was only to be checked."""
    page = PAGE.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE}: no table between {BEGIN.strip()} and {END.strip()}; put these lines there")
    made = before + begin + table() + "\n" + end + after
    if "--check" in sys.argv[1:]:
        if made != page:
            print(f"{PAGE.relative_to(ROOT)}: the table of interoperation is out of date", file=sys.stderr)
        return int(made != page)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
