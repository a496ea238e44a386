"""Sphinx's configuration. `tox -- docs` builds the documentation and takes a warning for an error."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.ext.napoleon import Config, GoogleDocstring

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "voicepipe"
author = "the voicepipe authors"
copyright = f"{author}, MIT licence"

extensions = ["myst_parser", "sphinx.ext.autodoc", "marbles", "pipelines", "says", "signatures"]
exclude_patterns = ["_build", "_ext", "_activate.md", "_sessions.md", "grafana"]
nitpicky = True
# What an annotation names is often of another project, or a type variable: only names of this project must be found.
nitpick_ignore_regex = [("py:(class|data|exc)", ".*"), ("py:obj", r"typing\..*|.*\.[A-Z]")]
suppress_warnings = ["myst.strikethrough"]

# ---- Markdown and docstrings -----------------------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist", "attrs_block"]
myst_heading_anchors = 3
smartquotes = False  # "..." is something that a user says
default_role = "code-or-link"  # single backticks in a docstring: a public name is a link, all else is code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_use_type_comments = False
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 130  # counted with the full names of types
toc_object_entries_show_parents = "hide"

# ---- the look --------------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "voicepipe"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {"navigation_with_keys": True}


# ---- what other folders have written ---------------------------------------------------------------------------------

RESULTS = HERE.parent / "benchmarks" / "README.md"
PLACE = "% Here comes benchmarks/README.md"


def put_in_results(_: Any, page: str, text: list[str]) -> None:
    """Copy the text of the benchmarks' README, without its title, and without links to files."""
    if PLACE in text[0] and RESULTS.is_file():
        written = re.sub(r"\A# .*\n", "", RESULTS.read_text("utf-8"))
        written = re.sub(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)", r"\1", written)
        text[0] = text[0].replace(PLACE, f"{written}\n{PLACE}")


def render_sections(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Render Args, Returns and Raises. Napoleon's own hook takes "A sentence: more" of a field for its type."""
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(), app, what, name, thing, options).lines()


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", render_sections)
    app.connect("source-read", put_in_results)
