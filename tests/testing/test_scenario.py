"""Scenarios: their text, their fluent form, what happens in them, and what they report."""

import time
from pathlib import Path

import pytest

from voicepipe.events import ReplyStarted, SpeechEncoded, StageFailed, Transcribed, TurnMeasured
from voicepipe.loading import PipelineError
from voicepipe.testing import Scenario, ScenarioError, ScenarioFailed
from voicepipe.testing.acts import ACTS
from voicepipe.testing.behaviour import SERVICES
from voicepipe.testing.expectations import expectation
from voicepipe.testing.facts import FACTS, STATES
from voicepipe.testing.sentences import nearest, read, show_time

PLAIN = str(Path(__file__).with_name("plain_pipeline.py"))
INTERRUPTED = """
Somebody interrupts the bot

The LLM answers "hello there" with "How are you today?" after 200 ms, 30 ms a word
at 2 s the user says "hello there"
at 3.3 s the user says "what time is it"
by 3.2 s the bot has said "How"
by 4 s the bot is interrupted
the bot never says "today?"
"""


# ---- sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*SERVICES, *ACTS, *STATES], ids=lambda kind: kind.__name__)
def test_every_sentence_reads_as_it_is_written(kind):
    """What is printed is read again, with and without what may be left out."""
    example = nearest("", [kind.template])
    for text in (example.replace("[", "").replace("]", ""), _without_options(example)):
        sentence = read(text, [kind])
        assert sentence is not None, text
        assert read(str(sentence), [*SERVICES, *ACTS, *STATES]) == sentence


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("when", ["", "by 3 s ", "after 3 s ", "from 1 s to 3 s "])
def test_every_expectation_reads_as_it_is_written(kind, when):
    """With a time before it, and a number of times behind it, or in the negative."""
    for fact in (nearest("", [kind.template]), nearest("", [kind.template]) + " twice", nearest("", [kind.never])):
        claim = expectation(when + fact)
        assert claim is not None, when + fact
        assert str(claim) == when + fact
        assert expectation(str(claim)) == claim


def _without_options(text: str) -> str:
    while "[" in text:
        text = text[: text.index("[")] + text[text.index("]") + 1 :]
    return text


def test_a_scenario_is_its_text():
    """Title, services, what happens, what must happen: in, and out again."""
    scenario = Scenario.read(INTERRUPTED)
    assert scenario.title == "Somebody interrupts the bot"
    assert str(Scenario.read(str(scenario))) == str(scenario)
    assert eval(repr(scenario), {"Scenario": Scenario}).sentences == scenario.sentences


def test_the_fluent_form_says_the_same():
    """Python and text build one and the same scenario."""
    fluent = (
        Scenario("Somebody interrupts the bot")
        .llm("hello there", "How are you today?", after_s=0.2, word_s=0.03)
        .at(2)
        .user_says("hello there")
        .at(3.3)
        .user_says("what time is it")
        .by(3.2)
        .bot_says("How")
        .by(4)
        .bot_is_interrupted()
        .never()
        .bot_says("today?")
    )
    assert str(fluent) == str(Scenario.read(INTERRUPTED))


