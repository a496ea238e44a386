"""Effects of sounds over a talking bot: how often it is wrongly cut, wrongly not cut, or answers too early.

The default pipeline on the embedded models, in virtual time. Each sound has a conversation of its own, in which it
begins 3.4 to 5 s into the bot's opening: past the first 3 s, in which only words count. The sounds:

- *coughs* and *noises*: made of noise, sines and envelopes, at three levels; the sounds of desktops, where the
  packages `sound-icons` and `sound-theme-freedesktop` are installed. They must not cut the reply.
- *acknowledgements*: "okay", "I see", … by all voices, "Yes." by two actors, and a made "mhm", since synthesisers
  spell it. They must not cut it either.
- *echo*: the bot's own voice, 50 to 400 ms late and 6 to 30 dB softer. It must not cut it.
- *interruptions*: "stop", "wait", "no", "but …", questions, by all voices; sentences of people, and the words of the
  loudspeaker tests of `alsa-utils`. They must. *Interruptions over an echo* must, too.

The voices are the embedded one, and those of `flite` and `espeak-ng`, where these commands are.

**Wrongly cut** are the sounds that must not cut the reply and did, **wrongly ignored** those that must, and had not
1.5 s after their end. The sounds of each kind are numbered: the odd ones and the even ones are told apart, so that
numbers that were chosen by one half are judged by the other.

**Early** answers are those of which a sound is sent before the user's last loud sample, in turns while the bot is
silent: people's sentences with their pauses, and synthesised ones of which one pause is drawn out to 0.3 or 0.5 s. The
language model begins 0.2 s after it was asked. What was chosen by the first four voices is judged by the others.

    python -m benchmarks interruptions            about 370 sounds and 70 turns, ten minutes
    python -m benchmarks interruptions --quick    a sixth
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import (
    SUMMARY,
    Budget,
    Cell,
    Progress,
    Report,
    Table,
    command,
    recording,
    summary,
    utterances,
)
from benchmarks.common.noises import NOISES
from benchmarks.common.room import RATE_HZ, Room, converse, embedded_engine
from benchmarks.common.speech import loud_pieces
from benchmarks.common.voices import speakers
from voicepipe.client import read_recording
from voicepipe.engine.build import ComposedEngine
from voicepipe.events import ReplyInterrupted, Samples, SpeechEncoded, TurnEnded

WRONGLY_CUT, WRONGLY_IGNORED, EARLY = 0.03, 0.03, 1 / 30
QUICK_EVERY = 6
FIRST_S, LAST_S = 3.7, 5.3
"""On the session's clock, when a sound begins: the bot's first sound comes at about 0.3 s."""
WATCHED_S = 1.5
THINKS_S = 0.2
HESITATES_S = (0.3, 0.5)
SILENT_DB = -200.0
SOFT_DB, LOUD_DB = -20.0, -6.0
LEVELS_DB = (-24.0, -12.0, -2.0)
COUGHS, OF_A_NOISE, HUMS = 8, 1, 8
ACKNOWLEDGEMENTS = (
    *("Okay.", "Yeah.", "Right.", "I see.", "Sure.", "Got it.", "Yes.", "Yeah, sure.", "Oh, okay.", "Exactly."),
)
INTERRUPTIONS = (
    *("Stop.", "No.", "Wait.", "Hold on.", "But why?", "Excuse me.", "What about Sunday?", "Stop talking, please."),
    *("No, that is wrong.", "I have a question.", "Okay, but what about London?", "Can you say that again?"),
)
HESITATIONS = (
    *("I would like to book a table, for four people on Friday.", "If it rains tomorrow, what shall we do?"),
    *("When I was a child, we lived by the sea.", "I think that the red one, no, the blue one is better."),
    *("My number is five five one, two four six eight.", "After the meeting on Friday, I will call my sister."),
)
_ECHOES = tuple((delay_s, gain_db) for delay_s in (0.05, 0.2, 0.4) for gain_db in (-6.0, -12.0, -20.0, -30.0))
_SOUNDS = (Path("/usr/share/sounds/freedesktop/stereo"), Path("/usr/share/sounds/sound-icons"))
_SPOKEN = (Path("/usr/share/sounds/alsa"), Path("/usr/share/sounds/freedesktop/stereo"))
_LONGEST_S = 3.0
_YES = ((1.4, 2.2), (3.8, 4.7))
"""The times at which actors say "Yes." in `endgame_nagg_nell`, in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A sound over the bot, and whether it must cut it; with an echo of the bot's voice, if there is one."""

    kind: str
    name: str
    sound: Samples
    cuts: bool
    echo: tuple[float, float] = (0.2, SILENT_DB)


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of a case: when the reply was cut, in ms from the first sample of the sound; None if it was not."""

    case: Case
    half: int
    cut_ms: float | None
    heard: str

    @property
    def wrong(self) -> bool:
        return self.case.cuts != (self.cut_ms is not None)


# ---- the sounds ------------------------------------------------------------------------------------------------------


def cases() -> Iterator[Case]:
    """Yield all sounds of this machine."""
    yield from _noises()
    yield from _desktop()
    yield from _hums()
    yield from _spoken()
    yield from _people()
    for delay_s, gain_db in _ECHOES:
        yield Case("echo", f"{delay_s} s, {gain_db:g} dB", np.zeros(1, np.float32), False, (delay_s, gain_db))


def _noises() -> Iterator[Case]:
    for name, make in NOISES.items():
        for number in range(COUGHS if name == "cough" else OF_A_NOISE):
            for level_db in LEVELS_DB:
                sound = make(np.random.default_rng(number)).astype(np.float32)
                kind = "cough" if name == "cough" else "noise"
                yield Case(kind, f"{name} {number} at {level_db:g} dB", at_level(sound, level_db), False)


def _hums() -> Iterator[Case]:
    for number in range(HUMS):
        sound = hum(np.random.default_rng(number))
        for level_db in (LOUD_DB, SOFT_DB):
            yield Case("acknowledgement, hummed", f"mhm {number} at {level_db:g} dB", at_level(sound, level_db), False)


def hum(rng: np.random.Generator) -> Samples:
    """Return "mhm": a voice through a closed mouth, twice, the second time higher, with a breath between."""
    pitch_hz, rise = rng.uniform(90, 220), rng.uniform(1.05, 1.3)
    lengths_s = rng.uniform(0.12, 0.2), rng.uniform(0.04, 0.09), rng.uniform(0.18, 0.35)
    low, high = _nasal(pitch_hz, lengths_s[0]), _nasal(pitch_hz * rise, lengths_s[2])
    breath = 0.02 * rng.standard_normal(round(lengths_s[1] * RATE_HZ))
    return np.concatenate([low, breath, high]).astype(np.float32)


def _nasal(pitch_hz: float, seconds: float) -> Samples:
    """Return overtones that fall by 12 dB an octave above the resonance of a nose, at 250 Hz."""
    at_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    overtones = np.arange(1, int(3000 / pitch_hz) + 1)
    gains = 1 / (1 + (overtones * pitch_hz / 250) ** 2)
    voice = sum(gain * np.sin(2 * np.pi * pitch_hz * one * at_s) for one, gain in zip(overtones, gains, strict=True))
    return voice * np.minimum(1, np.minimum(at_s, at_s[::-1]) / 0.03)


def _desktop() -> Iterator[Case]:
    files = [file for folder in _SOUNDS for file in sorted(folder.glob("*.*")) if not _is_spoken(file)]
    for file in files:
        sound = read_recording(file, RATE_HZ)
        if np.abs(sound).max() > 0 and not file.is_symlink() and len(sound) <= _LONGEST_S * RATE_HZ:
            yield Case("desktop sound", file.name, at_level(sound, LOUD_DB), False)


def _is_spoken(file: Path) -> bool:
    return file.suffix not in {".wav", ".oga"} or file.name.startswith("audio-channel")


def _spoken() -> Iterator[Case]:
    for number, (name, speak) in enumerate(speakers().items()):
        level_db = (LOUD_DB, SOFT_DB)[number % 2]
        for text in ACKNOWLEDGEMENTS:
            yield Case("acknowledgement", f"{name}: {text}", at_level(speak(text), level_db), False)
        for place, text in enumerate(INTERRUPTIONS):
            sound = at_level(speak(text), level_db)
            yield Case("interruption", f"{name}: {text}", sound, True)
            if place % 6 == number % 6:
                echo = _ECHOES[(number + place) % len(_ECHOES)]
                yield Case("interruption over an echo", f"{name}: {text}", at_level(sound, LOUD_DB), True, echo)


def _people() -> Iterator[Case]:
    for start_s, stop_s in _YES:
        sound = recording("endgame_nagg_nell")[round(start_s * RATE_HZ) : round(stop_s * RATE_HZ)]
        for level_db in (LOUD_DB, SOFT_DB):
            yield Case("acknowledgement", f"an actor at {start_s} s: Yes.", at_level(sound, level_db), False)
    for number, one in enumerate(utterances()):
        sound = at_level(one.samples, (LOUD_DB, SOFT_DB)[number % 2])
        yield Case("interruption, a person", one.name, sound, True)
    for folder in _SPOKEN:
        for file in (
            one for one in sorted(folder.glob("*[_-]*t*.*")) if "channel" in one.name or folder.name == "alsa"
        ):
            yield Case("interruption, a person", file.name, at_level(read_recording(file, RATE_HZ), LOUD_DB), True)


def at_level(sound: Samples, peak_db: float) -> Samples:
    """Return a sound with its peak at a level of full scale."""
    return (sound / np.abs(sound).max() * 10 ** (peak_db / 20)).astype(np.float32)


def turns() -> Iterator[tuple[str, Samples]]:
    """Yield what users say while the bot is silent."""
    for one in utterances():
        if not one.name.startswith("beckett"):  # whole sentences with up to 0.9 s between them, which are turns
            yield one.name, one.samples
    for name, speak in speakers().items():
        for number, text in enumerate(HESITATIONS):
            yield f"{name}: {text}", at_level(_hesitating(speak(text), HESITATES_S[number % 2]), LOUD_DB)


def _hesitating(sound: Samples, seconds: float) -> Samples:
    """Return a sentence with its longest pause drawn out: within it the voice is as it was."""
    pieces = loud_pieces(sound, pause_s=0.03)
    if len(pieces) == 1:
        return sound
    _, at = max((after[0] - before[1], before[1]) for before, after in pairwise(pieces))
    longest = max(after[0] - before[1] for before, after in pairwise(pieces))
    return np.insert(sound, at, np.zeros(max(0, round(seconds * RATE_HZ) - longest), np.float32))


# ---- the run ---------------------------------------------------------------------------------------------------------


def run(progress: Progress, *, quick: bool) -> Report:
    """Play all of them."""
    every = list(cases())[:: QUICK_EVERY if quick else 1]
    said = list(turns())[:: QUICK_EVERY if quick else 1]
    with embedded_engine() as engine:
        judged: list[Judged] = []
        for number, case in enumerate(every):
            progress(case.kind, number, len(every))
            judged.append(_judged(engine, case, number % 2))
        early: list[tuple[str, float | None]] = []
        for number, (name, sound) in enumerate(said):
            progress("turns", number, len(said))
            early.append((name, _answered_ms(engine, sound)))
    return _report(judged, early)


def _judged(engine: ComposedEngine, case: Case, half: int) -> Judged:
    chance = np.random.default_rng(len(case.sound))
    at_s = chance.uniform(FIRST_S, LAST_S)
    until_s = at_s + len(case.sound) / RATE_HZ + WATCHED_S
    talk = converse(engine, Room(*case.echo), until_s, case.sound, at_s)
    cuts = [when for when in talk.when(ReplyInterrupted) if case.kind == "echo" or when >= at_s]
    heard = " | ".join(event.text for event in talk.events if isinstance(event, TurnEnded))
    return Judged(case, half, (cuts[0] - at_s) * 1000 if cuts else None, heard)


def _answered_ms(engine: ComposedEngine, sound: Samples) -> float | None:
    """Return from the user's last loud sample to the answer's first sound; None without an answer."""
    starts_s = 0.5
    talk = converse(
        engine,
        Room(0.2, SILENT_DB),
        starts_s + len(sound) / RATE_HZ + 2,
        sound,
        starts_s,
        opens=False,
        thinks_s=THINKS_S,
    )
    sounds = talk.when(SpeechEncoded)
    return (sounds[0] - starts_s - loud_pieces(sound)[-1][1] / RATE_HZ) * 1000 if sounds else None


# ---- what it comes to ------------------------------------------------------------------------------------------------


def _report(judged: Sequence[Judged], answers: Sequence[tuple[str, float | None]]) -> Report:
    kinds = list(dict.fromkeys(one.case.kind for one in judged))
    early = [name for name, answered_ms in answers if answered_ms is not None and answered_ms < 0]
    rows = [row for kind in kinds for row in [_row(kind, [one for one in judged if one.case.kind == kind])]]
    cutting = [one.cut_ms for one in judged if one.case.cuts and one.cut_ms is not None]
    answered = [took_ms for _, took_ms in answers if took_ms is not None and took_ms >= 0]
    return Report(
        "interruptions",
        "Sounds over a talking bot",
        tables=[
            Table("Judged wrongly", ("kind", "sounds", "odd", "even", "wrong"), rows),
            Table(
                "Milliseconds",
                ("from … to …", *SUMMARY),
                [["the sound's beginning → cut", *summary(cutting)], ["the turn's end → answer", *summary(answered)]],
            ),
            Table("Turns", ("spoken by", "turns", "early"), _turns(answers)),
        ],
        budgets=[
            *_budgets("wrongly cut", [one for one in judged if not one.case.cuts], WRONGLY_CUT),
            *_budgets("wrongly ignored", [one for one in judged if one.case.cuts], WRONGLY_IGNORED),
            Budget("early answers", len(early) / max(1, len(answers)), EARLY, "of the turns"),
        ],
        notes=[
            *(f"wrong: {one.case.kind}, {one.case.name}: {one.heard!r}" for one in judged if one.wrong),
            *(f"early: {name}" for name in early),
            *(f"never answered: {name}" for name, answered_ms in answers if answered_ms is None),
        ],
        raw=[*map(_raw, judged), *({"turn": name, "answered_ms": answered_ms} for name, answered_ms in answers)],
    )


def _turns(answers: Sequence[tuple[str, float | None]]) -> list[list[Cell]]:
    """Return how many turns were answered early, by who spoke them."""
    voices = list(speakers())
    spoken_by = {
        "people": [answered_ms for name, answered_ms in answers if ":" not in name],
        "the first four voices": [answered_ms for name, answered_ms in answers if name.split(":")[0] in voices[:4]],
        "the other voices": [answered_ms for name, answered_ms in answers if name.split(":")[0] in voices[4:]],
    }
    return [
        [by, len(times_ms), sum(answered_ms is not None and answered_ms < 0 for answered_ms in times_ms)]
        for by, times_ms in spoken_by.items()
    ]


def _row(kind: str, found: Sequence[Judged]) -> list[Cell]:
    odd, even = (sum(one.wrong for one in found if one.half == half) for half in (1, 0))
    return [kind, len(found), odd, even, f"{100 * (odd + even) / len(found):.1f} %"]


def _budgets(name: str, found: Sequence[Judged], limit: float) -> list[Budget]:
    halves = {"": found, ", odd": [one for one in found if one.half], ", even": [one for one in found if not one.half]}
    return [
        Budget(name + half, 100 * sum(one.wrong for one in part) / max(1, len(part)), 100 * limit, "%")
        for half, part in halves.items()
    ]


def _raw(one: Judged) -> dict[str, Any]:
    return {
        "kind": one.case.kind,
        "name": one.case.name,
        "half": one.half,
        "cut_ms": one.cut_ms,
        "wrong": one.wrong,
        "heard": one.heard,
    }


if __name__ == "__main__":
    sys.exit(command("interruptions", run, __doc__))
