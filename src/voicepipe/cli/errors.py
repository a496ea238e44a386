"""`CommandError`: how a command ends when it cannot do what it was asked."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """Ends the command with `exit_code` and one sentence on stderr: 2 for what the user can repair, 1 for the rest."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
