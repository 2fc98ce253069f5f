"""HTML and SVG elements that escape every text and every attribute.

A `str` is always text; only the results of `element` and `join` are `Markup`. So nobody can forget
the escaping, and it has a single place.
"""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EMPTY = frozenset({"br", "hr", "input", "link", "meta"})


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


Child = str | float | None
"""What an element may contain; numbers are written as they are, None is nothing."""


def escape(child: Child) -> str:
    """Return a child as HTML.

    Example: `a < b` becomes `a &lt; b`; Markup stays as it is.
    """
    if isinstance(child, Markup):
        return child
    return "" if child is None else html.escape(str(child))


def join(*children: Child) -> Markup:
    """Concatenate children."""
    return Markup("".join(map(escape, children)))


def element(
    name: str, attributes: Mapping[str, Child] | None = None, /, *children: Child
) -> Markup:
    """Return an element without the attributes that are None; names are the caller's constants.

    Example: `element("b", {"title": '"'}, "<")` is `<b title="&quot;">&lt;</b>`.
    """
    written = "".join(
        f' {key}="{escape(value)}"'
        for key, value in (attributes or {}).items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{''.join(map(escape, children))}</{name}>")


def elements(name: str, children: Iterable[Child]) -> Markup:
    """Return each child in its own element."""
    return join(*(element(name, None, child) for child in children))


def json_text(data: Any) -> Markup:
    r"""Return data as JSON that reads the same as HTML text and as plain text.

    Characters that are special in HTML are written as JSON escapes. Example: `{"a": "<"}` is `{"a":
    "\u003c"}`.
    """
    text = json.dumps(data)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
