"""A model that may call functions of the pipeline's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex
from reactivex import Observable, operators
from reactivex.disposable import SerialDisposable
from structlog.testing import capture_logs

from voicepipe.conversation import Conversation
from voicepipe.conversation.chat_prompt import NO_RESULT
from voicepipe.events import (
    Event,
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionContinues,
    FunctionDelayed,
    FunctionReturned,
    Generation,
    MaxTokensReached,
)
from voicepipe.events.fold import fold
from voicepipe.operators import with_tools
from voicepipe.rx import LoopScheduler
from voicepipe.testing import Marbles, Recorded, ScriptedError

ASKED = Conversation("Be brief.").user_said("Who is there?")
FILLER = "One moment."


async def look(at: str = "the door") -> str:
    """Look who is there."""
    await asyncio.sleep(0.1)
    return f"Nobody at {at}."


async def listen(seconds: float = 0.3) -> str:
    """Listen for a while."""
    await asyncio.sleep(seconds)
    return "Steps."


def weigh(grams: int) -> dict[str, int]:
    """Weigh it."""
    return {"grams": grams}


def called(name: str, arguments: str = "{}", call_id: str | None = None) -> FunctionCalled:
    return FunctionCalled(FunctionCall(call_id or name, name, arguments))


VALUES: dict[str, Any] = {
    "a": "Let me look.",
    "b": "Nobody is there.",
    "L": called("look"),
    "S": called("listen"),
    "W": called("weigh", '{"grams": 5}'),
    "O": called("open_door"),
    "U": called("lock"),
    "w": FunctionCallWritten("look", "look", "{"),
    "o": FunctionCallWritten("open_door", "open_door", "{"),
    "T": MaxTokensReached(),
}


class Model:
    """Gives one answer after the other, and knows what it was asked."""

    def __init__(self, marbles: Marbles, *answers: str, **values: Any) -> None:
        self.asked = list[Conversation]()
        self.answers = [marbles.cold(answer, table={**VALUES, **values}) for answer in answers]

    def __call__(self, conversation: Conversation) -> Observable[str | Event]:
        self.asked.append(conversation)
        return self.answers[len(self.asked) - 1]

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(asked.generation.choice, asked.generation.must_call) for asked in self.asked]

    def read(self, number: int) -> list[Any]:
        """Return the prompt behind the user's question: text, names of calls, results."""
        said = [message.text or message.call for message in self.asked[number].messages]
        return [one.name if isinstance(one, FunctionCall) else one for one in said if one != "Who is there?"]


def tools(llm: Any, *functions: Callable[..., Any], **options: Any) -> Callable[[Conversation], Observable[Any]]:
    given: dict[str, Any] = {"deadline_s": 2.0, "filler": FILLER, "filler_after_s": 0.2, "rounds": 3, **options}
    return with_tools(llm, *(functions or (look, listen, weigh)), **given)


def outline(out: list[Recorded]) -> list[str]:
    """A line for each thing: when, and what."""
    return [f"{one.t_ms:g} {_line(one)}" for one in out]


def _line(one: Recorded) -> str:
    match one.value:
        case str(text):
            return repr(text)
        case FunctionCalled(call=call, server_side=here):
            return f"{'calls' if here else 'asks for'} {call.name}"
        case FunctionReturned(id=call_id, output=output):
            return f"{call_id} gave {output}"
        case FunctionDelayed(after_s=after_s):
            return f"late after {after_s}"
        case Exception():
            return repr(one.value)
        case None:
            return str(one.kind)
        case other:
            return type(other).__name__


def play(marbles: Marbles, llm: Any, conversation: Conversation = ASKED, when: str = "^", **options: Any) -> list[str]:
    return outline(marbles.record(tools(llm, **options)(conversation), when))


# ---- what is asked of the model --------------------------------------------------------------------------------------


def test_without_calls_the_answer_passes_as_it_is(marbles: Marbles) -> None:
    """Piece by piece; the model was told of the functions."""
    model = Model(marbles, "-a-b-T|")
    assert play(marbles, model) == [
        "20 'Let me look.'",
        "60 'Nobody is there.'",
        "100 MaxTokensReached",
        "120 completed",
    ]
    (asked,) = model.asked
    assert [function.name for function in asked.generation.functions] == ["look", "listen", "weigh"]
    assert asked.messages == ASKED.messages


