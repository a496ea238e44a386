"""The bot's side of a conversation, against replies written as diagrams."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.subject import Subject

from voicepipe.conversation import Conversation, Message
from voicepipe.events import (
    Audio,
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    ItemCreated,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnStarted,
    TurnTaking,
    TurnVoiceChanged,
    WordSpoken,
)
from voicepipe.operators import Reply, pace, respond
from voicepipe.presets import INTERRUPTION
from voicepipe.rx import LoopScheduler, feedback
from voicepipe.stage import StageError
from voicepipe.testing import Marbles

TURNS: dict[str, Event] = {
    "o": SettingsChanged("Be brief."),
    "e": TurnEnded("hello", 1.0),
    "n": TurnEnded("", 1.0),
    "s": TurnStarted(1.0),
    "c": TurnConfirmed(1.0),
    "q": TurnVoiceChanged(False, 1.0),
    "g": TurnVoiceChanged(True, 1.0),
    "y": TurnEnded("mhm", 1.0, acknowledgement=True),
}
SOUND = ReplyAudio(Audio(np.zeros(8, np.float32), 1000))
SAYS = {"w": WordSpoken("good", 0.0, 0.1), "v": WordSpoken("day", 0.1, 0.2), "S": SOUND}


def responding(reply: Reply, **overrides: float | int) -> Callable[[Observable[Event]], Observable[Event]]:
    rules = replace(INTERRUPTION, idle_after_s=1.0, idle_prompts=1, uninterruptible_s=0.1, grace_s=0.1)
    return respond(reply, replace(rules, **overrides))  # pyright: ignore[reportArgumentType]


def outline(marbles: Marbles, turns: str, reply: str, **overrides: float | int) -> str:
    """Return the output, a letter an event, with the time of each that is not a word or sound."""
    names = {ReplyStarted: "begin", ReplyEnded: "end", ReplyInterrupted: "cut", StageFailed: "fail", ReplyAudio: "S"}
    source, answer = marbles.hot(turns, table=TURNS), marbles.cold(reply, table=SAYS)
    out = marbles.record(source.pipe(responding(lambda _: answer, **overrides)))
    shown: list[str] = []
    for t_ms, kind, value in out:
        if kind == "next":
            shown.append(value.word if isinstance(value, WordSpoken) else f"{names[type(value)]}@{t_ms:g}")
    return " ".join(shown)


def test_the_bot_opens_once_it_has_instructions(marbles: Marbles) -> None:
    """Before that it stays silent; new instructions later do not make it speak."""
    assert outline(marbles, "--o--o|", "-w-v-|", idle_prompts=0) == "begin@40 good day end@140"


def test_a_user_who_speaks_first_hears_no_opening(marbles: Marbles) -> None:
    """Instructions that come meanwhile let the bot open when the user has finished, or answer them."""
    assert outline(marbles, "-s-o-n|", "-w-v-|", idle_prompts=0) == "begin@100 good day end@200"
    assert outline(marbles, "-scoe|", "-w-v-|", idle_prompts=0) == "begin@80 good day end@180"


def test_a_turn_with_words_is_answered(marbles: Marbles) -> None:
    """One reply, which begins in the callback that ended the turn and ends when it has been played."""
    assert outline(marbles, "--e--|", "-w-v-|", idle_prompts=0) == "begin@40 good day end@140"


def test_a_word_cuts_the_reply_at_once(marbles: Marbles) -> None:
    """Even in the first moments of its sound."""
    assert outline(marbles, "e--c--|", "S-w-v-v|", idle_prompts=0) == "begin@0 S@0 good cut@60"


def test_a_voice_that_lasts_cuts_the_reply_but_not_while_the_session_is_new(marbles: Marbles) -> None:
    """An echo canceller needs some time of sound, once a session; after that a voice cuts that goes on for a while."""
    assert outline(marbles, "e--s--|", "S-w-v-|", idle_prompts=0) == "begin@0 S@0 good day end@120"
    lasts = {"idle_prompts": 0, "uninterruptible_s": 0.0, "min_voice_ms": 40.0}
    assert outline(marbles, "e------s--|", "S-w 200ms v|", **lasts) == "begin@0 S@0 good cut@180"


def test_a_voice_that_stops_leaves_the_reply_whole(marbles: Marbles) -> None:
    """With the stop of the voice, or with the end of the turn, whichever comes first; it may begin once more."""
    lasts = {"idle_prompts": 0, "uninterruptible_s": 0.0, "min_voice_ms": 60.0, "resume_within_ms": 20.0}
    whole = "begin@0 S@0 good day end@280"
    assert outline(marbles, "e---s-q----|", "S-w 200ms v|", **lasts) == whole
    assert outline(marbles, "e---s-n----|", "S-w 200ms v|", **lasts) == whole
    assert outline(marbles, "e---s-q--g-q-n|", "S-w 200ms v|", **lasts) == whole
    assert outline(marbles, "e---s-q--g----|", "S-w 200ms v|", **lasts) == "begin@0 S@0 good cut@240"


def test_the_sound_of_a_held_reply_waits_and_then_goes_on(marbles: Marbles) -> None:
    """No frame and no word is lost, or comes twice: what follows is late by as long as the voice was heard."""

    def reply(_: Conversation) -> Observable[Event]:
        sound = ReplyAudio(Audio(np.zeros(200, np.float32), 1000))
        return marbles.cold("(wva|)", a=sound, w=SAYS["w"], v=SAYS["v"]).pipe(pace(lead_ms=20, frame_ms=20))

    def heard(turns: str) -> list[str]:
        rules = {"idle_prompts": 0, "uninterruptible_s": 0.0, "resume_within_ms": 20.0}
        out = marbles.record(marbles.hot(turns, table=TURNS).pipe(responding(reply, **rules)))
        names = {ReplyAudio: "S", ReplyEnded: "end", ReplyStarted: "begin", WordSpoken: "w"}
        return [f"{names[type(one.value)]}@{one.t_ms:g}" for one in out[:-1]]

    whole = "begin@0 S@0 w@0 S@0 S@20 S@40 S@60 S@80 w@100 S@100 S@120 S@140 S@160 end@200"
    assert " ".join(heard("e 1s |")) == whole
    held = "begin@0 S@0 w@0 S@0 S@20 S@120 S@120 S@140 w@160 S@160 S@180 S@200 S@220 end@260"
    assert " ".join(heard("e-s--q 1s |")) == held


def test_an_acknowledgement_over_a_reply_is_no_turn(marbles: Marbles) -> None:
    """It is not answered, and not in the prompt of the next turn; behind a question of the bot it is an answer."""
    asked: list[Conversation] = []

    def talk(reply: str) -> list[Event]:
        asked.clear()

        def answer(conversation: Conversation) -> Observable[Event]:
            asked.append(conversation)
            return marbles.cold(reply, table={**SAYS, "Q": WordSpoken("Tea?", 0.0, 0.1)})

        source = marbles.hot("e--s-y----e 300ms |", table=TURNS).pipe(responding(answer, idle_prompts=0))
        return [one.value for one in marbles.record(source)[:-1]]

    events = talk("S-w---v-|")
    assert [type(event) for event in events if not isinstance(event, ReplyAudio | WordSpoken)] == [
        ReplyStarted, TurnJudged, ReplyEnded, ReplyStarted, ReplyEnded,
    ]  # fmt: skip
    assert [message.text for message in asked[-1].messages] == ["hello", "good day", "hello"]
    events = talk("S-Q---v-|")
    assert [type(event) for event in events if not isinstance(event, ReplyAudio | WordSpoken)][:4] == [
        ReplyStarted, TurnJudged, ReplyInterrupted, ReplyStarted,
    ]  # fmt: skip
    assert [message.text for message in asked[1].messages] == ["hello", "Tea?—", "mhm"]


def test_a_voice_stops_a_reply_that_has_made_no_sound(marbles: Marbles) -> None:
    """The user was not finished; the next turn adds to this one."""
    assert outline(marbles, "e-s---|", "200ms w|", idle_prompts=0) == "begin@0 cut@40"


def test_a_cough_gives_the_unanswered_turn_back(marbles: Marbles) -> None:
    """A voice without words must not swallow the user's question."""
    assert outline(marbles, "e-s--n---|", "80ms w-|", idle_prompts=0) == "begin@0 cut@40 begin@100 good end@220"


