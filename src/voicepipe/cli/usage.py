"""Mistakes in the use of a command: one sentence each, and exit code 2."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

__all__ = ["Parser", "count", "port", "refuse_unknown", "seconds", "share"]

# argparse's messages, and the sentences that replace them.
_PLAIN = (
    (r"^argument (.+?): expected one argument$", r"\1 needs a value"),
    (r"^argument (.+?): ignored explicit argument .*$", r"\1 takes no value"),
    (r"^argument (.+?): ", r"\1: "),
)


class Parser(argparse.ArgumentParser):
    """argparse's parser with errors of one sentence, and without abbreviations: a new option would change them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        for said, plain in _PLAIN:
            message = re.sub(said, plain, message)
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise ArgumentError for a value that is not among the choices of `action`, such as a command."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what, named = ("value", action) if action.option_strings else ("command", None)
            raise argparse.ArgumentError(
                named, f"there is no {what} {value!r}{_meant(str(value), known)}; {_are(known)}"
            )


def refuse_unknown(parser: argparse.ArgumentParser, words: Sequence[str]) -> NoReturn:
    """End the command with a message on the first unknown word."""
    word = words[0]
    if not word.startswith("-"):
        parser.error(f"{word!r} is one argument too many")
    name = word.partition("=")[0]
    known = list(parser._option_string_actions)  # pyright: ignore[reportPrivateUsage] — argparse has no other list
    parser.error(f"there is no option {name}{_meant(name, known)}")


def port(text: str) -> int:
    """Parse a port, for argparse's `type`."""
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, which is a whole number from 0 to 65535")
    return int(text)


def seconds(text: str) -> float:
    """Parse a time, for argparse's `type`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return number


def count(text: str) -> int:
    """Parse a number of things, for argparse's `type`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 1 or more")
    return int(text)


def share(text: str) -> float:
    """Parse a share, for argparse's `type`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, from 0 to 1")
    return number


def _meant(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _are(known: Sequence[str]) -> str:
    *others, last = known
    return f"there are {', '.join(others)} and {last}" if others else f"there is {last}"