def test_the_model_answers_once_more_knowing_what_the_function_gave(marbles: Marbles) -> None:
    """It reads what it has said and called; the texts of one reply do not run into each other."""
    model = Model(marbles, "-a-wL|", "-b|")
    assert play(marbles, model) == [
        "20 'Let me look.'",
        "80 calls look",
        "200 look gave Nobody at the door.",
        "220 ' Nobody is there.'",
        "240 completed",
    ]
    assert model.read(1) == ["Let me look.", "look", "Nobody at the door."]
    marbles.expect_subscriptions(model.answers[0], "^----!")


def test_calls_of_one_answer_run_side_by_side(marbles: Marbles) -> None:
    """A result comes as soon as it is there; the model reads them in the order of the calls."""
    model = Model(marbles, "SLW|", "b|")
    assert play(marbles, model, filler="", filler_after_s=9) == [
        "0 calls listen",
        "20 calls look",
        "40 calls weigh",
        '60 weigh gave {"grams":5}',
        "160 look gave Nobody at the door.",
        "360 listen gave Steps.",
        "360 'Nobody is there.'",
        "380 completed",
    ]
    assert model.read(1) == ["listen", "look", "weigh", "Steps.", "Nobody at the door.", '{"grams":5}']


def test_the_model_may_call_again_in_its_next_answer(marbles: Marbles) -> None:
    """And reads all that it has called so far."""
    model = Model(marbles, "L|", "aW|", "b|")
    heard = play(marbles, model)
    assert heard[2:5] == ["120 'Let me look.'", "140 calls weigh", '160 weigh gave {"grams":5}']
    assert heard[5] == "160 ' Nobody is there.'"
    assert model.read(2) == ["look", "Nobody at the door.", "Let me look.", "weigh", '{"grams":5}']


def test_when_its_rounds_are_used_up_the_model_must_do_without(marbles: Marbles) -> None:
    """It still reads the functions, since some services want those that were called to be there, and calls none."""
    model = Model(marbles, "W|", "W|", "b|")
    assert play(marbles, model, rounds=2)[-2:] == ["40 'Nobody is there.'", "60 completed"]
    assert model.choices == [("auto", ""), ("auto", ""), ("none", "")]
    assert all(len(asked.generation.functions) == 3 for asked in model.asked)


def test_what_it_calls_all_the_same_is_not_run(marbles: Marbles) -> None:
    """Not every service knows how to keep a model from it; the log says why a reply was silent."""
    ran = list[int]()

    def count() -> None:
        """Count."""
        ran.append(1)

    model = Model(marbles, "C|", "aC|", C=called("count"))
    with capture_logs() as logs:
        out = marbles.record(tools(model, count, rounds=1)(ASKED))
    assert outline(out) == ["0 calls count", "20 count gave null", "20 'Let me look.'", "60 completed"]
    assert ran == [1]
    assert [log["event"] for log in logs] == ["function.called", "function.not_called"]


def test_what_the_model_had_to_call_it_has_called(marbles: Marbles) -> None:
    """Once: else it would call it for ever."""
    for wish in (Generation(must_call="weigh", max_tokens=9), Generation(choice="required", max_tokens=9)):
        model = Model(marbles, "W|", "b|")
        play(marbles, model, Conversation(generation=wish))
        assert model.choices == [(wish.choice, wish.must_call), ("auto", "")]
        assert [asked.generation.max_tokens for asked in model.asked] == [9, 9]


