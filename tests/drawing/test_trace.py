"""From a declaration to a graph: what is found, and what it is called."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.subject import Subject

from voicepipe import Conversation, Event, Overflow, Session, Stage, async_stage, in_worker, stage_factory
from voicepipe import operators as ops
from voicepipe.boundary.workers import Workers
from voicepipe.drawing import Boundary, Graph, NodeKind, trace
from voicepipe.events import ReplyAudio, ReplyText, WordRecognised
from voicepipe.loader import load_pipeline
from voicepipe.rx import feedback
from voicepipe.stage import TRACER, NotAnObservable, named

PIPELINES = Path(__file__).parents[2] / "pipelines"


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes if node.kind is not NodeKind.INPUT]


def arrows(graph: Graph) -> set[str]:
    return {f"{source.name} → {target.name}" for source, target in graph.edges}


def drawn(*stages: Callable[[Any], Any]) -> Graph:
    """The graph of a pipeline that is one pipe."""
    return trace(lambda session: session.received.pipe(*stages))


# ---- the pipelines that come with voicepipe --------------------------------------------------------------------------


def test_the_default_pipeline_is_drawn_as_it_reads() -> None:
    """Stage by stage, in the order of the module, with its forks and joins."""
    graph = trace(load_pipeline())
    assert names(graph) == [
        "client", "decode", "fill_gaps", "cancel_echo", "listen", "detect_turns", "respond", "hang_up_after", "merge",
        "encode", "client",
    ]  # fmt: skip
    assert arrows(graph) >= {
        "client → decode", "listen → detect_turns", "listen → merge", "detect_turns → respond",
        "detect_turns → merge", "respond → hang_up_after", "hang_up_after → merge", "encode → client",
    }  # fmt: skip
    assert [node.name for node in graph.nodes if node.shared] == ["listen", "detect_turns"]


def test_a_reply_is_drawn_inside_of_respond() -> None:
    """By asking it, with a conversation that says nothing in particular."""
    (ahead,) = trace(load_pipeline()).find("respond").parts
    assert (ahead.name, names(ahead.graph)) == ("reply", ["speculate"])
    (reply,) = ahead.graph.output.parts
    assert reply.name == "reply"
    assert names(reply.graph) == ["with_filler", "split_words", "text_only", "pace"]
    inside = [part for node in reply.graph.nodes for part in node.parts]
    deadlines = [inside[0], *inside[1].graph.output.parts]
    models = [part.graph.nodes[-1] for part in deadlines]
    assert [(model.name, model.kind) for model in models] == [("LLM", NodeKind.MODEL), ("TTS", NodeKind.MODEL)]


def test_stages_that_are_parameters_are_drawn_inside_of_their_stage() -> None:
    """To any depth, each with what it was given."""
    stt, pauses = trace(load_pipeline()).find("listen").parts
    assert (names(stt.graph), names(pauses.graph)) == (["STT"], ["endpoint"])
    endpoint = pauses.graph.output
    assert [part.name for part in endpoint.parts] == ["vad", "end_of_turn"]
    assert {"speech_above", "silence_ms", "context_s"} <= set(endpoint.parameters)


@pytest.mark.parametrize("pipeline", sorted(PIPELINES.glob("*.py")), ids=lambda path: path.stem)
def test_every_pipeline_of_ours_is_drawn(pipeline: Path) -> None:
    """From the client to the client, and every arrow but those of a join says what flows."""
    graph = trace(load_pipeline(str(pipeline)))
    assert names(graph)[0] == names(graph)[-1] == "client"
    unsaid = {node.name for node in graph.nodes[:-1] if not node.gives}
    assert unsaid <= {"map"}


def test_ones_own_stage_is_told_from_ours() -> None:
    """By the module it stands in."""
    moderate = trace(load_pipeline(str(PIPELINES / "moderated.py"))).find("moderate")
    assert (moderate.kind, moderate.gives) == (NodeKind.OWN, ("ReplyText",))
    each = trace(load_pipeline(str(PIPELINES / "echo.py"))).find("map")
    assert (each.kind, list(each.parameters.values())) == (NodeKind.OWN, ["as_speech"])


def test_functions_of_the_model_are_named() -> None:
    """In the box of `with_tools`; what they are called and give flows past the voice."""
    (reply,) = trace(load_pipeline(str(PIPELINES / "concierge.py"))).find("respond").parts
    tools, _, voice, _ = reply.graph.nodes
    assert tools.parameters["functions"] == "today, free_tables, book_table"
    assert [part.name for part in tools.parts] == ["llm"]
    assert {"FunctionCalled", "FunctionReturned"} <= set(voice.gives)


# ---- types -----------------------------------------------------------------------------------------------------------


def test_event_types_come_from_annotations_and_from_what_a_stage_says_of_itself() -> None:
    """Types that pass are passed on; types that a stage takes are not."""
    graph = trace(load_pipeline())
    assert graph.find("decode").gives[:2] == ("Audio", "InputRejected")
    assert graph.find("detect_turns").gives[:3] == ("TurnStarted", "TurnConfirmed", "TurnTextChanged")
    encode = graph.find("encode").gives
    assert encode[0] == "SpeechEncoded"
    assert {"WordRecognised", "TurnEnded", "WordSpoken", "ConversationEnded"} <= set(encode)
    assert "ReplyAudio" not in encode


def shout(words: Observable[ReplyText]) -> Observable[ReplyText]:
    return words


@stage_factory()
def pinched(*, hard: float, why: str = "because") -> Stage[Event, WordRecognised | ReplyAudio]:
    return rx_ops.map(lambda event: event)


def as_word(_: Event) -> WordRecognised:
    return WordRecognised("a", 0, 1)


@pytest.mark.parametrize(
    ("stage", "name", "gives"),
    [
        (lambda words: rx_ops.map(as_word)(words), "λ", ()),
        (rx_ops.map(as_word), "map", ("WordRecognised",)),
        (rx_ops.map(ReplyAudio), "map", ("ReplyAudio",)),
        (rx_ops.filter(bool), "filter", ("AudioReceived", "SettingsChanged")),
        (pinched(hard=3), "pinched", ("WordRecognised", "ReplyAudio")),
        (named("mine", pinched(hard=3)), "mine", ("WordRecognised", "ReplyAudio")),
    ],
)
def test_a_stages_name_and_what_it_gives(stage: Callable[[Any], Any], name: str, gives: tuple[str, ...]) -> None:
    """As far as anybody has said it."""
    node = drawn(stage).nodes[1]
    assert (node.name, node.gives) == (name, gives)


def test_parameters_are_those_that_were_given() -> None:
    """Defaults are not repeated."""
    assert drawn(pinched(hard=2.50)).find("pinched").parameters == {"hard": "2.5"}


# ---- structure -------------------------------------------------------------------------------------------------------


def test_methods_draw_like_operators() -> None:
    """reactivex has both."""
    graph = trace(lambda session: session.received.map(as_word).share().filter(bool))
    assert names(graph) == ["client", "map", "filter", "client"]
    assert graph.find("map").shared


def test_composed_stages_are_drawn_one_by_one() -> None:
    """`reactivex.compose` is a pipe that waits for its source."""
    assert names(drawn(reactivex.compose(pinched(hard=1), rx_ops.filter(bool)))) == [
        "client", "pinched", "filter", "client",
    ]  # fmt: skip


@pytest.mark.parametrize("join", [reactivex.merge, reactivex.concat, reactivex.zip, reactivex.combine_latest])
def test_what_joins_streams_is_found_without_a_pipe(join: Callable[..., Observable[Any]]) -> None:
    """In the closure of the observable that it gives."""

    def pipeline(session: Session) -> Observable[Event]:
        left, right = session.received.pipe(rx_ops.map(as_word)), session.received.pipe(rx_ops.filter(bool))
        return join(left, right).pipe(pinched(hard=1))

    graph = trace(pipeline)
    assert arrows(graph) >= {f"map → {join.__name__}", f"filter → {join.__name__}", f"{join.__name__} → pinched"}
    assert graph.find(join.__name__).kind is NodeKind.JOIN


def test_a_second_stream_that_a_stage_listens_to_is_an_arrow() -> None:
    """That of a gate, or of an operator of reactivex."""

    def pipeline(session: Session) -> Observable[Event]:
        words = session.received.pipe(rx_ops.map(as_word))
        gated = session.received.pipe(ops.gate(words.pipe(rx_ops.map(bool)), is_open=True))
        stopped = gated.pipe(rx_ops.take_until(words.pipe(pinched(hard=1))))

        def both(source: Observable[Event]) -> Observable[Event]:
            return reactivex.merge(source, words).pipe(rx_ops.filter(bool))

        return stopped.pipe(both)

    assert arrows(trace(pipeline)) >= {"map → gate", "client → gate", "gate → take_until", "pinched → take_until"}
    assert arrows(trace(pipeline)) >= {"take_until → both", "map → both"}


def test_what_a_part_listens_to_outside_is_an_arrow_to_the_whole() -> None:
    """The box around it, however deep it is inside."""

    def pipeline(session: Session) -> Observable[Event]:
        switch = session.received.pipe(rx_ops.map(bool))
        gated = ops.gate(switch, is_open=True)
        return session.received.pipe(pinched(hard=1), ops.tee(named("side", ops.fallback(gated, gated, remembers=1))))

    graph = trace(pipeline)
    assert arrows(graph) == {"client → map", "client → pinched", "pinched → tee", "map → tee", "tee → client"}
    assert names(graph.find("tee").parts[0].graph) == ["side"]


def test_a_source_of_ones_own_has_its_name() -> None:
    """A timer, a constant."""
    graph = trace(lambda session: reactivex.merge(session.received, reactivex.timer(1), reactivex.just("x")))
    assert [node.name for node in graph.find("merge").inputs] == ["client", "timer", "just"]


def test_stages_with_alternatives_show_them_all() -> None:
    """Of a stage, and of what is asked in one piece; a plain function is named by its parameter."""

    def backup(conversation: Conversation) -> Observable[str]:
        return reactivex.just(conversation.system_prompt)

    def pipeline(session: Session) -> Observable[Event]:
        answer = ops.fallback(ops.hedge(session.llm, session.llm, after_ms=300), backup, backup)
        tts = ops.fallback(session.tts(Conversation()), shout, remembers=8)
        return answer(Conversation()).pipe(ops.split_words(), tts)

    graph = trace(pipeline)
    assert names(graph) == ["fallback", "split_words", "fallback", "client"]
    first, _, second = graph.nodes[:3]
    assert [part.name for part in first.parts] == ["first", "others 1 = backup", "others 2 = backup"]
    assert [names(part.graph) for part in first.parts] == [["hedge"], ["just"], ["just"]]
    assert [names(part.graph) for part in second.parts] == [["TTS"], ["shout"]]
    assert first.gives == ("str",)


async def remote(items: AsyncIterator[Event]) -> AsyncIterator[WordRecognised]:
    async for _ in items:
        yield WordRecognised("a", 0, 1)


def test_boundaries_say_what_they_hold() -> None:
    """They are the boundaries to a task and those to a thread, which no decorator has named."""
    stage = async_stage(remote, boundary="stt", capacity=50, overflow=Overflow.DROP_OLDEST)
    node = drawn(stage).find("async_stage")
    assert node.boundary == Boundary("50", "DROP_OLDEST")
    assert node.gives == ("WordRecognised", "Overflowed")
    workers = Workers(0, "none")
    blocking = in_worker(lambda item, _: item, workers, boundary="tts", capacity=4, overflow=Overflow.FAIL_TURN)
    assert drawn(blocking).find("in_worker").boundary == Boundary("4", "FAIL_TURN")


# ---- what cannot be drawn --------------------------------------------------------------------------------------------


def forgetful(source: Observable[Event]) -> Observable[Event]:
    source.pipe(rx_ops.map(as_word))
    return None  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("stages", [(forgetful,), (forgetful, rx_ops.filter(bool)), (ops.tee(forgetful),)])
def test_a_stage_that_gives_no_observable_is_named_with_its_place(stages: tuple[Callable[[Any], Any], ...]) -> None:
    """Also where the next one would stumble over it."""
    place = r"forgetful \(.*test_trace\.py:\d+\) returned None \(is its `return` missing\?\); a stage returns an Obs"
    with pytest.raises(NotAnObservable, match=place):
        drawn(*stages)
    assert TRACER.get() is None


def test_a_pipeline_that_gives_no_observable_is_named_too() -> None:
    """It is where one forgets the `return` first."""
    with pytest.raises(NotAnObservable, match=r"returned int; a stage returns an Observable"):
        trace(lambda _: 3)  # pyright: ignore[reportArgumentType, reportReturnType]


def test_feedback_defer_flat_map_and_subject_do_not_hide_stages() -> None:
    """The stages behind them are drawn, and so is the inside of `feedback`."""

    def mine(source: Observable[Any]) -> Observable[Any]:
        return source.pipe(rx_ops.map(as_word))

    def pipeline(session: Session) -> Observable[Any]:
        again = reactivex.merge(session.received, Subject[Any]()).pipe(
            feedback(pinched(hard=1), lambda _: lambda _: ())
        )
        later = reactivex.defer(lambda _: again.pipe(mine))
        return later.pipe(rx_ops.flat_map(reactivex.just), mine)

    graph = trace(pipeline)
    assert names(graph) == ["client", "Subject", "merge", "feedback", "mine", "defer", "flat_map", "mine", "client"]
    assert names(graph.find("feedback").parts[0].graph) == ["pinched"]


def test_an_unshared_stream_is_drawn_twice() -> None:
    """Once for each subscriber, with what leads to it; the client is one."""

    def pipeline(session: Session) -> Observable[Any]:
        words = session.received.pipe(pinched(hard=1), rx_ops.map(as_word))
        return reactivex.merge(words, words.pipe(rx_ops.filter(bool)))

    graph = trace(pipeline)
    assert names(graph) == ["client", "pinched", "map", "pinched", "map", "filter", "merge", "client"]
    assert [node.name for node in graph.unshared] == ["map"]
