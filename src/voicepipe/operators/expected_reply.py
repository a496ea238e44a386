"""`expected_reply`: what the bot would be asked if the user's turn ended at a pause. Pure."""

from __future__ import annotations

from voicepipe.conversation import Conversation
from voicepipe.events import TurnEnded, TurnPaused
from voicepipe.operators.turn_actions import StartReply
from voicepipe.operators.turn_state import TurnState

__all__ = ["expected_reply"]


def expected_reply(state: TurnState, pause: TurnPaused, now_s: float) -> Conversation | None:
    """Return the conversation that would be answered; None if none would, or a reply runs that it would first cut.

    It is what `state` itself would decide, so that the end of the turn asks for the same conversation.
    """
    if not pause.text or state.reply is not None or state.next.is_due:
        return None
    turn = TurnEnded(pause.text, pause.at_s, pause.item, acknowledgement=pause.acknowledgement)
    ended, action = state.after_input(turn, now_s)
    if not isinstance(action, StartReply) or action.unasked is not None:
        return None
    begun, _ = ended.begun(action)
    return action.asked(begun.talk)