def test_a_model_that_may_not_call_may_not_call_later_either(marbles: Marbles) -> None:
    """A client that wants an answer without functions."""
    model = Model(marbles, "W|", "b|")
    play(marbles, model, Conversation(generation=Generation(choice="none")))
    assert model.choices == [("none", ""), ("none", "")]


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (called("lock"), "there is no function 'lock', only look, listen, weigh"),
        (called("weigh", "{}"), "grams: Missing required argument"),
        (called("weigh", '{"grams"'), "Invalid JSON: EOF while parsing an object at line 1 column 8"),
        (called("listen", '{"seconds": 5}'), "no result within 2 s"),
        (called("listen", '{"seconds": -1, "for": "steps"}'), "for: Unexpected keyword argument"),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(marbles: Marbles, call: FunctionCalled, told: str) -> None:
    """It may try again, or say that it cannot; the user hears no error."""
    model = Model(marbles, "C|", "b|", C=call)
    heard = play(marbles, model, filler="")
    assert heard[0] == f"0 calls {call.call.name}"
    assert heard[-2:][0].endswith("'Nobody is there.'")
    assert model.read(1) == [call.call.name, f'{{"error": "{told}"}}']


def test_a_function_that_fails_does_not_keep_the_others_from_it(marbles: Marbles) -> None:
    """Each has its own result."""

    async def fail() -> None:
        """Fail."""
        raise OSError("no network")

    model = Model(marbles, "FL|", "b|", F=called("fail"))
    with capture_logs():
        marbles.record(tools(model, fail, look)(ASKED))
    assert model.read(1) == ["fail", "look", '{"error": "OSError: no network"}', "Nobody at the door."]


def test_a_function_in_which_something_is_cancelled_has_failed(marbles: Marbles) -> None:
    """It is not the reply that was cancelled, and that does not hang."""

    async def give_up() -> None:
        """Wait for something that somebody else has given up."""
        other = asyncio.get_running_loop().create_future()
        other.cancel()
        await other

    model = Model(marbles, "G|", "b|", G=called("give_up"))
    with capture_logs():
        out = outline(marbles.record(tools(model, give_up)(ASKED)))
    assert out[1:] == ['20 give_up gave {"error": "CancelledError"}', "20 'Nobody is there.'", "40 completed"]


def test_an_error_of_the_model_is_passed_on_in_any_answer(marbles: Marbles) -> None:
    """Its words and calls until then stay."""
    assert play(marbles, Model(marbles, "a#", error=ScriptedError("down")))[1:] == ["20 ScriptedError('down')"]
    out = play(marbles, Model(marbles, "W|", "a#", error=ScriptedError("down")))
    assert out == ["0 calls weigh", '20 weigh gave {"grams":5}', "20 'Let me look.'", "40 ScriptedError('down')"]


def test_an_answer_that_fails_behind_its_call_runs_nothing(marbles: Marbles) -> None:
    """Half an answer is none."""
    model = Model(marbles, "L#", error=ScriptedError("down"))
    assert play(marbles, model) == ["0 calls look", "20 ScriptedError('down')"]


def test_a_model_that_cannot_be_asked_is_an_error_of_the_reply(marbles: Marbles) -> None:
    """Of its second answer, too."""

    def ask(conversation: Conversation) -> Observable[str | Event]:
        if len(conversation.messages) > 1:
            raise ScriptedError("no model")
        return reactivex.of(called("weigh", '{"grams": 5}'))

    assert play(marbles, ask)[1:] == ['0 weigh gave {"grams":5}', "0 ScriptedError('no model')"]


# ---- filler ----------------------------------------------------------------------------------------------------------


def test_something_is_said_while_a_function_is_slow(marbles: Marbles) -> None:
    """And that it is slow comes behind it, which ends the clause for the synthesiser."""
    model = Model(marbles, "S|", "b|")
    assert play(marbles, model) == [
        "0 calls listen",
        "220 'One moment.'",
        "220 late after 0.2",
        "320 listen gave Steps.",
        "320 ' Nobody is there.'",
        "340 completed",
    ]
    assert model.read(1) == ["listen", "Steps."]


def test_the_filler_is_a_sentence_of_its_own(marbles: Marbles) -> None:
    """A space on both sides, and none twice."""
    model = Model(marbles, "aS|", "b|", b=" Nobody is there.")
    said = [line for line in play(marbles, model) if "'" in line]
    assert said == ["0 'Let me look.'", "240 ' One moment.'", "340 ' Nobody is there.'"]


