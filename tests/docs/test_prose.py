"""What the linter of prose gets to read: docs/prose.py."""

from __future__ import annotations

from docs.prose import prose

SOURCE = '''\
"""A module.

Whoever reads it.
"""

told = "name"  # a note
why = f"{told} is no {f'{told}'} at all"
again = (
    "one sentence "
    "on two lines"
)
'''


def test_docstrings_comments_and_messages_stay_on_their_lines() -> None:
    assert prose(SOURCE, python=True).splitlines()[:11] == [
        "A module.",
        "",
        "Whoever reads it.",
        "",
        "",
        "a note",
        "is no at all",
        "",
        "one sentence",
        "on two lines",
        "",
    ]


def test_of_other_sources_every_line_is_read() -> None:
    assert prose("Parameters:\n  # A note\n  Name: web\n", python=False) == (
        "Parameters:\nA note\nName: web\n"
    )