def test_every_fluent_sentence_can_be_read():
    """What the methods add is in the grammar."""
    s = Scenario("All of it")
    s.llm("a", "b", after_s=0.2, fails_after=1).llm(None, "c", word_s=0.1).llm("d", "e", stalls_after=0)
    s.tts(delay_s=0.1, word_s=0.2, fails_after=1, stalls_after=2).pause_sounds_finished(0.25).never_mind("x").lasts(9)
    moment, cue = s.at(1.5), s.after_bot_says("b", 0.3)
    moment.user_says("x").at(1).user_coughs().at(1).microphone_is_muted().at(2).microphone_comes_back()
    moment.network_stalls(0.2).at(1).machine_stalls(0.3).at(2).client_leaves().at(2).bot_is_told("y")
    moment.recogniser_fails()
    cue.user_says("x")
    cue.user_coughs()
    cue.client_leaves()
    claim = s.between(1, 2)
    claim.bot_says("x").by(3).bot_replies().ever(times=3).bot_finishes().never(1, 2).bot_is_interrupted()
    claim.bot_hangs_up().by(2).conversation_ends().by(2).user_is_told("x").by(2).user_is_heard_saying("y")
    claim.llm_is_asked("x").by(2).answer_is_cancelled("x").never().service_fails()
    s.silent(1, 2).speaking(2, 3).answers_within(0.7).remembers("user", "x").remembers("assistant", "y")
    assert str(Scenario.read(str(s))) == str(s)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ('The LLM anwsers "x" with "y"', 'The LLM answers "…" with "…"[ after 2 s][, 2 s a word]'),
        ('at 3 s the usr says "x"', 'at 2 s the user says "…"'),
        ('by 3 s the bot have said "x"', 'by 2 s the bot has said "…"'),
        ("from 3 s to 4 s the bot is silence", "from 2 s to 2 s the bot is silent"),
        ('the bot nevr says "x"', 'the bot never says "…"'),
    ],
)
def test_a_line_that_is_no_sentence_is_shown_with_the_nearest(line, meant):
    """The error has the line's number, the line, and what may have been meant."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.read(f"A title\n\n{line}\n")
    assert str(caught.value).splitlines() == [
        "line 3: no such sentence:",
        f"    {line}",
        "the nearest that is known:",
        f"    {meant}",
    ]


def test_only_the_first_line_can_be_a_title():
    """And only without quotes: a sentence that was misspelt is not one."""
    with pytest.raises(ScenarioError, match="line 1"):
        Scenario.read('at 1 s the usr says "x"')


def test_words_and_times_are_read_with_some_freedom():
    """Units, spaces, capital letters, typographic quotes and a full stop do not matter."""
    times = ("AT 1500 ms", "at 1.5 seconds", "at  1.5s")
    for text in (f"{at} the user says {said}" for at in times for said in ("“hello there”", '"hello  there".')):
        assert str(read(text, ACTS)) == 'at 1.5 s the user says "hello there"'
    assert [show_time(seconds) for seconds in (0, 0.25, 1, 61.5)] == ["0 s", "250 ms", "1 s", "61.5 s"]


# ---- running ---------------------------------------------------------------------------------------------------------


def test_what_came_of_it(scenario):
    """Events with their times, what was asked and said, and what the bot remembers."""
    played = scenario(INTERRUPTED, PLAIN)
    assert played.said == "Hi! How are you I see."
    assert [call.asked for call in played.asked] == ["", "hello there", "what time is it"]
    assert [call.outcome for call in played.asked] == ["completed"] * 3
    assert [message.text for message in played.conversation.messages if message.role == "user"] == [
        "hello there",
        "what time is it",
    ]
    assert len(played.of(ReplyStarted)) == len(played.times(ReplyStarted)) == 3
    assert played.ended_s is None
    assert played.times(SpeechEncoded)[0] == pytest.approx(0.16)


def test_it_is_heard_as_a_client_plays_it(scenario):
    """Sound in a row is one sound, and what was sent ahead is not heard when the reply is cut."""
    played = scenario(INTERRUPTED, PLAIN)
    opening, cut, last = played.audible()
    assert opening == pytest.approx((0.16, 0.46))
    assert cut == pytest.approx((3.12, 3.82), abs=0.03)
    assert last[1] - last[0] == pytest.approx(0.6)


def test_a_minute_takes_a_moment():
    """Real frames through the whole pipeline: 110 ms on a quiet machine."""
    minute = Scenario.read(INTERRUPTED).lasts(60)
    minute.play(PLAIN)
    began = time.perf_counter()
    minute.play(PLAIN)
    assert time.perf_counter() - began < 1.5


def test_a_failure_shows_what_happened_instead_and_the_conversation():
    """Each unmet sentence, then the user's, the ear's and the bot's lines with their times."""
    failing = Scenario.read(INTERRUPTED).by(3).bot_says("today?").ever(times=4).bot_replies().silent(3, 4)
    with pytest.raises(ScenarioFailed) as caught:
        failing.run(PLAIN)
    text = str(caught.value)
    assert 'by 3 s the bot has said "today?"\n    but it did not happen; the bot said "Hi! How are you I see."' in text
    assert "the bot replies 4 times\n    but it happened at 0 s, 2.86 s, 4.76 s" in text
    assert "from 3 s to 4 s the bot is silent\n    but it could be heard from 3.12 s to 3.8" in text
    for line in ('2.000  "hello there"', "(a voice) hello there", "→ 'hello there'", "▸ How", "✂ interrupted"):
        assert line in text


