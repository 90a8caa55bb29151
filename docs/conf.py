"""How Sphinx makes the site of `docs/`: `./dev docs`, which takes every warning for an error."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

from murder_fabric.version import __version__

project = "murder_fabric"
author = "the authors of murder_fabric"
copyright = f"2026, {author}"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

#: Anchors as GitHub makes them, where the same pages are read too.
myst_heading_anchors = 3

#: `--tag` is no dash.
smartquotes = False

html_theme = "furo"
html_title = f"murder_fabric {release}"
html_copy_source = False
html_show_sphinx = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"

#: What stands in backticks in a docstring is code, as in these pages.
default_role = "code"


def read_sections(app: Sphinx, what: str, name: str, described: Any, options: Any, lines: list[str]) -> None:
    """Turn `Args:` and `Raises:` of a docstring into fields; of an attribute, a colon is only a colon."""
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, described, options).lines()


def setup(app: Sphinx) -> None:
    """Have docstrings read as this package writes them."""
    app.connect("autodoc-process-docstring", read_sections)