def test_it_is_said_once_a_reply(marbles: Marbles) -> None:
    """That it is slow is told each time; the next reply says it again."""
    model = Model(marbles, "S|", "S|", "b|", "S|", "b|")
    reply = tools(model)
    first = outline(marbles.record(reply(ASKED)))
    assert [line.split(" ", 1)[1] for line in first] == [
        "calls listen",
        "'One moment.'",
        "late after 0.2",
        "listen gave Steps.",
        "calls listen",
        "late after 0.2",
        "listen gave Steps.",
        "' Nobody is there.'",
        "completed",
    ]
    assert "'One moment.'" in outline(marbles.record(reply(ASKED)))[1]


def test_a_quick_function_needs_none(marbles: Marbles) -> None:
    """Nothing is said, and nothing told."""
    assert play(marbles, Model(marbles, "L|", "b|"))[1:] == [
        "120 look gave Nobody at the door.",
        "120 'Nobody is there.'",
        "140 completed",
    ]


@pytest.mark.parametrize(("aloud", "filler"), [(False, FILLER), (True, "")])
def test_there_is_none_in_writing_or_where_there_is_nothing_to_say(marbles: Marbles, aloud: bool, filler: str) -> None:
    """That it takes time is told all the same."""
    out = play(marbles, Model(marbles, "S|", "b|"), Conversation(aloud=aloud), filler=filler)
    assert out[1:4] == ["220 late after 0.2", "320 listen gave Steps.", "320 'Nobody is there.'"]


# ---- the client's functions ------------------------------------------------------------------------------------------

DOOR = Function("open_door", "Open the door.")
WITH_CLIENT = Conversation(generation=Generation((DOOR, Function("look", "Look elsewhere."))))


def test_the_client_runs_its_own_functions(marbles: Marbles) -> None:
    """The call passes, piece by piece; the client asks for the next answer when it has the result."""
    model = Model(marbles, "aoO|")
    assert play(marbles, model, WITH_CLIENT) == [
        "0 'Let me look.'",
        "20 FunctionCallWritten",
        "40 asks for open_door",
        "60 completed",
    ]


def test_of_two_functions_of_one_name_the_pipelines_counts(marbles: Marbles) -> None:
    """The model is told of one."""
    model = Model(marbles, "L|", "b|")
    assert play(marbles, model, WITH_CLIENT)[0] == "0 calls look"
    assert [function.name for function in model.asked[0].generation.functions] == [
        "look",
        "listen",
        "weigh",
        "open_door",
    ]
    assert model.asked[0].generation.functions[0].description == "Look who is there."


def test_beside_a_call_of_the_clients_ours_are_run_and_the_client_goes_on(marbles: Marbles) -> None:
    """The model answers when all results are there: the client knows when."""
    model = Model(marbles, "OL|")
    assert play(marbles, model, WITH_CLIENT) == [
        "0 asks for open_door",
        "20 calls look",
        "140 look gave Nobody at the door.",
        "140 completed",
    ]
    assert len(model.asked) == 1


def test_what_neither_has_is_told_to_the_model(marbles: Marbles) -> None:
    """The client is not asked for what it has never offered."""
    model = Model(marbles, "U|", "b|")
    assert play(marbles, model, WITH_CLIENT)[0] == "0 calls lock"
    assert "there is no function 'lock'" in model.read(1)[1]


def test_the_functions_of_another_with_tools_are_its_own(marbles: Marbles) -> None:
    """Each runs those that it has; the outer ones are to the inner as a client's."""
    model = Model(marbles, "WL|", "W|", "b|")
    inner = tools(model, weigh, filler="")
    assert outline(marbles.record(tools(inner, look, filler="")(ASKED))) == [
        "0 calls weigh",
        "20 calls look",
        '40 weigh gave {"grams":5}',
        "140 look gave Nobody at the door.",
        "140 calls weigh",
        '160 weigh gave {"grams":5}',
        "160 'Nobody is there.'",
        "180 completed",
    ]


# ---- barge-in --------------------------------------------------------------------------------------------------------


def test_a_barge_in_cancels_a_function_which_cleans_up(marbles: Marbles) -> None:
    """Whoever waits for the turn's tasks waits for the clean-up."""
    steps = list[float]()

    async def wait_long() -> None:
        """Wait."""
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            steps.append(marbles.now_ms())

    async def main() -> None:
        turn = LoopScheduler(marbles.loop)
        reply = tools(Model(marbles, "WC|", C=called("wait_long")), weigh, wait_long)(ASKED)
        subscription = reply.subscribe(scheduler=turn)
        await asyncio.sleep(0.1)
        subscription.dispose()
        assert len(turn.tasks) == 1
        await asyncio.wait(turn.tasks)
        assert steps == [150]

    with capture_logs() as logs:
        marbles.run(main())
    assert [log["outcome"] for log in logs] == ["returned", "was cancelled"]


