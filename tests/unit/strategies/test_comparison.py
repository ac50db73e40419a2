"""Texts side by side, against small cases written out by hand."""

from apps.strategies.kernel.comparison import compare


def kinds(found):
    return [row.kind for row in found.rows]


def words(parts):
    return [(part.text, part.changed) for part in parts]


def test_equal_texts_have_no_rows():
    found = compare("a\nb\n", "a\nb\n")
    assert (found.rows, found.added, found.removed) == ([], 0, 0)


def test_a_changed_line_marks_the_words_that_differ():
    found = compare("x = fast(5)\n", "x = fast(20)\n")
    row = found.rows[0]
    assert (row.kind, row.old, row.new) == ("changed", 1, 1)
    assert words(row.before) == [("x = fast(", False), ("5", True), (")", False)]
    assert words(row.after) == [("x = fast(", False), ("20", True), (")", False)]
    assert (found.added, found.removed) == (1, 1)


def test_added_and_removed_lines_stand_alone():
    found = compare("a\nb\nc", "a\nc\nd")
    assert kinds(found) == ["same", "removed", "same", "added"]
    assert [(row.old, row.new) for row in found.rows] == [(1, 1), (2, None), (3, 2), (None, 3)]
    assert (found.added, found.removed) == (1, 1)


def test_far_equal_lines_are_left_out_and_counted():
    old = [f"line {at}" for at in range(20)]
    new = [*old[:10], "other", *old[11:]]
    found = compare("\n".join(old), "\n".join(new), around=2)
    assert kinds(found) == ["skipped", *["same"] * 2, "changed", *["same"] * 2, "skipped"]
    assert [row.hidden for row in found.rows if row.kind == "skipped"] == [8, 7]
    whole = compare("\n".join(old), "\n".join(new), around=None)
    assert len(whole.rows) == 20


def test_rows_read_downwards_are_the_two_texts():
    before, after = "a\nb b\nc\n\nd\ne", "b c\nc\nx\n\nd d\nf\ng"
    found = compare(before, after, around=None)
    left = ["".join(p.text for p in r.before) for r in found.rows if r.old is not None]
    right = ["".join(p.text for p in r.after) for r in found.rows if r.new is not None]
    assert left == before.splitlines()
    assert right == after.splitlines()


def test_empty_texts_and_long_ones():
    assert kinds(compare("", "a\nb")) == ["added", "added"]
    long = "\n".join(f"line {at % 7}" for at in range(3000))
    found = compare(long, long + "\nend")
    assert kinds(found)[-1] == "added"