@pytest.mark.parametrize(
    ("sentence", "instead"),
    [
        ("the conversation has ended", "it went on"),
        ('the user was told "x"', "the user was told nothing"),
        ('the user was heard saying "x"', 'heard was "hello there", "what time is it"'),
        ('the LLM was asked "x"', 'the LLM was asked "", "hello there", "what time is it"'),
        ('the answer to "x" was cancelled', 'the answer to "hello there" completed'),
        ("the bot answers within 100 ms", "it took 520 ms (endpointing 260, first_token 200, tts 60); it took 420 ms"),
        ('the bot remembers saying "x"', 'it remembers "Hi!", "How are you—", "I see."'),
        ('the bot remembers the user saying "x"', 'it remembers "hello there", "what time is it"'),
        ("from 1 s to 2 s the bot is speaking", "it could be heard from 160 ms to 460 ms"),
        ("no service has finished", ""),
    ],
)
def test_what_happened_instead(sentence, instead):
    """Each kind of expectation says something of its own sort."""
    if claim := expectation(sentence):
        assert instead in (claim.complaint(Scenario.read(INTERRUPTED).play(PLAIN)) or "")
    else:
        assert not instead


def test_services_can_be_slow_and_mishear(scenario):
    """The bot answers what was recognised, when the recogniser has come to it."""
    played = scenario(
        """
        The recogniser hears "noon" as "moon"
        The recogniser hears a word 100 ms after it began
        The recogniser needs 500 ms for the last words before a pause
        A pause after "noon" sounds finished to 20 %
        The user speaks 200 ms a word
        at 1 s the user says "is it noon"
        the user was heard saying "is it moon" once
        # 1.6 s, 800 ms of silence, and half a second for the flush
        between 2.88 s and 2.96 s the LLM was asked "is it moon"
    """,
        PLAIN,
    )
    assert len(played.of(Transcribed)) == 1


def test_a_client_that_gives_no_instructions(scenario):
    """The bot waits for the user."""
    scenario(
        """
        The client gives no instructions
        at 1 s the user says "hi"
        the bot replies once
        after 1.5 s the bot says "I see."
    """,
        PLAIN,
    )


def test_instructions_may_change(scenario):
    """The next turn sees them."""
    played = scenario('The bot is told "A"\nat 1 s the bot is told "B"\nat 2 s the user says "hi"', PLAIN)
    assert [started.conversation.system_prompt for started in played.of(ReplyStarted)] == ["A", "B"]


def test_the_network_may_stall(scenario):
    """What was said meanwhile comes late, and in one piece."""
    scenario(
        """
        at 1 s the user says "hello there"
        at 1.1 s the network stalls for 2 s
        between 3.1 s and 3.5 s the user was heard saying "hello there" once
    """,
        PLAIN,
    )


def test_the_machine_may_stall(scenario):
    """Nothing happens for so long, then all that was due."""
    played = scenario(
        'at 1 s the machine stalls for 1 s\nat 1.5 s the user says "hi"\nthe user was heard saying "hi"', PLAIN
    )
    assert not [at_s for at_s, _ in played.events if 1.01 < at_s < 1.99]


