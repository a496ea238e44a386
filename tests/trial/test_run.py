"""A pipeline, tried: what is wrong with it is a sentence with its place, and what is right has no consequences."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from textwrap import dedent

import pytest
import structlog

from voicepipe.cli.logs import configure_logs
from voicepipe.loader import PipelineError, load_pipeline
from voicepipe.trial import Trial, try_pipeline

PIPELINES = Path(__file__).parents[2] / "pipelines"

HEAD = """\
from reactivex import Observable, just, merge, throw
from reactivex import operators as rx
from voicepipe import Conversation, async_stage, Overflow
from voicepipe import operators as ops
from voicepipe.events import Audio, ReplyAudio, WordRecognised
"""

TURNS = (
    "session.received.pipe(ops.decode(session.codec), ops.listen(session.stt, None, flush_at=0.6), "
    "ops.detect_turns(pause_above=0.6, resume_below=0.4))"
)
RESPOND = (
    "ops.respond(reply, idle_after_s=7.0, idle_prompts=0, uninterruptible_s=3.0, grace_s=0.25, "
    "min_voice_ms=800, resume_within_ms=350)"
)


def tried(folder: Path, source: str, *, notices_pauses: bool = False) -> Trial:
    file = folder / "mine.py"
    file.write_text(HEAD + dedent(source).replace("TURNS", TURNS).replace("RESPOND", RESPOND))
    return asyncio.run(try_pipeline(load_pipeline(str(file)), notices_pauses=notices_pauses))


def mistake(folder: Path, source: str) -> str:
    """Return the error's text, without the folder; lines count from the end of HEAD."""
    with pytest.raises(PipelineError) as raised:
        tried(folder, source)
    return str(raised.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("pipeline", sorted(PIPELINES.glob("*.py")), ids=lambda path: path.stem)
@pytest.mark.parametrize("notices_pauses", [False, True])
def test_what_comes_with_voicepipe_is_right(pipeline: Path, notices_pauses: bool) -> None:
    """With a VAD, and with a recogniser that notices pauses itself."""
    trial = asyncio.run(try_pipeline(load_pipeline(str(pipeline)), notices_pauses=notices_pauses))
    assert trial.warning is None or (pipeline.stem == "relay" and "127.0.0.1:9" in trial.warning)
    assert trial.graph.nodes


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def pipeline(session):\n  session.received", "pipeline (mine.py:6) returned None (is its `return` missing?)"),
        ("def pipeline(session):\n  yield 1", "pipeline (mine.py:6) returned generator; a stage returns an Observable"),
        ("def pipeline(session):\n  return session.receive", "mine.py:7: AttributeError: 'Session' object has no att"),
        ("def pipeline(session):\n  1 / 0", "mine.py:7: ZeroDivisionError: division by zero"),
        ("def pipeline(session):\n  return session.received.pipe(ops.decode)",
         "mine.py:7: decode is not a stage, but makes one when it is called: decode(codec)"),
        ("def pipeline(session):\n  return session.received.pipe(\n    ops.fill_gaps)",
         "mine.py:7: fill_gaps is not a stage, but makes one when it is called: fill_gaps(after_ms=…, at_most_ms=…)"),
        ("def pipeline(session):\n  return session.received.pipe(rx.share)",
         "mine.py:7: share is not a stage, but makes one when it is called: share()"),
        ("def pipeline(session):\n  return session.received.pipe(rx.map)",
         "mine.py:7: map returned function (does it have to be called first, as in map(…)?); a stage returns"),
        ("def shout(events):\n  events.pipe()\ndef pipeline(session):\n  return session.received.pipe(shout)",
         "shout (mine.py:6) returned None (is its `return` missing?)"),
        ("def pipeline(session):\n  def reply(talk): session.llm(talk)\n  return TURNS.pipe(RESPOND)",
         "reply (mine.py:7) returned None (is its `return` missing?)"),
        ("async def reply(talk): yield ''\ndef pipeline(session):\n  return TURNS.pipe(RESPOND)",
         "reply (mine.py:6) returned async_generator (it is async; async_stage(reply, …) makes a stage of an async"),
        ("async def reply(talk): return 1\ndef pipeline(session):\n  return TURNS.pipe(RESPOND)",
         "reply (mine.py:6) returned coroutine (it is async;"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_declaration_is_told_as_voicepipe_draw_tells_it(
    tmp_path: Path, source: str, says: str
) -> None:
    """By the line of the user's own code."""
    assert mistake(tmp_path, source).startswith(says)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def pipeline(session):\n  return session.received.pipe(rx.map(lambda m:\n    m.nothing))",
         "mine.py:8: AttributeError: 'AudioReceived' object has no attribute 'nothing'"),
        ("def pipeline(session):\n  return throw(LookupError('no bot'))", "pipeline (mine.py:6): LookupError: no bot"),
        ("async def write(events):\n  raise LookupError('no file')\n  yield 1\ndef pipeline(session):\n"
         "  return session.received.pipe(async_stage(write, boundary='w', capacity=9, overflow=Overflow.FAIL_TURN))",
         "mine.py:7: LookupError: no file"),
        ("def pipeline(session):\n  return just('hello')", "pipeline (mine.py:6) gives a value of type str; a"),
        ("def pipeline(session):\n  return session.received.pipe(rx.map(lambda m: 5))",
         "pipeline (mine.py:6) gives a value of type int; a pipeline gives events"),
        ("def pipeline(session):\n  return session.received.pipe(rx.map(lambda m: WordRecognised))",
         "pipeline (mine.py:6) gives a value of type type;"),
        ("def pipeline(session):\n  return merge(session.received, session.llm(Conversation('Hi')))",
         "pipeline (mine.py:6) gives a value of type str;"),
        ("def pipeline(session):\n  return session.received.pipe(ops.decode(session.codec), rx.map(ReplyAudio))",
         "pipeline (mine.py:6) gives ReplyAudio, which no client can be sent; is encode missing at the end"),
        ("def speak(event): return ReplyAudio(event) if isinstance(event, Audio) else event\ndef pipeline(session):\n"
         "  return session.received.pipe(ops.decode(session.codec), rx.map(speak))",
         "pipeline (mine.py:7) gives ReplyAudio, which no client can be sent; is encode missing at the end"),
        ("def pipeline(session):\n"
         "  def reply(talk): return just('word').pipe(ops.split_words(), session.tts(talk))\n"
         "  return TURNS.pipe(RESPOND)",
         "pipeline (mine.py:6) gives ReplyAudio, which no client can be sent"),
    ],
)  # fmt: skip
def test_what_only_a_session_shows_is_told_too(tmp_path: Path, source: str, says: str) -> None:
    """Of a client that is silent: its sound is digital silence, and it says nothing else."""
    assert mistake(tmp_path, source).startswith(says)