def test_a_cough_during_a_heard_reply_does_not_repeat_it(marbles: Marbles) -> None:
    """The heard part stays: the bot waits, and prompts. The idle time counts from the cut, not the cough's end."""
    heard = "begin@0 S@0 good cut@200 begin@1200 S@1200 good day end@1560"
    lasts = {"uninterruptible_s": 0.0, "min_voice_ms": 40.0}
    assert outline(marbles, "e-------s--n---|", "S w 300ms v|", **lasts) == heard


def test_silence_is_broken_once_by_a_nudge(marbles: Marbles) -> None:
    """A second after the reply, as often as allowed."""
    assert outline(marbles, "e|", "w-|") == "begin@0 good end@40 begin@1040 good end@1080"
    assert outline(marbles, "e|", "w-|", idle_prompts=0) == "begin@0 good end@40"


def test_the_user_takes_the_nudge_away(marbles: Marbles) -> None:
    """A user who begins to speak is not asked whether they are there."""
    assert outline(marbles, "e 800ms s 400ms c 400ms e|", "w|", idle_prompts=1).startswith(
        "begin@0 good end@20 begin@1660"
    )


def test_the_nudge_says_so_to_the_model(marbles: Marbles) -> None:
    """The conversation has the silence as the user's message, and the reply before it."""
    asked: list[Conversation] = []

    def reply(conversation: Conversation) -> Observable[Event]:
        asked.append(conversation)
        return marbles.cold("w-v|", table=SAYS)

    marbles.record(marbles.hot("oe|", table=TURNS).pipe(responding(reply)))
    said = Message("assistant", "good day")
    assert asked[-1].system_prompt == "Be brief."
    assert asked[-1].messages[-3:] == (Message("user", "hello"), said, Message("user", "..."))


