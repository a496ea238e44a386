"""The voice of a session: the client sets it, and so can the pipeline."""

from __future__ import annotations

import asyncio

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops
from reactivex.operators import share

from voicepipe import Conversation, Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import (
    Audio,
    ClientMessage,
    ItemCreated,
    ReplyAudio,
    ReplyRequested,
    ReplyText,
    SettingsChanged,
    SpeechEncoded,
    TurnTaking,
)
from voicepipe.presets import ENDPOINTING, INTERRUPTION, PLAYBACK
from voicepipe.rx import of_type
from voicepipe.stage import Stage
from voicepipe.testing import Marbles, open_session, stages

LOUDNESS = {"": 0.0, "alice": 0.25, "bob": 0.5}
LED = TurnTaking("client", answers=False, interrupts=False)


def tts(conversation: Conversation) -> Stage[ReplyText, ReplyAudio | Event]:
    """Speaks each reply in one packet, as loud as the voice of the conversation."""
    sound = Audio(np.full(240, LOUDNESS[conversation.voice], np.float32), 24_000)
    return lambda words: words.pipe(rx_ops.ignore_elements(), rx_ops.concat(reactivex.just(ReplyAudio(sound))))


def llm(_: Conversation) -> Observable[str | Event]:
    return reactivex.just("Yes.")


def pipeline(session: Session) -> Observable[Event]:
    """Speaks as Bob once the user has written his name."""
    heard = session.received.pipe(ops.decode(session.codec), ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
    named = turns.pipe(of_type(ItemCreated), rx_ops.filter(lambda item: "Bob" in item.text))
    voices = named.pipe(rx_ops.map(lambda _: SettingsChanged(voice="bob")))
    reply = ops.replying(session.llm, session.tts, PLAYBACK)
    spoken = merge(voices, turns).pipe(ops.respond(reply, INTERRUPTION))
    return merge(heard, spoken).pipe(ops.encode(session.codec))


def loudness(marbles: Marbles, *sent: ClientMessage) -> list[float]:
    """Return how loud the sound of each reply was: its voice."""

    async def talk() -> list[SpeechEncoded]:
        async with open_session(pipeline, stages=stages(llm=llm, tts=tts)) as opened:
            for message in sent:
                opened.receive(message)
                await asyncio.sleep(1)
            return opened.of(SpeechEncoded)

    sound = [np.frombuffer(event.data, "<i2") for event in marbles.run(talk())]
    return [round(float(samples.max()) / 32768, 2) for samples in sound]


ALICE = SettingsChanged("Hi.", voice="alice", turns=LED)
BOB = ItemCreated("item1", "user", "Bob?")
ASK = ReplyRequested()


def test_the_client_sets_the_voice(marbles: Marbles) -> None:
    """Of all replies, or of one."""
    assert loudness(marbles, ALICE, ASK, ReplyRequested(voice="bob"), ASK) == [0.25, 0.5, 0.25]


def test_a_pipeline_that_emits_settings_changes_the_voice_of_its_next_reply(marbles: Marbles) -> None:
    """And of those that follow."""
    assert loudness(marbles, ALICE, ASK, BOB, ASK, ASK) == [0.25, 0.5, 0.5]