def test_what_is_filtered_out_need_not_be_encoded(tmp_path: Path) -> None:
    """Captions of a conversation, without its sound."""
    assert tried(
        tmp_path,
        """
        def pipeline(session):
            def reply(talk): return just("word").pipe(ops.split_words(), session.tts(talk))
            return TURNS.pipe(RESPOND, rx.filter(lambda event: not isinstance(event, ReplyAudio)))
        """,
    ).uses == {"stt", "tts"}


def test_a_pipeline_that_takes_a_vad_for_granted_is_told_where_there_is_none(tmp_path: Path) -> None:
    """A recogniser on the network comes without one."""
    source = """
    def pipeline(session):
        return session.received.pipe(ops.decode(session.codec), session.vad)
    """
    assert tried(tmp_path, source).uses == {"vad"}
    with pytest.raises(PipelineError, match=r"mine\.py:8: TypeError: 'NoneType' object is not callable"):
        tried(tmp_path, source, notices_pauses=True)


def test_a_service_of_the_pipelines_own_that_is_down_is_a_warning(tmp_path: Path) -> None:
    """It may be up when a client comes."""
    trial = tried(tmp_path, "def pipeline(session):\n  return throw(ConnectionRefusedError('no database'))")
    assert trial.warning is not None
    assert trial.warning.endswith("ConnectionRefusedError: no database")


def test_a_task_is_begun_and_ended(tmp_path: Path) -> None:
    """It has the sound, and no task is left."""
    source = """
    heard = []
    async def write(events):
        try:
            async for event in events:
                heard.append(type(event).__name__)
                yield event
        finally:
            heard.append("ended")
    def pipeline(session):
        return session.received.pipe(async_stage(write, boundary="w", capacity=9, overflow=Overflow.FAIL_TURN))
    """
    file = tmp_path / "mine.py"
    file.write_text(HEAD + dedent(source))
    pipeline = load_pipeline(str(file))

    async def main() -> int:
        await try_pipeline(pipeline)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1
    assert pipeline.__globals__["heard"] == ["AudioReceived"] * 3 + ["ended"]  # type: ignore[attr-defined]


def test_nothing_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The log tells of sessions; and after the trial it does so again."""
    root = logging.getLogger()
    handlers, level = root.handlers.copy(), root.level
    try:
        configure_logs("info")
        tried(
            tmp_path,
            """
            import structlog
            def pipeline(session):
                structlog.get_logger().warning("session.began")
                return session.received.pipe(ops.tee(lambda events: throw(LookupError("no file"))))
            """,
        )
        assert capfd.readouterr().err == ""
        structlog.get_logger().warning("served")
        assert "served" in capfd.readouterr().err
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_a_stream_that_runs_twice_is_named_with_its_line(tmp_path: Path) -> None:
    """Its recogniser would hear everything twice; what only maps may run twice."""
    source = """
    def pipeline(session):
        heard = session.received.pipe(ops.decode(session.codec), ops.listen(session.stt, None, flush_at=0.6){})
        words = heard.pipe(rx.map(lambda event: event))
        return merge(heard, words, words)
    """
    (sentence,) = tried(tmp_path, source.format("")).unshared
    assert sentence.replace(f"{tmp_path}/", "").startswith("mine.py:8: listen and what leads to it run once for each")
    assert tried(tmp_path, source.format(", rx.share()")).unshared == ()


def test_a_pipeline_that_enters_the_graph_from_another_thread_is_told(tmp_path: Path) -> None:
    """With the thread, and with what to use."""
    told = mistake(
        tmp_path,
        """
        import threading, concurrent.futures
        pool = concurrent.futures.ThreadPoolExecutor(1, "mine")
        def elsewhere(source):
            return Observable(lambda observer, scheduler=None: source.subscribe(
                lambda item: pool.submit(observer.on_next, item).result(), scheduler=scheduler))
        def pipeline(session):
            return session.received.pipe(elsewhere)
        """,
    )
    assert "AnotherThread: the session's graph was entered from the thread 'mine_0'" in told
    assert "ask_worker" in told