def test_the_conversation_keeps_what_was_heard(marbles: Marbles) -> None:
    """A reply cut after its first word is remembered with that word only."""
    asked: list[Conversation] = []

    def reply(conversation: Conversation) -> Observable[Event]:
        asked.append(conversation)
        return marbles.cold("S-w---v|", table=SAYS)

    out = marbles.record(marbles.hot("e--c-e|", table=TURNS).pipe(responding(reply, idle_prompts=0)))
    cut = next(one.value for one in out if isinstance(one.value, ReplyInterrupted))
    assert cut.heard_text == "good"
    assert asked[1].messages == (Message("user", "hello"), Message("assistant", "good—"), Message("user", "hello"))


def test_a_failing_reply_ends_and_the_next_one_works(marbles: Marbles) -> None:
    """The error names its stage; no turn is left open."""
    broken, good = (
        marbles.cold("w#", error=StageError("LLM", ValueError("no")), table=SAYS),
        marbles.cold("w|", table=SAYS),
    )
    replies = iter([broken, good])
    out = marbles.record(marbles.hot("e---e|", table=TURNS).pipe(responding(lambda _: next(replies), idle_prompts=0)))
    kinds = [type(one.value) for one in out[:-1]]
    assert kinds == [ReplyStarted, WordSpoken, StageFailed, ReplyEnded, ReplyStarted, WordSpoken, ReplyEnded]
    failed = out[2].value
    assert (failed.stage, str(failed.error), failed.fatal) == ("LLM", "no", False)


def test_a_reply_that_cannot_be_made_fails_like_one_that_breaks(marbles: Marbles) -> None:
    """An exception of the function that makes the reply is data, too."""

    def reply(_: Conversation) -> Observable[Event]:
        raise ValueError("no model")

    out = marbles.record(marbles.hot("e|", table=TURNS).pipe(responding(reply, idle_prompts=0)))
    assert [type(one.value) for one in out[:-1]] == [ReplyStarted, StageFailed, ReplyEnded]


def test_disposing_the_session_disposes_the_reply(marbles: Marbles) -> None:
    """Nothing goes on behind a client that has left."""
    answer = marbles.cold("10s |")
    marbles.record(marbles.hot("e 1s |", table=TURNS).pipe(responding(lambda _: answer)), "^--!")
    marbles.expect_subscriptions(answer, "^--!")


# ---- function calls --------------------------------------------------------------------------------------------------

LOOK = FunctionCall("1", "look")
CALLS = {"F": FunctionCalled(LOOK), "H": FunctionCalled(LOOK, server_side=True), "R": FunctionReturned("1", "Nobody.")}
LED = {
    **TURNS,
    "p": TURNS["o"],
    "o": SettingsChanged("Be brief.", turns=TurnTaking()),
    "l": SettingsChanged("Be brief.", turns=TurnTaking(interrupts=False)),
    "r": ReplyRequested("=r"),
    "q": ReplyRequested("=q"),
    "k": ReplyCancelled(),
    "i": ItemCreated("=i", "tool", "Nobody.", None, LOOK),
}


