"""Remove what is written for the eye: Markdown, HTML, LaTeX's delimiters, emoji and invisible characters."""

from __future__ import annotations

import html
import re
import unicodedata

__all__ = ["is_unclosed", "without_markup"]

_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)")
_REFERENCE = re.compile(r"!?\[([^\[\]^]+)\]\[[^\[\]]*\]")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]+\]:?")
_CITATION = re.compile(r"(?<=[\w.,!?)])\[\d{1,3}(?:[,–-] ?\d{1,3})*\]|【[^】]*】")
_CHECKBOX = re.compile(r"(?:^|(?<=\s))\[[ xX]\](?=\s|$)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)?[^<>\s]+[.@][^<>\s]+)>")
_FENCE = re.compile(r"(?:```|~~~)(?:[\w+-]*$)?")
_RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|_{3,}|={3,}|\|?(?:\s*:?-{2,}:?\s*\|)+(?:\s*:?-{2,}:?)?)\s*$")
_HEADING = re.compile(r"^\s*#{1,6}(?=\s|$)|(?<=\s)#{1,6}\s*$")
_LATEX = re.compile(r"\\[()\[\]]|\$\$|^\$(?=[A-Za-z\\][^$]*\$)|(?<=\w)\$(?=[.,;:!?]*$)")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|~>-])")
_DOUBLE = re.compile(
    r"(?<!\d)\*{2,3}|\*{2,3}(?!\d)|~~|`+|(?<!\w)_{1,3}(?=\w)|(?<=[\w.,!?])_{1,3}(?!\w)|(?<=\w)__|__(?=\w)"
)
# A single asterisk is emphasis beside a letter, and a multiplication between two numbers or spaces.
_ASTERISK = re.compile(
    r"(?<![\d\s)])\*(?!\s*[\d(])|(?<!\S)\*(?=[^\s\d(=])|(?<=[^\W\d_])\*|^\*(?=\d[^*]*\*$)|(?<=\d)\*$"
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U0001fb00-\U0001fbff\u2600-\u27bf\u2b00-\u2bff\u231a-\u23ff\u25a0-\u25ff\u2500-\u257f"
    "\ufe0e\ufe0f\u20e3\U000e0020-\U000e007f\U0001f1e6-\U0001f1ff™®•‣●]"
)
_INVISIBLE = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad\u202a-\u202e\x00-\x08\x0b-\x1f\x7f\ufffd]")
_WIDE = re.compile("[\uff05\uff0b\uff0d\uff10-\uff19\uff1d\uff21-\uff3a\uff41-\uff5a\ufb00-\ufb06\u3000]")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\t]")
_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": ",", "…": "...", "⁄": "/"}
)
_PLAIN = re.compile(r"[A-Za-z',.!?;: ]*")


def without_markup(text: str) -> str:
    """Return a text without markup, entities, emoji and invisible characters, with straight quotes.

    >>> without_markup("**Bold** and [a link](https://e.com/a_b) &amp; `code`[^1] 👍")
    'Bold and a link & code'
    """
    if _PLAIN.fullmatch(text):
        return text
    if "&" in text:
        text = html.unescape(text)
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text))
    if _RULE.match(text):
        return ""
    text = _without_tags(text)
    text = _ASTERISK.sub("", _DOUBLE.sub("", _FENCE.sub("", text)))
    text = _HEADING.sub("", _LATEX.sub("", text))
    text = _EMOJI.sub("", _WIDE.sub(lambda wide: unicodedata.normalize("NFKC", wide[0]), text))
    return re.sub(r"\s+", " ", text.translate(_QUOTES).replace("\0", "")).strip()


def _without_tags(text: str) -> str:
    """Remove links, footnotes and HTML; what was escaped with a backslash stays."""
    text = _ESCAPED.sub(lambda escaped: "" if escaped[1] in "*_`~#" else escaped[1], text)
    if "[" in text or "【" in text:
        text = _LINK.sub(r"\1", text)
        text = _CHECKBOX.sub("", _CITATION.sub("", _FOOTNOTE.sub("", _REFERENCE.sub(r"\1", text))))
    if "<" in text:
        text = _TAG.sub(_spaced, _AUTOLINK.sub(r"\1", text))
    return text


_BLOCKS = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|h[1-6]|hr|table)\b", re.IGNORECASE)


def _spaced(tag: re.Match[str]) -> str:
    return " " if _BLOCKS.match(tag[0]) else ""


def is_unclosed(text: str) -> bool:
    """Return whether markup has begun that goes on behind a white space: a link, an image or a tag with attributes.

    >>> is_unclosed("[the"), is_unclosed("[the docs](https://e.com)"), is_unclosed("<a"), is_unclosed("a < b")
    (True, False, True, False)
    """
    opened, closed = text.rfind("["), text.rfind("]")
    if opened > closed and "[^" not in text[opened:]:
        return True
    if closed > 0 and text[closed + 1 : closed + 2] == "(" and text.count("(", closed) > text.count(")", closed):
        return True
    tag = text.rfind("<")
    return tag > text.rfind(">") and re.match(r"</?[A-Za-z]|<!--", text[tag:]) is not None