def test_a_recogniser_that_fails_ends_the_session(scenario):
    """And the failure has its name."""
    played = scenario('at 1 s the recogniser fails\nby 1 s the conversation has ended\nthe user was told "STT"', PLAIN)
    assert [(failed.stage, failed.fatal) for failed in played.of(StageFailed)] == [("STT", True)]
    assert played.reason.startswith("STT failed")


def test_cues(scenario):
    """What happens relative to what the bot says."""
    scenario(
        """
        The LLM answers "" with "One two three four five six."
        500 ms after the bot says "two" the user says "stop"
        200 ms after the bot says "I see" the client leaves
        by 1.6 s the bot is interrupted
        the conversation has ended
    """,
        PLAIN,
    )


def test_a_client_that_leaves_ends_it(scenario):
    """The request that was under way is closed, slow as that may be."""
    played = scenario(
        """
        The LLM stalls at "hi" after 1 word
        The LLM needs 200 ms to hang up
        at 1 s the user says "hi"
        at 3 s the client leaves
        by 3 s the conversation has ended
        by 3 s the answer to "hi" was cancelled
    """,
        PLAIN,
    )
    assert played.closed_s == pytest.approx(3.2)


def test_models_in_this_process(scenario):
    """The same scenario with threads, boundaries and clips instead of streams."""
    played = scenario(
        """
        The services are models in this process
        The recogniser needs 80 ms for the last words before a pause
        The LLM answers "hello there" with "How are you today? I am fine." after 200 ms, 30 ms a word
        at 2 s the user says "hello there"
        at 3.5 s the user says "what time is it"
        by 5 s the bot is interrupted once
        the LLM was asked "what time is it" once
        the bot says "I see."
    """,
        PLAIN,
    )
    assert [turn.total_ms for turn in played.of(TurnMeasured)] == pytest.approx([630, 440], abs=60)


def test_any_pipeline_can_be_played(scenario, tmp_path):
    """A path, a function, or what the text names; relative to the scenario's own folder."""
    file = tmp_path / "mute.py"
    file.write_text("import reactivex\ndef pipeline(session):\n    return reactivex.never()\n")
    text = 'Mute\n\nThe pipeline is "mute.py"\nat 1 s the user says "hi"\nthe bot never replies\n'
    (tmp_path / "mute.scenario").write_text(text)
    assert scenario(tmp_path / "mute.scenario").events == []
    assert scenario("the bot never replies", str(file)).events == []
    with pytest.raises(PipelineError):
        Scenario("x").play(str(tmp_path / "nothing.py"))


def test_a_pipeline_that_breaks_ends_the_conversation():
    """While it is built, by itself, or by coming to its end."""
    import reactivex

    def broken(_):
        raise ValueError("no")

    assert "no" in Scenario("x").play(broken).reason
    assert (
        Scenario("x").play(lambda _: reactivex.throw(ValueError("why"))).reason == "pipeline failed: ValueError('why')"
    )
    assert Scenario("x").play(lambda _: reactivex.empty()).reason == "the pipeline has completed"


# ---- pytest ----------------------------------------------------------------------------------------------------------


def test_files_are_tests(pytester):
    """Each `*.scenario` file is collected, and a failure is told without a stack trace."""
    text = 'Title\n\nby 1 s the bot has said "Hi!"'
    pytester.makefile(".scenario", good=text, bad=text.replace("Hi", "Ho"), typo=text.replace("has said", "sneezes"))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["*scenario: bad*", 'by 1 s the bot has said "Ho!"', '*but it did not happen; the bot said "Hi!"']
    )
    result.stdout.fnmatch_lines(["*typo.scenario, line 3: no such sentence:"])
    result.stdout.no_fnmatch_line("*Traceback*")