class Bot:
    """Says one diagram after the other, and remembers what it was asked."""

    def __init__(self, marbles: Marbles, *replies: str) -> None:
        self.asked: list[Conversation] = []
        self._marbles, self._replies = marbles, replies

    def __call__(self, conversation: Conversation) -> Observable[Event]:
        self.asked.append(conversation)
        return self._marbles.cold(self._replies[len(self.asked) - 1], table=SAYS | CALLS)

    def hear(self, said: str, **overrides: float | int) -> str:
        """When replies began, by their names, and when they ended."""
        out = self._marbles.record(
            self._marbles.hot(said, table=LED).pipe(responding(self, **{"idle_prompts": 0, **overrides}))
        )
        shown: list[str] = []
        for t_ms, _, value in out:
            match value:
                case ReplyStarted(item=item):
                    shown.append(f"{item}@{t_ms:g}")
                case ReplyEnded() | ReplyInterrupted() | StageFailed():
                    names = {ReplyEnded: "end", ReplyInterrupted: "cut", StageFailed: "fail"}
                    shown.append(f"{names[type(value)]}@{t_ms:g}")
                case _:
                    pass
        return " ".join(shown)


def test_what_is_asked_while_a_reply_sounds_that_has_called_follows_it(marbles: Marbles) -> None:
    """The client has the result sooner than the words before the call are said; the next reply knows it."""
    bot = Bot(marbles, "wF-----v|", "w|")
    assert bot.hear("oe--ir|") == "reply1@20 end@180 =r@180 end@200"
    assert [(message.role, message.text) for message in bot.asked[1].messages] == [
        ("user", "hello"),
        ("assistant", "good day"),
        ("assistant", ""),
        ("tool", "Nobody."),
    ]


def test_of_several_wishes_the_last_one_follows_once(marbles: Marbles) -> None:
    """As of several turns."""
    assert Bot(marbles, "wF-----v|", "w|").hear("oe--rq|") == "reply1@20 end@180 =q@180 end@200"


def test_a_call_may_follow_a_call(marbles: Marbles) -> None:
    """Each reply that calls may be followed; one that does not, not."""
    bot = Bot(marbles, "wF---|", "wF---|", "w----|")
    assert bot.hear("oe--r----q----r|") == "reply1@20 end@120 =r@120 end@220 =q@220 end@320"


def test_without_a_call_of_the_clients_a_wish_is_not_granted_while_a_reply_is_on(marbles: Marbles) -> None:
    """Nor where the pipeline runs the function itself, and goes on by itself."""
    assert Bot(marbles, "w------v|").hear("oe--r|") == "reply1@20 end@180"
    assert Bot(marbles, "wHR----v|").hear("oe--r|") == "reply1@20 end@180"


def test_an_interrupted_reply_is_dropped_whole(marbles: Marbles) -> None:
    """The user's word, and the client's own wish to stop; it may ask again."""
    assert Bot(marbles, "wF-----v|", "w|").hear("oe--rc----|") == "reply1@20 cut@100"
    assert Bot(marbles, "wF-----v|", "w|").hear("oe--rk----|") == "reply1@20 cut@100"
    assert Bot(marbles, "wF-----v|", "w|").hear("oe--rk--q-|") == "reply1@20 cut@100 =q@160 end@180"


def test_a_reply_that_fails_behind_its_call_is_followed_all_the_same(marbles: Marbles) -> None:
    """The client has run its function, and waits."""
    assert Bot(marbles, "wF---#", "w|").hear("oe--r|") == "reply1@20 fail@120 end@120 =r@120 end@140"


def test_a_turn_and_a_wish_that_came_meanwhile_are_one_reply(marbles: Marbles) -> None:
    """It is so where a voice does not interrupt."""
    bot = Bot(marbles, "wF-----v|", "w|")
    assert bot.hear("le--er|") == "reply1@20 end@180 =r@180 end@200"
    assert [message.text for message in bot.asked[1].messages if message.role == "user"] == ["hello", "hello"]


def test_a_cough_while_the_pipeline_runs_a_function_gives_the_turn_back(marbles: Marbles) -> None:
    """Or the opening: nobody has heard anything yet. A function of the client's is another matter: it will ask."""
    assert Bot(marbles, "HR--------w|", "w|").hear("-e--s--n|") == "reply1@20 cut@80 reply2@140 end@160"
    assert Bot(marbles, "HR--------w|", "w|").hear("p---s--n|") == "reply1@0 cut@80 reply2@140 end@160"
    assert Bot(marbles, "F---------w|", "w|").hear("-e--s--n|") == "reply1@20 cut@80"


# ---- what a reply's own events cause ---------------------------------------------------------------------------------


