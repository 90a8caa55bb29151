"""HTML and SVG by calls: what is not markup already is text, and is escaped; so no name can become a tag."""

from __future__ import annotations

import html
from typing import Union


class Markup(str):
    """Text that is markup, and goes into other markup as it is."""


#: What an element may hold.
Content = Union[Markup, str, int, float]


def tag(name: str, *content: Content, **attributes: Content) -> Markup:
    """
    Return an element, which always has an end tag: none of those used here goes without.

    `class_` is the attribute class, `data_value` is data-value.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    """Return all of *content*, one after the other."""
    return Markup("".join(one if isinstance(one, Markup) else _escaped(one) for one in content))


def _escaped(value: Content) -> str:
    """Return a value as text or attribute may hold it; control characters are written as in Python."""
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    shown = "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode()
        for one in str(value)
    )
    return html.escape(shown)
