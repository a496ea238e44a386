"""Noise gives no turn with words, and one word does: the whole embedded recogniser, measured by counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.common.noises import NOISES, RATE_HZ
from examples import IN_CI
from reactivex.subject import Subject

from voicepipe.boundary.workers import Outcome, Priority, Ticket
from voicepipe.client import read_recording
from voicepipe.engine.local import LocalStt, load_local
from voicepipe.events import Audio, Event, Samples, TurnEnded
from voicepipe.operators import detect_turns, listening
from voicepipe.presets import ENDPOINTING
from voicepipe.rx import LoopScheduler
from voicepipe.tts.hibari import Hibari
from voicepipe.weights import registry

pytestmark = pytest.mark.models

ANSWERS = (
    "yes no okay yeah stop hi hello sure right left what who why how when please thanks wait go maybe never now here"
    " one two three four five six seven nine ten true false red blue"
)


class Now:
    """Workers that do all their work when they are told to, without threads; and make no guesses."""

    def __init__(self) -> None:
        self._jobs: list[Callable[[], object]] = []

    def submit(self, work: Any, done: Any, *, priority: Priority = Priority.TURN, what: str = "") -> Ticket:
        ticket = Ticket()
        if priority is not Priority.PARTIAL:
            self._jobs.append(lambda: ticket.cancelled or done(Outcome(work(ticket))))
        return ticket

    def work(self) -> None:
        while self._jobs:
            self._jobs.pop(0)()


class Recogniser:
    """Silero, endpointing, Smart Turn, Moonshine and turns, as in the default pipeline."""

    def __init__(self, models: LocalStt) -> None:
        self._models = models

    def turns(self, sound: Samples, *, packet_ms: int = 20, by_meaning: bool = True) -> list[str]:
        """The texts of the turns in a sound, with a second of silence behind it."""
        sound = np.concatenate([sound, np.zeros(RATE_HZ, np.float32)])
        events = self._events(sound, packet_ms, by_meaning=by_meaning)
        return [turn.text for turn in events if isinstance(turn, TurnEnded) and turn.text]

    def _events(self, sound: Samples, packet_ms: int, *, by_meaning: bool) -> list[Event]:
        workers: Any = Now()
        smart_turn = self._models.smart_turn if by_meaning else None
        recogniser = replace(self._models, smart_turn=smart_turn, pool=workers).open().stage
        out: list[Event] = []
        source: Subject[Any] = Subject()
        loop, size = asyncio.new_event_loop(), packet_ms * RATE_HZ // 1000
        try:
            with source.pipe(listening(recogniser, ENDPOINTING), detect_turns(ENDPOINTING)).subscribe(
                out.append, scheduler=LoopScheduler(loop)
            ):
                for at in range(0, len(sound), size):
                    source.on_next(Audio(sound[at : at + size], RATE_HZ))
                    workers.work()
        finally:
            loop.close()
        return out


@pytest.fixture(scope="module")
def recogniser() -> Iterator[Recogniser]:
    if registry.missing():
        pytest.skip("needs the embedded models: voicepipe models fetch")
    parts = load_local(["stt"], sessions=1, progress=lambda _: None)
    assert parts.stt is not None
    yield Recogniser(parts.stt)
    parts.close()


def in_a_room(sound: Samples, level_db: float, number: int) -> Samples:
    """The sound with its peak at that level of full scale, and noise of -70 dB around it."""
    rng = np.random.default_rng(number)
    before = round(rng.uniform(0.6, 0.9) * RATE_HZ)
    room = rng.standard_normal(before + len(sound) + RATE_HZ // 2) * 10 ** (-70 / 20)
    room[before : before + len(sound)] += sound / np.abs(sound).max() * 10 ** (level_db / 20)
    return room.astype(np.float32)


def test_the_noise_behind_a_reading_is_no_turn(recogniser: Recogniser, recordings: Path) -> None:
    """At 42.9 s something clicks, and Moonshine writes "You"; at other levels and places in the VAD's frames, too."""
    tail = read_recording(recordings / "two_cities.wav")[int(41.9 * RATE_HZ) :]
    for gain in (0.5, 1, 2, 4):
        for shift in range(0, 768, 96):
            sound = np.concatenate([np.zeros(RATE_HZ + shift, np.float32), tail * np.float32(gain)])
            assert recogniser.turns(sound) == [], (gain, shift)


@pytest.mark.parametrize("kind", NOISES)
def test_noise_is_no_turn(recogniser: Recogniser, kind: str) -> None:
    """Of 24 sounds of a kind, from soft to as loud as it goes, at most one is taken for words; of buzzes, which have
    the spectrum of a voice, at most three."""
    taken = [
        words
        for number in range(8)
        for level_db in (-24, -12, -2)
        if (words := recogniser.turns(in_a_room(NOISES[kind](np.random.default_rng(number)), level_db, number)))
    ]
    assert len(taken) <= (3 if kind == "buzz" else 1), taken


def test_one_word_is_a_turn(recogniser: Recogniser) -> None:
    """Spoken by a synthesiser, softly and loudly: at least 97 of 100 are heard."""
    hibari, said, lost = Hibari(), 0, list[tuple[str, int]]()
    for number, word in enumerate(ANSWERS.split()[:: 1 if IN_CI else 3]):
        sound = hibari.synthesise(f"{word.capitalize()}.")
        for level_db in (-6, -26):
            said += 1
            lost += [] if recogniser.turns(in_a_room(sound, level_db, number)) else [(word, level_db)]
    assert len(lost) <= 0.03 * said, lost


@pytest.mark.parametrize(("start_s", "stop_s"), [(1.4, 2.2), (3.8, 4.7), (12.0, 12.6), (19.3, 20.2)])
def test_one_word_of_a_person_is_a_turn(
    recogniser: Recogniser, recordings: Path, start_s: float, stop_s: float
) -> None:
    """ "Yes.", "Yes.", "No," and "Laughed", spoken and whispered by two actors."""
    sound = read_recording(recordings / "endgame_nagg_nell.wav")[int(start_s * RATE_HZ) : int(stop_s * RATE_HZ)]
    for level_db in (-6, -14, -26):
        assert len(recogniser.turns(in_a_room(sound, level_db, 0))) == 1, level_db


def test_packets_change_nothing(recogniser: Recogniser, recordings: Path) -> None:
    """Not what is believed, either. Silence ends the turns here: what a model says in time depends on the time."""
    sounds = [in_a_room(NOISES["cough"](np.random.default_rng(number)), -2, number) for number in range(4)]
    sounds.append(read_recording(recordings / "endgame_nagg_nell.wav")[: 5 * RATE_HZ])
    for sound in sounds:
        live, *others = (
            recogniser.turns(sound, packet_ms=packet_ms, by_meaning=False) for packet_ms in (20, 7, 85, 1000)
        )
        assert others == [live] * 3
