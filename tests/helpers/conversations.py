"""Whole conversations to be played: what each one shows is its title."""

from voicepipe.testing import Scenario

__all__ = ["CONCIERGE", "DEFAULT"]

COUNTED = (
    "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen."
)

# fmt: off
DEFAULT = [
    (
        Scenario("A word stops the voice at once, and the history keeps what was heard")
        .llm("hello there", "How are you today?", after_s=0.2, word_s=0.03)
        .llm("what time is it", "It is noon.", after_s=0.3)
        .recogniser_needs(word_s=0.5)
        .at(2).user_says("hello there")
        .at(3.3).user_says("what time is it")
        .by(3.2).bot_says("How")
        # In the reply's first three seconds a voice may be an echo: it takes a word, which comes 500 ms after it began.
        .between(3.8, 3.83, times=1).bot_is_interrupted()
        .silent(3.83, 5)
        .never().bot_says("today?")
        .remembers("assistant", "How are you—")
        .by(7).bot_says("It is noon.")
        .ever(times=3).bot_replies()
        .ever(times=2).bot_finishes()
    ),
    (
        Scenario("A cough is no turn: nothing is answered, and the conversation goes on")
        .at(2).user_coughs()
        .at(4).user_says("hello there")
        .ever(times=1).llm_is_asked("")
        .by(7).user_is_heard_saying("hello there")
        .ever(times=2).bot_replies()
        .by(7).bot_says("I see.")
    ),
    (
        Scenario("A reply to a silent user is not an answer, and its latency is not measured")
        # measure_turns counts from the cough before it: 8 s.
        .llm("...", "Are you there?")
        .at(2).user_coughs()
        .between(7.4, 7.6, times=1).llm_is_asked("...")
        .by(11).bot_says("Are you there?")
    ),
    (
        Scenario("A word interrupts the bot after a cough, too")
        # The recogniser had settled that the cough was no word, and the first word then did not count as the turn's
        # first: the bot spoke on until the user had finished.
        .in_process()
        .llm("", "Let me see, that is a long story, and it begins at sea.", after_s=0.1)
        .recogniser_needs(flush_s=0.3)
        .after_bot_says("Let", 0).user_coughs()
        .at(0.54).user_says("stop it please I have heard that story")
        .by(1.6, times=1).bot_is_interrupted()
    ),
    (
        Scenario("A cough before the bot's first word does not cost the user the greeting")
        # The opening was cut and nobody was greeted until the nudge, seven seconds later.
        .llm("", "Hi!", after_s=0.5)
        .at(0.1).user_coughs()
        .by(0.3, times=1).bot_is_interrupted()
        .between(0.6, 2, times=1).bot_says("Hi!")
        .ever(times=2).bot_replies()
    ),
    (
        Scenario("The bot hangs up when its farewell has been played")
        .llm("see you", "Take care. Bye!")
        .tts(delay_s=0.06, word_s=0.3)
        .at(2).user_says("see you")
        .by(3.9).bot_says("Take care. Bye!")
        .speaking(3.2, 3.8)
        .after(3.8, times=1).bot_hangs_up()
        .by(4.1).conversation_ends()
    ),
    (
        Scenario("A pause that does not sound like an end gets some time; what is said after it is of the same turn")
        .llm("hello there what time is it", "It is noon.")
        .pause_sounds_finished(0.2)
        .at(2).user_says("hello there")
        .at(3.2).user_says("what time is it")
        .never().user_is_heard_saying("hello there")
        .between(5, 5.3, times=1).user_is_heard_saying("hello there what time is it")
        .by(7).bot_says("It is noon.")
    ),
    (
        Scenario("A voice holds a reply at once, and a word interrupts it")
        .llm("", COUNTED)
        .llm("stop please now", "Hi!")
        .tts(delay_s=0.06, word_s=0.3)
        .at(5).user_says("stop please now")
        # The VAD hears the voice after 80 ms. By then 320 ms of sound were sent ahead, and no more is sent.
        .between(5.4, 5.55, times=1).bot_is_interrupted()
        .silent(5.42, 6)
        .by(7).bot_says("Hi!")
    ),
    (
        Scenario("A failing LLM fails its turn only, and the user is told")
        .llm("hello there", "How are you today?", after_s=0.1, word_s=0.1)
        .llm_fails("hello there", words=2)
        .llm("what time is it", "It is noon.")
        .at(2).user_says("hello there")
        .at(5).user_says("what time is it")
        .ever(times=1).service_fails()
        .by(4).user_is_told("language model (LLM) failed")
        .ever().bot_says("How")
        .ever(times=3).bot_replies()
        .ever(times=3).bot_finishes()
        .by(9).bot_says("It is noon.")
        .never().conversation_ends()
    ),
    (
        Scenario("A busy machine is not a silent user: what they said meanwhile is still on its way")
        .pause_sounds_finished(0.9, after_s=0)
        .at(2).user_says("well I wanted to ask you something")
        # 300 ms late, the timer that fills gaps took the sound in the socket for missing, and the turn ended here.
        .at(2.91).machine_stalls(0.45)
        .ever(times=1).user_is_heard_saying("well I wanted to ask you something")
        .ever(times=2).bot_replies()
    ),
    (
        Scenario("Muted while speaking: no frame comes any more, and the turn ends all the same")
        .at(2).user_says("hello there")
        .at(2.5).microphone_is_muted()
        .by(4, times=1).user_is_heard_saying("hello there")
        .by(5).bot_says("I see.")
    ),
    (
        Scenario("A user who says nothing is asked three times, seven seconds after each reply")
        .llm("", "Hi!")
        .llm("hello there", "How are you today?", after_s=0.2)
        .llm("...", "Are you there?", after_s=0.1)
        .lasts(60)
        .at(2).user_says("hello there")
        # The reply is over at about 4.3 s.
        .between(11.2, 11.4, times=1).llm_is_asked("...")
        .between(11.4, 12.5, times=1).bot_says("Are you there?")
        .ever(times=3).llm_is_asked("...")
        .ever(times=3).bot_says("Are you there?")
        .ever(times=5).bot_replies()
        .ever(times=5).bot_finishes()
    ),
    (
        Scenario("The bot opens, and each turn is answered once, promptly")
        .llm("", "Hi!", after_s=0.1)
        .llm("hello there", "How are you today?", after_s=0.2)
        .llm("what time is it", "It is noon.", after_s=0.3)
        .tts(delay_s=0.06, word_s=0.3)
        .pause_sounds_finished(0.9, after_s=0.06)
        .at(2).user_says("hello there")
        .at(6).user_says("what time is it")
        .speaking(0.16, 0.46)
        .by(1).bot_says("Hi!")
        .between(2.6, 5, times=1).user_is_heard_saying("hello there")
        .silent(2, 3.1)
        # 200 ms of silence, 60 ms for the verdict, 200 ms to the first token, 60 ms for the voice
        .speaking(3.12, 4.3)
        .by(5).bot_says("How are you today?")
        .ever(times=1).user_is_heard_saying("what time is it")
        .by(9).bot_says("It is noon.")
        # the second turn waits 300 ms for its first token
        .answers_within(0.64)
        .ever(times=3).bot_replies()
        .ever(times=3).bot_finishes()
        .never().bot_is_interrupted()
        .never().service_fails()
        # what the LLM is told next
        .remembers("assistant", "Hi!")
        .remembers("user", "hello there")
        .remembers("assistant", "How are you today?")
        .remembers("user", "what time is it")
    ),
    (
        Scenario("A request is closed when its reply is interrupted: words that are not heard are not paid for")
        .llm("hello there", "How are you?")
        .llm_stalls("hello there", words=2)
        .at(2).user_says("hello there")
        .at(4).user_says("what time is it")
        .by(4.6).answer_is_cancelled("hello there")
        .never().answer_is_cancelled("what time is it")
        .by(7).bot_says("I see.")
    ),
    (
        Scenario("A failing TTS fails its turn only, and what was heard of the reply stays in the history")
        .llm("hello there", "How are you today?")
        .llm("what time is it", "It is noon.")
        .tts_fails(at="you")
        .at(2).user_says("hello there")
        .at(5).user_says("what time is it")
        .ever(times=1).service_fails()
        .by(4).user_is_told("speech synthesis (TTS) failed")
        .never().bot_says("today?")
        .ever(times=3).bot_replies()
        .ever(times=3).bot_finishes()
        .by(9).bot_says("It is noon.")
    ),
    (
        Scenario("A word so short that only the recogniser notices it still takes the floor, and has to give it back")
        # No voice was noticed, so no pause is: the turn that the word began ends with the next pause that is noticed.
        .unchecked("silence is bounded")
        .user_speaks(0.06)
        .lasts(20)
        .at(2).user_says("oh")
        .never().user_is_heard_saying("oh")
        .ever(times=1).bot_replies()
    ),
]