@pytest.mark.parametrize("at_ms", [0, 20, 40, 120, 140, 240, 320, 340])
def test_a_barge_in_at_any_time_leaves_nothing_behind(marbles: Marbles, at_ms: int) -> None:
    """While it writes, calls, waits, fills, goes on: the fixture looks for tasks, timers and subscriptions."""
    model = Model(marbles, "-aS-|", "-b-|")
    with capture_logs():
        out = play(marbles, model, when=f"^ {at_ms}ms !" if at_ms else "(^!)")
    assert all(float(line.split()[0]) <= at_ms + 20 for line in out)


def test_a_barge_in_does_not_wait_for_a_thread() -> None:
    """A sync function runs to its end, and nobody hears of it."""
    stop, done, begun = threading.Event(), threading.Event(), asyncio.Event()

    def block() -> str:
        """Block."""
        loops[0].call_soon_threadsafe(begun.set)
        stop.wait(5)
        done.set()
        return "late"

    def model(_: Conversation) -> Observable[Any]:
        return reactivex.of(called("block"))

    loops = list[asyncio.AbstractEventLoop]()

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        turn, heard = LoopScheduler(loops[0]), list[Any]()
        reply = tools(model, block)(ASKED)
        subscription = reply.subscribe(heard.append, scheduler=turn)
        await begun.wait()
        subscription.dispose()
        await asyncio.wait(turn.tasks)
        assert heard == [FunctionCalled(FunctionCall("block", "block"), server_side=True)]

    with capture_logs():
        asyncio.run(main())
    assert not done.is_set()
    stop.set()
    assert done.wait(5)


def test_after_a_barge_in_the_model_reads_that_there_was_no_result(marbles: Marbles) -> None:
    """The conversation keeps the output until then."""
    talk = ASKED
    with capture_logs():
        for one in marbles.record(tools(Model(marbles, "L|"))(ASKED), "^--!"):
            talk = fold(talk, one.value)
    assert talk.user_said("Stop!").prompt(calls=True)[3] == {
        "role": "tool",
        "tool_call_id": "look",
        "content": NO_RESULT,
    }


# ---- in a session ----------------------------------------------------------------------------------------------------