def test_a_request_that_the_end_of_a_reply_causes_comes_behind_that_end_for_each_observer() -> None:
    """A watcher asks for one more reply when it sees the end; another watcher, behind it, sees the same order."""
    client: Subject[Event] = Subject()
    replies = client.pipe(responding(lambda _: reactivex.just(SAYS["w"]), idle_prompts=0), rx_ops.share())
    seen: list[list[str]] = [[], []]

    def watch(number: int, event: Event) -> None:
        seen[number].append(type(event).__name__)
        if number == 0 and isinstance(event, ReplyEnded) and len(seen[0]) < 6:
            client.on_next(ReplyRequested("again"))
            seen[0].append("asked")

    async def talk() -> None:
        scheduler = LoopScheduler(asyncio.get_running_loop())
        replies.subscribe(lambda event: watch(0, event), scheduler=scheduler)
        replies.subscribe(lambda event: watch(1, event), scheduler=scheduler)
        client.on_next(TURNS["e"])

    asyncio.run(talk())
    reply = ["ReplyStarted", "WordSpoken", "ReplyEnded"]
    assert seen == [[*reply, "asked", *reply], [*reply, *reply]]


def test_the_pipeline_itself_may_ask_again(marbles: Marbles) -> None:
    """By `feedback`: each end of a reply asks for the next, twice."""
    asked: list[Conversation] = []

    def reply(conversation: Conversation) -> Observable[Event]:
        asked.append(conversation)
        return marbles.cold("w|", table=SAYS)

    def again(event: Event) -> Iterator[Event]:
        if isinstance(event, ReplyEnded) and len(asked) < 3:
            yield ReplyRequested(f"again{len(asked)}")

    out = marbles.record(
        marbles.hot("e 1s |", table=TURNS).pipe(feedback(responding(reply, idle_prompts=0), lambda _: again))
    )
    assert [(type(one.value).__name__, one.t_ms) for one in out[:-1]] == [
        ("ReplyStarted", 0), ("WordSpoken", 0), ("ReplyEnded", 20),
        ("ReplyStarted", 20), ("WordSpoken", 20), ("ReplyEnded", 40),
        ("ReplyStarted", 40), ("WordSpoken", 40), ("ReplyEnded", 60),
    ]  # fmt: skip
    assert [message.text for message in asked[-1].messages] == ["hello", "good", "good"]


# ---- idle prompts ----------------------------------------------------------------------------------------------------

IDLE = {
    **LED,
    "t": SettingsChanged("Be brief.", turns=TurnTaking(idle_s=0.5)),
    "T": SettingsChanged("Be brief.", turns=TurnTaking(idle_s=2.0)),
    "x": SettingsChanged("Be brief.", turns=TurnTaking(by="client")),
    "u": ItemCreated("=u", "user", "one thing"),
}


def prompted(marbles: Marbles, said: str, *replies: str) -> list[float]:
    """When replies began."""
    bot = Bot(marbles, *replies)
    out = marbles.record(marbles.hot(said, table=IDLE).pipe(responding(bot, idle_prompts=1)))
    return [one.t_ms for one in out if isinstance(one.value, ReplyStarted)]


def test_no_idle_prompt_while_a_function_of_the_clients_runs(marbles: Marbles) -> None:
    """Nor between its result and the request for the answer, behind which the idle time begins."""
    assert prompted(marbles, "te 3s |", "F|") == [20]
    assert prompted(marbles, "te 1s i 1s r 2s |", "F|", "w|", "w|") == [20, 2060, 2580]


def test_no_idle_prompt_while_a_turn_is_open(marbles: Marbles) -> None:
    """However long the user speaks."""
    assert prompted(marbles, "te-s 3s c 3s |", "|") == [20]


def test_a_new_idle_time_counts_at_once(marbles: Marbles) -> None:
    """From the change on, shorter or longer, and without one there is no prompt."""
    assert prompted(marbles, "Te 480ms t 3s |", "|", "|") == [20, 1020]
    assert prompted(marbles, "te 280ms T 4s |", "|", "|") == [20, 2320]
    assert prompted(marbles, "te 280ms x 4s |", "|") == [20]
    assert prompted(marbles, "oe 980ms t 4s |", "|", "|") == [20, 1520]


def test_coughs_do_not_postpone_an_idle_prompt(marbles: Marbles) -> None:
    """It comes when it was due, or as soon as the cough is over by 0.3 s; something written begins the silence anew."""
    assert prompted(marbles, "te-s-n-s-n 2s |", "w|", "w|") == [20, 540]
    assert prompted(marbles, "te 400ms s 200ms n 2s |", "w|", "w|") == [20, 960]
    assert prompted(marbles, "te 280ms u 2s |", "|", "|") == [20, 820]