CONCIERGE = [
    (
        Scenario("Who speaks while a function runs is answered, and its result is kept")
        .llm_calls("a table for two", "free_tables", {"people": 2})
        .llm("never mind", "As you wish.")
        .at(2).user_says("a table for two")
        .at(4.2).user_says("never mind")
        .ever(times=1).bot_calls("free_tables")
        .ever(times=1).function_returns("free_tables")
        .ever(times=1).bot_is_interrupted()
        .by(6).bot_says("As you wish.")
        .never().service_fails()
    ),
    (
        Scenario("A table is booked: the model calls functions, one after the other")
        .llm_calls("a table for two", "free_tables", {"people": 2}, says="One moment please")
        .llm_calls('["18:30","20:15"]', "book_table", {"at": "20:15", "people": 2})
        .llm("a table for 2 at 20:15 is booked", "It is yours.")
        .llm("thanks", "You are welcome.")
        .at(2).user_says("a table for two")
        .at(9).user_says("thanks")
        .by(4.5).bot_says("One moment please")
        .by(5.5, times=1).bot_says("Let me see.")
        .ever(times=1).bot_calls("free_tables")
        .after(4, times=1).function_returns("free_tables")
        .ever(times=1).bot_calls("book_table")
        .ever().llm_is_asked('["18:30","20:15"]')
        .never().bot_calls("today")
        .remembers("assistant", "One moment please Let me see. It is yours.")
        .by(11).bot_says("You are welcome.")
        .never().service_fails()
    ),
]
# fmt: on