class Session:
    """Replies that are cut, and what is told after them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.scheduler = LoopScheduler(loop)
        self.late = list[Event]()
        self._heard = self.scheduler.background.merged_with(reactivex.never()).subscribe(self.late.append)

    async def reply(self, reply: Observable[Any], cut_after_s: float) -> list[Any]:
        heard = list[Any]()
        turn = self.scheduler.child()
        subscription = reply.subscribe(heard.append, scheduler=turn)
        await asyncio.sleep(cut_after_s)
        subscription.dispose()
        if turn.tasks:
            await asyncio.wait(turn.tasks)
        return heard

    def end(self) -> None:
        self._heard.dispose()


def test_a_barge_in_leaves_functions_to_the_session(marbles: Marbles) -> None:
    """Each tells its result when it has one; its clean-up keeps no next reply waiting."""

    async def main() -> None:
        session = Session(marbles.loop)
        await session.reply(tools(Model(marbles, "(SL)|"))(ASKED), 0.15)
        assert session.late == [FunctionContinues("listen")]
        await asyncio.sleep(1)
        assert session.late[1:] == [FunctionReturned("listen", "Steps.")]
        session.end()

    with capture_logs():
        marbles.run(main())


def test_of_results_that_come_at_once_none_is_lost(marbles: Marbles) -> None:
    """The first one may be what cuts the reply."""

    async def main() -> None:
        session = Session(marbles.loop)
        subscription = SerialDisposable()
        reply = tools(Model(marbles, "(SL)|", S=called("look", '{"at": "home"}', "1")))(ASKED)

        def cut(event: Any) -> None:
            if isinstance(event, FunctionReturned):
                subscription.dispose()

        subscription.disposable = reply.subscribe(cut, scheduler=session.scheduler.child())
        await asyncio.sleep(0.5)
        assert session.late == [FunctionReturned("look", "Nobody at the door.")]
        session.end()

    with capture_logs():
        marbles.run(main())


def test_a_call_that_still_runs_is_taken_over_by_the_same_call(marbles: Marbles) -> None:
    """Not by one with other arguments; a service that counts anew gets other ids."""
    ran = list[str]()

    async def book(at: str, people: int = 2) -> str:
        """Book a table."""
        ran.append(at)
        await asyncio.sleep(0.5)
        return f"booked at {at}"

    same = {
        "F": called("book", '{"at": "20:15"}', "c"),
        "G": called("book", '{"people": 2, "at": "20:15"}', "c"),
        "H": called("book", '{"at": "18:30"}', "c"),
    }

    async def main() -> None:
        session = Session(marbles.loop)
        reply = tools(Model(marbles, "F|", "(GH)|", "b|", **same), book)
        await session.reply(reply(ASKED), 0.2)
        heard = await session.reply(reply(ASKED), 1)
        assert session.late == [FunctionContinues("c"), FunctionContinues("c", "000000001")]
        assert [event.call.id for event in heard if isinstance(event, FunctionCalled)] == ["000000001", "000000002"]
        assert [event for event in heard if isinstance(event, FunctionReturned)] == [
            FunctionReturned("000000001", "booked at 20:15"),
            FunctionReturned("000000002", "booked at 18:30"),
        ]
        session.end()

    with capture_logs():
        marbles.run(main())
    assert ran == ["20:15", "18:30"]


def test_the_end_of_the_session_cancels_what_goes_on(marbles: Marbles) -> None:
    """And waits for its clean-up."""
    steps = list[str]()

    async def wait_long() -> None:
        """Wait."""
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("cleaned up")

    async def main() -> None:
        session = Session(marbles.loop)
        await session.reply(tools(Model(marbles, "C|", C=called("wait_long")), wait_long)(ASKED), 0.2)
        assert not steps
        session.end()
        await asyncio.wait(session.scheduler.tasks)

    with capture_logs():
        marbles.run(main())
    assert steps == ["cleaned up"]


def test_only_async_functions_of_the_model_are_cancellable() -> None:
    """The message names the other."""
    for wrong in (weigh, listen):
        with pytest.raises(ValueError, match=f"cancellable: {wrong.__name__} is no async function among"):
            tools(None, look, weigh, cancellable=[wrong])


# ---- several sessions ------------------------------------------------------------------------------------------------


def test_replies_at_the_same_time_share_nothing(marbles: Marbles) -> None:
    """One `with_tools`, two talks that overlap: each has its own text, results and filler."""

    def ask(conversation: Conversation) -> Observable[str | Event]:
        who = conversation.messages[0].text
        if len(conversation.messages) == 1:
            return marbles.cold("C|", C=called("look", f'{{"at": "{who}"}}', who))
        return marbles.cold("b|", b=conversation.messages[-1].text)

    reply = tools(ask, look, filler_after_s=0.05)
    one, other = Conversation().user_said("one"), Conversation().user_said("other")
    both = reactivex.merge(reply(one), reply(other).pipe(operators.delay_subscription(0.04)))
    assert outline(marbles.record(both)) == [
        "0 calls look",
        "40 calls look",
        "70 'One moment.'",
        "70 late after 0.05",
        "110 'One moment.'",
        "110 late after 0.05",
        "120 one gave Nobody at one.",
        "120 ' Nobody at one.'",
        "160 other gave Nobody at other.",
        "160 ' Nobody at other.'",
        "180 completed",
    ]


def test_the_same_reply_may_be_subscribed_again(marbles: Marbles) -> None:
    """As a retry does: it begins from its beginning."""
    model = Model(marbles, "W|", "b|", "W|", "b|")
    reply = tools(model)(ASKED)
    assert outline(marbles.record(reply)) == outline(marbles.record(reply))
    assert [len(asked.messages) for asked in model.asked] == [1, 3, 1, 3]
