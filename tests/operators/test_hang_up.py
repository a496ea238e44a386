"""The bot ends the conversation."""

from voicepipe.conversation import Conversation
from voicepipe.events import ConversationEnded, ReplyEnded, ReplyInterrupted
from voicepipe.operators import hang_up_after
from voicepipe.testing import Marbles

BYE = ReplyEnded("See you. Bye!", Conversation())


def test_a_farewell_played_to_its_end_hangs_up(marbles: Marbles) -> None:
    """After it has been said, not before."""
    spoken = marbles.cold("ab|", a=ReplyEnded("Bye! Or not.", Conversation()), b=BYE)
    marbles.expect(
        spoken.pipe(hang_up_after("Bye!")), "a(bh)|", a=ReplyEnded("Bye! Or not.", Conversation()), b=BYE,
        h=ConversationEnded("the bot said 'Bye!'"),
    )  # fmt: skip


def test_a_farewell_may_be_part_of_a_word(marbles: Marbles) -> None:
    """And its letters are of either case: models say it as they like."""
    goodbye = ReplyEnded("It was nice. Goodbye!", Conversation())
    hung_up = ConversationEnded("the bot said 'Bye!'")
    marbles.expect(marbles.cold("a|", a=goodbye).pipe(hang_up_after("Bye!")), "(ah)|", a=goodbye, h=hung_up)


def test_an_interrupted_farewell_does_not(marbles: Marbles) -> None:
    """Who still talks is not hung up on."""
    cut = ReplyInterrupted("Bye!", Conversation())
    marbles.expect(marbles.cold("a|", a=cut).pipe(hang_up_after("Bye!")), "a|", a=cut)
