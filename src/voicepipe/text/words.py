"""Words of a text, and the pieces of scripts that have no spaces between words."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

__all__ = ["Word", "has_letters", "is_unspaced", "listed", "pieces", "shows_something", "words_of"]


class Word(NamedTuple):
    """A word as it is written, with its punctuation and without white space.

    Args:
        text: the word
        glued: whether it follows the word before without white space, as in Japanese
        line_breaks: how many line breaks stand before it
    """

    text: str
    glued: bool = False
    line_breaks: int = 0


# Of a script without spaces: kana, Chinese characters, Hangul is written with spaces, Thai, Lao, Khmer, Burmese.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"

# Full-width punctuation, and the danda of Indian scripts, after which no space needs to stand.
_STOPS = "。！？．、，；：…।॥。､"
_CLOSING = "」』）】》〉”’\"')\\]"

LONGEST = 40
"""A piece of a script without spaces ends after so many characters: about six seconds of Japanese."""

_STOP = re.compile(rf"[^{_STOPS}]*[{_STOPS}]+[{_CLOSING}]*")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}{_STOPS}]")


def pieces(token: str) -> tuple[list[str], str]:
    """Cut a token without white space at the punctuation of scripts that write no space behind it.

    >>> pieces("今日は。元気"), pieces("don't"), pieces("e.g.")
    ((['今日は。'], '元気'), ([], "don't"), ([], 'e.g.'))

    Returns:
        The pieces that are complete, and the rest, which may go on.
    """
    if token.isascii() or not _IS_UNSPACED.search(token):
        return [], token
    whole: list[str] = []
    at = 0
    for match in _STOP.finditer(token):
        if match.end() == len(token):
            break  # more of the punctuation, or a closing quote, may follow
        whole.append(match[0])
        at = match.end()
    while len(token) - at > LONGEST and _IS_UNSPACED.match(token, at):
        whole.append(token[at : at + LONGEST])
        at += LONGEST
    return whole, token[at:]


def words_of(text: str) -> list[Word]:
    """Return the words of a whole text.

    >>> words_of("Hi there.\\n你好！我")
    [Word(text='Hi', glued=False, line_breaks=0), Word(text='there.', glued=False, line_breaks=0),
     Word(text='你好！', glued=False, line_breaks=1), Word(text='我', glued=True, line_breaks=0)]
    """
    words: list[Word] = []
    for match in re.finditer(r"(\s*)(\S+)", text):
        whole, rest = pieces(match[2])
        breaks = match[1].count("\n") if words else 0
        for number, piece in enumerate([*whole, rest] if rest else whole):
            words.append(Word(piece, glued=number > 0, line_breaks=0 if number else breaks))
    return words


def listed(*rows: str) -> frozenset[str]:
    """Return the words of rows of words, as a set."""
    return frozenset(word for row in rows for word in row.split())


def has_letters(text: str) -> bool:
    """Return whether there is something to say in a text: a letter or a digit."""
    return any(letter.isalnum() for letter in text)


def is_unspaced(text: str) -> bool:
    """Return whether a text has characters of a script that writes no spaces between words.

    >>> is_unspaced("今日"), is_unspaced("naïve")
    (True, False)
    """
    return not text.isascii() and _IS_UNSPACED.search(text) is not None


def shows_something(text: str) -> bool:
    """Return whether a text that is not said tells a reader something: it has a letter, a digit or an emoji.

    >>> shows_something("👍"), shows_something("**"), shows_something("...")
    (True, False, False)
    """
    return any(letter.isalnum() or unicodedata.category(letter) == "So" for letter in text)
