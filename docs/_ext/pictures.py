"""SVG documents as parts of a page: their style for them alone, and their dark colours for a dark page.

A picture in a file of its own (`<img>`) follows the system's light and dark, not the page's. And the `<style>` of one
that stands in the page would be everybody's. So the style is taken out, and comes back as a style sheet.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["style_sheet", "without_style", "write_style_sheet"]

_STYLE = re.compile(r"<style>(.*?)</style>\n?", re.DOTALL)
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*)\}\s*\Z", re.DOTALL)


def without_style(svg: str) -> str:
    return _STYLE.sub("", svg)


def style_sheet(svg: str, selector: str) -> str:
    """The picture's own style, for what is below `selector`; furo's switch decides between light and dark."""
    found = _STYLE.search(svg)
    style = found[1] if found else ""
    dark = _DARK.search(style)
    sheet = f"{selector} {{{_DARK.sub('', style)}}}\n"
    if dark:
        sheet += f'body[data-theme="dark"] {selector} {{{dark[1]}}}\n'
        sheet += f'@media (prefers-color-scheme: dark) {{ body:not([data-theme="light"]) {selector} {{{dark[1]}}} }}\n'
    return sheet


def write_style_sheet(folder: Path, name: str, svg: str, selector: str) -> None:
    path = folder / "_static" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(style_sheet(svg, selector), "utf-8")
