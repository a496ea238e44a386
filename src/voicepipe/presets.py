"""Measured numbers, each in one place: the parameters of the stages of a conversation.

A pipeline passes a preset to the stages that it is for, and changes what it wants otherwise:

>>> from dataclasses import replace
>>> patient = replace(ENDPOINTING, silence_ms=1200)
>>> patient.silence_ms, patient.pause_ms
(1200, 160)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from voicepipe.text.backchannels import ACKNOWLEDGEMENTS, SHORT_PHRASES
from voicepipe.text.mid_sentence import CLAUSE_OPENERS, OPEN_ENDS

__all__ = [
    "ACKNOWLEDGEMENTS", "CLAUSE_OPENERS", "DEADLINE", "ECHO", "ENDPOINTING", "FILLER", "GAPS", "INTERRUPTION", "MCP",
    "OPENING_RETRY", "OPEN_ENDS", "PLAYBACK", "SHORT_PHRASES", "SPECULATION", "TOOLS", "UTTERANCES", "Deadline",
    "Echo", "Endpointing", "Filler", "Gaps", "Interruption", "Mcp", "Playback", "Retry", "Speculation", "Tools",
    "Utterances",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpointing:
    """Decide where speech starts and stops, and whether the user has finished.

    For `listening` (or `endpoint` and `listen`) and `detect_turns`, which must agree on `sure_above`.

    Args:
        speech_above: a frame with a speech probability above this is speech
        silence_below: a frame with a speech probability below this is silence
        onset_ms: speech starts when it has lasted so long: two frames of Silero, of 32 ms each. A click is shorter.
        pause_ms: speech stops when silence has lasted so long; the end-of-turn model is then asked for the first time
        ask_again_ms: the end-of-turn model is asked again each time the silence has become this much longer. Of 12
            sentences read by people, Smart Turn knew the end of 4 after 200 ms of silence, of 5 after 400 ms and of 7
            after 600 ms.
        silence_ms: so much silence ends a turn whatever the model says
        context_s: the length of the sound that the model is given: Smart Turn was trained on 8 s
        longest_s: a voice without a pause (music, a crowd) ends a turn after so long; one without words is not answered
        sure_above: a pause with a higher probability ends the turn. It is one threshold for three stages: `endpoint`
            asks no more, `listen` flushes the recogniser, `detect_turns` ends the turn.
        resume_below: a pause with a lower probability means that the user speaks on. Between the two thresholds
            nothing changes, so that a wavering probability does not flicker.
        min_words: a turn is confirmed, and interrupts the bot, when it has so many words that are no acknowledgement
        acknowledgements: what a listener says without wanting to speak, in lower case and without punctuation
        unsure_below: words with a lower mean logarithm of probability are unsure
        unsure_words: so many words at most may be an acknowledgement that was misread ("Darted" for "Got it"), or a hum
        alike_within: they are, if an acknowledgement is the likeliest of `Utterances.phrases` for their sound, and less
            likely than what was written by this many nats at most, and by
        unsure_weight: times the negative mean logarithm of their probabilities more. Where no phrases are compared,
            words below `unsure_below` are acknowledgements; a recogniser without probabilities is sure of all.
        clause_openers: words that open a clause behind which another one follows ("if it rains"), in lower case: behind
            such a clause alone a turn ends by `silence_ms` only
        open_ends: words behind which a sentence goes on, in lower case: behind them, too
        scored_ms: a recogniser that scores pauses itself, as Kyutai's does for every 80 ms, interrupts the bot when its
            score has been below `resume_below` for so long: in the step behind the one that holds the reply. Unmute's
            backend interrupts in the first such step, and cannot take it back.
    """

    speech_above: float
    silence_below: float
    onset_ms: float
    pause_ms: float
    ask_again_ms: float
    silence_ms: float
    context_s: float
    longest_s: float
    sure_above: float
    resume_below: float
    min_words: int
    acknowledgements: frozenset[str]
    unsure_below: float
    unsure_words: int
    alike_within: float
    unsure_weight: float
    clause_openers: frozenset[str]
    open_ends: frozenset[str]
    scored_ms: float

    @property
    def flush_at(self) -> float:
        """Return the threshold under its name in `listen`."""
        return self.sure_above

    @property
    def pause_above(self) -> float:
        """Return the threshold under its name in `detect_turns`."""
        return self.sure_above


@dataclass(frozen=True, slots=True)
class Utterances:
    """Recognise speech clip by clip. For `by_utterance`.

    Args:
        margin_ms: so much sound before and after the speech belongs to its clip: without it the first and last words
            are misread
        partial_every_ms: a guess at a growing clip is made so often, if none is under way
        unsure_words: so many words at the end of a guess do not count yet
        voiced_ms: a clip with less voice (`SpeechStopped.voiced_s`) has no words, whatever the recogniser would write
        noise_texts_ms: texts that the recogniser writes for noise, each with the voice from which it is believed
        join_up_to_s: speech that goes on after a pause continues its clip, if that is shorter
        longest_s: longer speech is cut at its quietest moment
        waiting_clips: so many whole clips may wait; then the oldest is dropped
        phrases: what a whole clip of few words is compared with (`WordRecognised.resemblance`), as the recogniser
            spells it: acknowledgements, and what they must not be confused with
        phrase_words: so many words at most are few
        phrases_within: a phrase that is less likely than what was written by more nats is not named
    """

    margin_ms: float
    partial_every_ms: float
    unsure_words: int
    voiced_ms: float
    noise_texts_ms: Mapping[str, float]
    join_up_to_s: float
    longest_s: float
    waiting_clips: int
    phrases: tuple[str, ...]
    phrase_words: int
    phrases_within: float

    def voice_needed_ms(self, words: Sequence[str]) -> float:
        """Return how much voice a clip must have for these words, which are lower case letters, to be believed."""
        noise = [self.noise_texts_ms.get(word, 0.0) for word in words]
        return max(noise, default=0.0) if all(noise) else self.voiced_ms


@dataclass(frozen=True, slots=True)
class Gaps:
    """Put silence where a microphone sends nothing. For `fill_gaps`.

    Args:
        after_ms: how long nothing may come
        at_most_ms: how much silence follows; more than `Endpointing.silence_ms`, so that it ends any turn
    """

    after_ms: float
    at_most_ms: float


@dataclass(frozen=True, slots=True)
class Interruption:
    """Decide what the user's voice and the user's silence do to a reply. For `respond`.

    Args:
        idle_after_s: after so much silence behind a reply the bot speaks again
        idle_prompts: how often in a row it does so at most; 0: never
        uninterruptible_s: in this first part of the session's sound a voice alone does not hold a reply, a word
            interrupts: the client's echo canceller is still learning the bot's voice
        min_voice_ms: a voice holds a reply at once, and interrupts it when it has lasted so long without a word. A
            cough lasts up to half a second, "yeah, sure" 1.1 s, and a VAD notices the end 0.16 s later.
        resume_within_ms: a held reply goes on so long after the voice has stopped, if no word came: a recogniser's
            words come within a third of a second of it
        grace_s: how long the next reply waits for the clean-up of one that was interrupted
    """

    idle_after_s: float
    idle_prompts: int
    uninterruptible_s: float
    grace_s: float
    min_voice_ms: float
    resume_within_ms: float


@dataclass(frozen=True, slots=True)
class Playback:
    """Release the sound of a reply as fast as it is heard. For `pace` and `replying`.

    Args:
        lead_ms: how far ahead of playback sound is sent: four frames, which hide the jitter of a network
        frame_ms: the length of a frame: that of Kyutai's TTS
        kept_lead_ms: the lead for clients that play out what they have, as Unmute's own frontend does: it ignores that
            the user interrupts, so that this much is heard behind the hold. OpenAI's clients drop it.
    """

    lead_ms: float
    frame_ms: float
    kept_lead_ms: float


@dataclass(frozen=True, slots=True)
class Speculation:
    """Begin replies ahead, at a pause that may be the end of the user's turn. For `speculate`.

    Args:
        per_turn: how many replies may be begun ahead and thrown away before one is asked for; 0: none is begun ahead
        held_items: how many items of a reply are held back; one that has more is thrown away
    """

    per_turn: int
    held_items: int


@dataclass(frozen=True, slots=True)
class Deadline:
    """Bound how long a stage may be silent. For `with_deadline`.

    Args:
        first_s: from the request to the first item
        between_s: from each item to the next, and to the end
    """

    first_s: float
    between_s: float


@dataclass(frozen=True, slots=True)
class Filler:
    """Speak while the model has not answered. For `with_filler`.

    Args:
        after_s: the silence before the first filler
        again_s: the time between two fillers
        texts: what is said, in this order, the last one again and again; empty: nothing
    """

    after_s: float
    again_s: float
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tools:
    """Run the functions that a model calls. For `with_tools` and `with_agents`.

    Args:
        deadline_s: the time that each call has
        filler: what the bot says, once a reply, while calls take long; "": nothing
        filler_after_s: how long calls may take before it says so
        rounds: after so many answers with calls, further calls are not run
    """

    deadline_s: float
    filler: str
    filler_after_s: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Mcp:
    """Use the tools of an MCP server. For `McpServer`.

    Args:
        connect_s: how long the server may take to connect and to list its tools
        retry_s: the pause before a lost connection is made again
        longest_result: how many characters of a result the model reads
    """

    connect_s: float
    retry_s: float
    longest_result: int


@dataclass(frozen=True, slots=True)
class Retry:
    """Try once more what has failed before it was heard. For `retrying`.

    Args:
        times: how often
        pause_ms: the first pause; each later one is twice as long
        longest_pause_ms: the bound of a pause
    """

    times: int
    pause_ms: float
    longest_pause_ms: float


@dataclass(frozen=True, slots=True)
class Echo:
    """Decide whether the bot's voice comes back into the microphone. For `cancel_echo`.

    The microphone's sound is correlated with what the client plays.

    Args:
        window_s: so much of the microphone's sound is compared at a time
        hop_s: how often, while the bot speaks
        longest_delay_s: how late the echo may be: the client's buffers, the network, and the room
        correlation: from which correlation on there is an echo
        windows: so many windows in a row, at one delay, find it
        windows_without: so many windows in a row without it end it: the user has put on headphones
    """

    window_s: float
    hop_s: float
    longest_delay_s: float
    correlation: float
    windows: int
    windows_without: int


ENDPOINTING: Final = Endpointing(
    speech_above=0.5,
    silence_below=0.5,
    onset_ms=64,
    pause_ms=160,
    ask_again_ms=200,
    silence_ms=720,
    context_s=8,
    longest_s=30,
    sure_above=0.6,
    resume_below=0.4,
    min_words=1,
    acknowledgements=frozenset[str]().union(*ACKNOWLEDGEMENTS.values()),
    unsure_below=-0.87,
    unsure_words=3,
    alike_within=2.0,
    unsure_weight=3.0,
    clause_openers=frozenset[str]().union(*CLAUSE_OPENERS.values()),
    open_ends=frozenset[str]().union(*OPEN_ENDS.values()),
    scored_ms=80,
)
"""For Silero's VAD and Smart Turn, and for the pauses of Kyutai's recogniser, whose thresholds 0.6 and 0.4 are those of
Kyutai's Unmute. The numbers on unsure words are for Moonshine; `alike_within` and `unsure_weight` were chosen by 323
words that a person said and 216 by voices that `benchmarks.interruptions` does not have."""

UTTERANCES: Final = Utterances(
    margin_ms=200,
    partial_every_ms=320,
    unsure_words=2,
    voiced_ms=60,
    noise_texts_ms={
        **dict.fromkeys(("ah", "eh", "hm", "hmm", "huh", "i", "mm", "oh", "ooh", "so", "the", "uh", "um", "you"), 300),
        **dict.fromkeys(("mmhmm", "okay", "uhhuh", "yeah"), 150),
    },
    join_up_to_s=4,
    longest_s=12,
    waiting_clips=4,
    phrases=SHORT_PHRASES["en"],
    phrase_words=3,
    phrases_within=4.5,
)
"""For Moonshine tiny behind Silero's VAD. Like Whisper, Moonshine writes words for what has none: "You", "Uh?", "Mm."

