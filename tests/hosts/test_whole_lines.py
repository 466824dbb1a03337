"""What is lost for want of room is lost by lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.hosts.whole_lines import WholeLines


def test_halves_of_two_lines_are_never_one() -> None:
    lines = WholeLines()
    assert lines.keep(b"abc", has_room=True) == (b"abc", 0)
    assert lines.keep(b"def\n", has_room=False) == (b"", 4)
    assert lines.keep(b"ghi\n", has_room=True) == (b"\nghi\n", 0)
    assert lines.keep(b"jk", has_room=False) == (b"", 2)
    assert lines.keep(b"l\nmn", has_room=True) == (b"mn", 2)


@given(st.lists(st.tuples(st.text("ab\n", max_size=8), st.booleans()), max_size=20))
def test_each_line_is_one_that_was_written_or_the_begin_of_one(
    chunks: list[tuple[str, bool]],
) -> None:
    lines, kept, lost = WholeLines(), b"", 0
    for number, (text, has_room) in enumerate(chunks):
        data = text.replace("a", str(number)).encode()
        came, gone = lines.keep(data, has_room=has_room)
        kept, lost = kept + came, lost + gone
    whole = b"".join(text.replace("a", str(n)).encode() for n, (text, _) in enumerate(chunks))
    added = len(kept) + lost - len(whole)  # ends of lines that were torn
    assert 0 <= added <= len(chunks)
    written = whole.split(b"\n")
    assert all(any(each.startswith(line) for each in written) for line in kept.split(b"\n"))