Measured as `tests/stt/test_noise.py` does, at three levels each: of 936 made noises (clicks, keys, coughs, breath,
knocks, hums …) 88 gave a turn with words without these bounds and 6 do with them, all of them mains hums; of 393 sounds
of desktops and games 40 and 3. Of 432 single words spoken by people 425 are still heard; 6 of the 7 others had been
misread as "Um", "Ah" or "Oh". Of 113 clips of noise that were written as "You", 109 had less than 300 ms of voice; a
spoken "Okay", "Yeah" or "Yes" had 180 ms or more."""

GAPS: Final = Gaps(after_ms=200, at_most_ms=2000)
"""Packets of 20 to 100 ms, which clients send, come well within 200 ms."""

ECHO: Final = Echo(window_s=0.75, hop_s=0.25, longest_delay_s=0.8, correlation=0.25, windows=2, windows_without=16)
"""Measured with synthesised voices in a made room, 50 to 600 ms late and at -6 to -30 dB: all of 64 echoes were found,
0.73 s behind their first sound in the median, 1.06 s at most. Of 320 utterances of other voices over the bot's, 1 was
taken for an echo; with one window 26 were, since the correlation of two voices is 0.25 and more by chance for a moment,
but not twice at one delay."""

INTERRUPTION: Final = Interruption(
    idle_after_s=7.0,
    idle_prompts=3,
    uninterruptible_s=3.0,
    grace_s=0.25,
    min_voice_ms=1200,
    resume_within_ms=350,
)
"""Kyutai's Unmute has the same 7 s of silence, and the same 3 s in which an echo canceller learns."""

PLAYBACK: Final = Playback(lead_ms=320, frame_ms=80, kept_lead_ms=120)
"""Four frames of 80 ms ahead, as in Kyutai's Unmute. Less where the client cannot be told to be silent: with 160 ms the
loudspeaker of Unmute's frontend sounded for 403 ms behind the user's first sound (95th percentile)."""

SPECULATION: Final = Speculation(per_turn=4, held_items=2000)
"""For embedded models, which cost nothing but the time of the processor. The longest answer of a model, of 600 tokens,
has a few more items than words."""

DEADLINE: Final = Deadline(first_s=3, between_s=3)
"""For a TTS: a user takes 3 s of silence for the end of the connection. A language model has `FILLER`."""

FILLER: Final = Filler(
    after_s=2,
    again_s=8,
    texts=("One moment, please.", "I am still thinking about it.", "It takes a little longer."),
)
"""A second before a user takes the silence for the end of the connection. Services answer within one second as a rule;
a reasoning model takes 5 to 20 s, and a local one that has to be loaded 3 to 30 s."""

TOOLS: Final = Tools(deadline_s=8, filler="Let me see.", filler_after_s=0.8, rounds=3)
"""A pause of 0.8 s in a conversation is noticed. Three rounds look something up, change it, and check."""

MCP: Final = Mcp(connect_s=15, retry_s=5, longest_result=8000)
"""A program that `npx` or `uvx` fetches takes several seconds to start. 8000 characters are 2000 tokens: an answer that
is spoken needs no more, and a local model reads them in about a second."""

OPENING_RETRY: Final = Retry(times=1, pause_ms=1000, longest_pause_ms=1000)
"""For the bot's opening, in `replying`: a user that has said nothing does not ask again. A service that restarts behind
a balancer is back within a second."""
