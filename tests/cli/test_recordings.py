"""The commands of an operator: list recordings, show, replay and export one."""

from __future__ import annotations

import json
import os
import shutil
import wave
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from voicepipe.cli import main
from voicepipe.events import Audio, ReplyAudio, TurnEnded
from voicepipe.recording.file import MAGIC, Framer
from voicepipe.recording.records import Emitted, Header, SessionClosed, SessionStarted, SoundDecoded

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


# ---- recordings ------------------------------------------------------------------------------------------------------


def test_recordings_are_listed_with_what_went_badly(talk_with_sound: Path, capsys) -> None:
    """Turns, latencies, and how it ended; as JSON, too."""
    code, out, _ = run(capsys, "recordings", talk_with_sound.parent)
    assert code == 0
    assert talk_with_sound.name in out
    assert "the client left" in out
    code, out, _ = run(capsys, "recordings", talk_with_sound.parent, "--json")
    (listed,) = map(json.loads, out.splitlines())
    assert (listed["session"], listed["turns"], listed["failures"], listed["sound"]) == ("sess_test", 2, 0, True)
    assert listed["latency_longest_ms"] == pytest.approx(160, abs=20)


def test_the_worst_comes_first(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """A file that cannot be read is named, and comes last."""
    shutil.copy(talk_with_sound, tmp_path / "a.recording")
    (tmp_path / "z.recording").write_bytes(b"")
    _, out, _ = run(capsys, "recordings", tmp_path, "--json")
    assert [Path(json.loads(line)["file"]).name for line in out.splitlines()] == ["z.recording", "a.recording"]
    _, out, _ = run(capsys, "recordings", tmp_path, "--json", "--worst", "latency")
    names = [Path(json.loads(line)["file"]).name for line in out.splitlines()]
    assert names == ["a.recording", "z.recording"]
    assert "is empty: the server was killed" in json.loads(out.splitlines()[-1])["error"]
    _, out, _ = run(capsys, "recordings", tmp_path, "--worst", "latency", "-n", 1)
    assert ("a.recording" in out, "z.recording" in out) == (True, False)


def test_the_recordings_of_a_session_are_deleted(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """By its id; one that is not there is an error."""
    shutil.copy(talk_with_sound, tmp_path)
    code, out, _ = run(capsys, "recordings", tmp_path, "--delete", "sess_test")
    assert (code, out.startswith("deleted "), list(tmp_path.iterdir())) == (0, True, [])
    code, _, err = run(capsys, "recordings", tmp_path, "--delete", "sess_test")
    assert (code, "has no recording of a session 'sess_test'" in err) == (2, True)


def test_a_deletion_is_of_one_session(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """Letters that begin several ids delete nothing, and name them; a whole id is that session alone."""
    for name in (
        "20260102-030405-sess_a.recording",
        "20260102-030405-sess_ab.recording",
        "20260103-030405-sess_a.recording",
    ):
        shutil.copy(talk_with_sound, tmp_path / name)
    for asked in ("sess_", "2026", ""):
        code, out, _ = run(capsys, "recordings", tmp_path, "--delete", asked)
        assert (code, out, len(list(tmp_path.iterdir()))) == (2, "", 3)
    assert (
        "begins the ids of 2 sessions: sess_a, sess_ab; write one out"
        in run(capsys, "recordings", tmp_path, "--delete", "sess")[2]
    )
    assert run(capsys, "recordings", tmp_path, "--delete", "sess_a")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["20260102-030405-sess_ab.recording"]


def test_a_recording_is_found_by_its_session(talk_with_sound: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    """As a log line names it, in the folder of the settings; two of one session have to be named by their files."""
    monkeypatch.chdir(tmp_path)
    assert "set recordings_dir, or name the file" in run(capsys, "show", "sess_ab", "--text")[2]
    monkeypatch.setenv("VOICEPIPE_RECORDINGS_DIR", str(tmp_path))
    shutil.copy(talk_with_sound, tmp_path / "20260102-030405-sess_abc.recording")
    assert "→ 'Hello there.'" in run(capsys, "show", "sess_ab", "--text")[1]
    assert run(capsys, "replay", "sess_abc")[0] == 0
    assert run(capsys, "export", "sess_abc")[1].split()[0] == str(tmp_path / "20260102-030405-sess_abc.wav")
    shutil.copy(talk_with_sound, tmp_path / "20260103-030405-sess_abc.recording")
    code, _, err = run(capsys, "show", "sess_ab", "--text")
    assert (code, "has 2 recordings; name one of the files: " in err) == (2, True)
    assert "has no recording of a session 'sess_x'" in run(capsys, "show", "sess_x")[2]


def test_the_folder_of_the_settings_is_the_default(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "recordings")
    assert (code, "set recordings_dir" in err) == (2, True)
    monkeypatch.setenv("VOICEPIPE_RECORDINGS_DIR", str(tmp_path))
    assert run(capsys, "recordings")[:2] == (0, f"{tmp_path} has no recordings.\n")


# ---- show ------------------------------------------------------------------------------------------------------------


def test_a_session_is_drawn(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """As SVG, with a tooltip for each marble; as text, too."""
    code, out, _ = run(capsys, "show", talk_with_sound, "-o", tmp_path / "talk.svg")
    assert (code, out) == (0, "")
    picture = (tmp_path / "talk.svg").read_text("utf-8")
    ElementTree.fromstring(picture)
    for told in ("words heard", "Hello", "→ Hello there.", "160 ms", "confirmed", "the bot speaks"):
        assert told in picture
    _, out, _ = run(capsys, "show", talk_with_sound, "--text")
    assert "→ 'Hello there.'" in out


def test_what_cannot_be_shown_is_said(tmp_path: Path, capsys, talk_with_sound: Path) -> None:
    code, _, err = run(capsys, "show", tmp_path / "none.recording")
    assert (code, "none.recording cannot be read: No such file or directory" in err) == (2, True)
    code, _, err = run(capsys, "show", talk_with_sound, "--row", 0)
    assert (code, "a row has 0.5 to 3600 seconds" in err) == (2, True)
    code, _, err = run(capsys, "show", talk_with_sound, "-o", tmp_path / "no" / "talk.svg")
    assert (code, "cannot write" in err) == (2, True)


# ---- replay ----------------------------------------------------------------------------------------------------------


def test_the_same_pipeline_gives_the_same(talk_with_sound: Path, capsys) -> None:
    code, out, _ = run(capsys, "replay", talk_with_sound)
    assert (code, "events in 4.5 s, to the bit" in out) == (0, True)
    code, out, _ = run(capsys, "replay", talk_with_sound, "--json")
    assert (code, json.loads(out)["same"]) == (0, True)


IMPATIENT = """
from dataclasses import replace
from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, INTERRUPTION, PLAYBACK
from reactivex.operators import share

PATIENT = replace(ENDPOINTING, pause_ms=500)

def pipeline(session: Session):
    mic = session.received.pipe(ops.decode(session.codec))
    heard = mic.pipe(ops.listening(session, PATIENT), share())
    turns = heard.pipe(ops.detect_turns(PATIENT), share())
    reply = ops.replying(session.llm, session.tts, PLAYBACK)
    return merge(heard, turns, turns.pipe(ops.respond(reply, INTERRUPTION))).pipe(ops.encode(session.codec))
"""


def test_another_pipeline_is_compared(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """Both timelines, and the numbers before and after; exit code 1."""
    (tmp_path / "other.py").write_text(IMPATIENT)
    code, out, _ = run(capsys, "replay", talk_with_sound, "--pipeline", tmp_path / "other.py")
    assert code == 1
    assert out.startswith("It differs from ")
    assert "run again" in out
    assert "latency, median (ms)" in out
    assert "turn 0: 'Hello there.'" in out


def test_what_if_is_answered_by_a_table_a_picture_and_a_test(talk_without_sound: Path, tmp_path: Path, capsys) -> None:
    """The test passes under pytest, in a folder of its own."""
    file, picture, test = (tmp_path / name for name in ("talk.recording", "what-if.svg", "test_talk.py"))
    shutil.copy(talk_without_sound, file)
    changes = ["--set", "ENDPOINTING.pause_ms=320"]
    code, out, _ = run(capsys, "replay", file, *changes, "-o", picture, "--as-test", test)
    assert code == 0
    rows = {cells[1].strip(): cells[2:5] for line in out.splitlines() if len(cells := line.split("│")) > 4}
    recorded, before, after = (float(cell) for cell in rows["latency, median (ms)"])
    assert recorded == pytest.approx(before, abs=20)
    assert "makes no difference" not in out
    assert (before, after) == (pytest.approx(160, abs=20), pytest.approx(320, abs=20))
    drawn = picture.read_text("utf-8")
    assert "before: turns" in drawn
    assert "ENDPOINTING.pause_ms=320" in drawn
    written = test.read_text("utf-8")
    assert written.count("Turn(heard='Hello there.'") == 2
    namespace: dict[str, Any] = {"__file__": str(test)}
    exec(compile(written, str(test), "exec"), namespace)
    namespace["test_the_session_talk"]()


def test_a_regression_test_passes_under_pytest(talk_with_sound: Path, tmp_path: Path, capsys, pytester) -> None:
    """As it is written, from another folder."""
    folder = tmp_path / "tests"
    folder.mkdir()
    assert run(capsys, "replay", talk_with_sound, "--as-test", folder / "test_talk.py")[0] == 0
    written = (folder / "test_talk.py").read_text("utf-8")
    assert "Turn(heard='Hello there.', said='One two three four five six.', latency_ms=160)" in written
    pytester.makepyfile(test_talk=written.replace("HERE = Path(__file__).parent", f"HERE = Path({str(folder)!r})"))
    pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly").assert_outcomes(passed=1)


OWN_EVENTS = """
from dataclasses import dataclass
from voicepipe import Event, Session
from reactivex import operators as rx

@dataclass(frozen=True, slots=True)
class Greeted(Event):
    text: str

def pipeline(session: Session):
    def own(message):
        return Greeted(f"again: {message.text}") if isinstance(message, Greeted) else message
    return session.received.pipe(rx.map(own))
"""


def test_a_pipeline_may_have_events_of_its_own(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which its own code knows again when they come from a file; `show` names them without it."""
    from recorded_session import ALLOWS_EVENTS, recorded

    from voicepipe.loader import load_pipeline

    bot = tmp_path / "bot.py"
    bot.write_text(OWN_EVENTS)
    pipeline = load_pipeline(str(bot))
    greeted = pipeline.__globals__["Greeted"]  # pyright: ignore
    said = [(0.1, ALLOWS_EVENTS), (0.2, greeted("hello"))]
    (path,) = recorded(tmp_path, said, pipeline=pipeline, name=f"{bot}:pipeline")
    code, _, err = run(capsys, "replay", path)
    assert (code, f"not in this folder; to run it, add --pipeline {bot}:pipeline" in err) == (2, True), err
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "replay", path)[:2] == (0, "The same: 2 events in 0.2 s, to the bit.\n")
    assert run(capsys, "replay", path, "--set", "ENDPOINTING.silence_ms=500")[0] == 0
    assert "again: hello" in run(capsys, "show", path, "--text")[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ENDPOINTING.silence=500", "ENDPOINTING has no 'silence'; did you mean silence_ms?"),
        ("ENDPOINT.silence_ms=500", "there is no preset 'ENDPOINT'; did you mean ENDPOINTING?"),
        ("ENDPOINTING.silence_ms=soon", "silence_ms is a int, such as 720, and not 'soon'"),
        ("silence_ms", "write PRESET.field=value, as in ENDPOINTING.silence_ms=500"),
    ],
)
def test_a_wrong_change_is_said(talk_with_sound: Path, capsys, change: str, message: str) -> None:
    code, _, err = run(capsys, "replay", talk_with_sound, "--set", change)
    assert (code, message in err) == (2, True), err


def test_a_pipeline_that_is_not_here_has_to_be_named(tmp_path: Path, capsys) -> None:
    from recorded_session import ALLOWS_EVENTS, recorded

    (path,) = recorded(tmp_path, [(0.1, ALLOWS_EVENTS)], name="/elsewhere/bot.py:pipeline")
    code, _, err = run(capsys, "replay", path)
    assert (code, "/elsewhere/bot.py:pipeline is not on this machine; name it with --pipeline" in err) == (2, True)


def test_a_change_without_an_effect_is_said(talk_without_sound: Path, capsys) -> None:
    code, out, _ = run(capsys, "replay", talk_without_sound, "--set", "ENDPOINTING.silence_ms=5000")
    assert (code, "The change makes no difference: each turn" in out) == (0, True)
    told = json.loads(run(capsys, "replay", talk_without_sound, "--set", "ENDPOINTING.silence_ms=5000", "--json")[1])
    assert list(told) == ["same", "recorded", "before", "after"]


def test_a_test_of_the_default_pipeline_names_no_file_of_an_installation(tmp_path: Path, capsys) -> None:
    from recorded_session import ALLOWS_EVENTS, recorded

    from voicepipe.loader import load_pipeline

    default = load_pipeline().__code__.co_filename  # pyright: ignore
    (path,) = recorded(tmp_path, [(0.1, ALLOWS_EVENTS)], name=f"{default}:pipeline")
    assert run(capsys, "replay", path, "--as-test", tmp_path / "test_talk.py")[0] == 0
    assert "pipeline=" not in (tmp_path / "test_talk.py").read_text("utf-8")


# ---- files of others -------------------------------------------------------------------------------------------------


def written(path: Path, *records: object) -> Path:
    framer = Framer()
    path.write_bytes(b"".join(map(framer.frames, records)))
    return path


@pytest.mark.parametrize(
    "records",
    [
        (Header("s", 0.0, 0.0), SessionStarted(1e12)),
        (Header("s", 0.0, 0.0), SessionStarted(float("nan"))),
        (Header("s", 0.0, 5.0), SessionStarted(4.0)),
        (Header("s", 1e300, 0.0),),
        (Header("s", 0.0, 0.0, rate_hz=1),),
        (Header("s", 0.0, 0.0, client=None),),
        (Header("s", 0.0, 0.0, pipeline=7),),
        (Header("s", 0.0, 0.0), SoundDecoded(10**15)),
        (Header("s", 0.0, 0.0), Emitted(TurnEnded(["no text"], 1.0))),
        (Header("s", 0.0, 0.0), Emitted(ReplyAudio(Audio(np.zeros(100_000, np.float32), 1)))),
    ],
)
def test_a_file_that_no_server_wrote_is_refused_in_a_sentence(tmp_path: Path, capsys, records: Any) -> None:
    """By each command; the list of a folder goes on."""
    path = written(tmp_path / "hostile.recording", *records)
    for command in ("show", "export", "replay"):
        code, _, err = run(capsys, command, path)
        assert (code, "hostile.recording is damaged at byte" in err, err.count("\n")) == (2, True, 1), err
    code, out, _ = run(capsys, "recordings", tmp_path)
    assert (code, "is damaged at byte" in out) == (0, True)


def test_a_file_names_no_code(tmp_path: Path, capsys) -> None:
    """A class of the file is a name, and nothing that would be run in a test that is written."""
    data = written(tmp_path / "a.recording", Header("s", 0.0, 0.0), Emitted(TurnEnded("x", 1.0))).read_bytes()
    found = next(one for one in frames(data) if b":TurnEnded" in one)
    name = found[found.index(b"voicepipe") : found.index(b":TurnEnded") + len(b":TurnEnded")]
    evil = name[:-3] + b"(1)"
    forged = [one.replace(name, evil) for one in frames(data)]
    path = tmp_path / "b.recording"
    path.write_bytes(framed(forged))
    code, _, err = run(capsys, "show", path)
    assert (code, "a class has no proper name" in err) == (2, True), err


def frames(data: bytes) -> list[bytes]:
    at, found = len(MAGIC), list[bytes]()
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def framed(messages: list[bytes]) -> bytes:
    heads = [len(one).to_bytes(4, "little") + zlib.crc32(one).to_bytes(4, "little") for one in messages]
    return MAGIC + b"".join(head + one for head, one in zip(heads, messages, strict=True))


def test_what_is_nested_too_deep_is_refused(tmp_path: Path, capsys) -> None:
    inner = b"\x90"
    for _ in range(3_000):
        inner = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x02" + inner
    path = tmp_path / "deep.recording"
    path.write_bytes(framed([inner]))
    code, _, err = run(capsys, "show", path)
    assert (code, "deep.recording is damaged at byte 22" in err) == (2, True), err


def test_what_is_no_file_is_not_read(tmp_path: Path, capsys) -> None:
    """A pipe would wait forever, and a device has no end."""
    os.mkfifo(tmp_path / "pipe.recording")
    for path in (tmp_path / "pipe.recording", Path("/dev/zero")):
        code, _, err = run(capsys, "export", path)
        assert (code, f"{path} is a pipe or a device, and no file" in err) == (2, True), err
    assert "is a pipe or a device" in run(capsys, "recordings", tmp_path)[1]


def test_half_of_a_letter_and_control_characters_are_drawn(tmp_path: Path, capsys) -> None:
    """A client's JSON may hold them."""
    record = Emitted(TurnEnded("half \ud83d and \x1b[31m", 1.0))
    path = written(tmp_path / "odd.recording", Header("s", 0.0, 0.0), SessionStarted(0.0), record)
    assert run(capsys, "show", path, "-o", tmp_path / "odd.svg")[0] == 0
    ElementTree.fromstring((tmp_path / "odd.svg").read_text("utf-8"))
    assert run(capsys, "export", path)[0] == 0
    assert "half \ufffd and" in (tmp_path / "odd.txt").read_text("utf-8")


def test_a_terminal_is_not_told_what_to_do(tmp_path: Path, capsys) -> None:
    """Neither by the list nor by the transcript."""
    said = Emitted(TurnEnded("Hi \x1b[2J", 1.0))
    path = written(
        tmp_path / "a.recording", Header("s", 0.0, 0.0), SessionStarted(0.0), said, SessionClosed(1.0, "\x1b]0;")
    )
    out = run(capsys, "recordings", tmp_path)[1]
    assert ("]0;" in out, "\x1b" in out) == (True, False)
    run(capsys, "export", path)
    assert "Hi \ufffd[2J" in (tmp_path / "a.txt").read_text("utf-8")


def test_recordings_are_deleted_by_the_beginning_of_a_name_only(tmp_path: Path, capsys) -> None:
    """A digit somewhere in it is no name of one."""
    for name in ("20260101-000000-sess_a7", "20260102-000000-sess_b7"):
        written(tmp_path / f"{name}.recording", Header(name, 0.0, 0.0))
    assert run(capsys, "recordings", tmp_path, "--delete", "7")[0] == 2
    assert run(capsys, "recordings", tmp_path, "--delete", "sess_a")[0] == 0
    assert [path.stem for path in tmp_path.iterdir()] == ["20260102-000000-sess_b7"]


def test_only_the_user_can_read_what_is_exported(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    run(capsys, "export", talk_with_sound, "-o", tmp_path / "talk")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


# ---- export ----------------------------------------------------------------------------------------------------------


def stereo(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 24_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def test_sound_and_words_are_written(talk_with_sound: Path, tmp_path: Path, capsys) -> None:
    """Both sides at their times: the user from 0.5 s on, the bot when it answered."""
    code, out, _ = run(capsys, "export", talk_with_sound, "-o", tmp_path / "talk")
    assert (code, out.split()) == (0, [str(tmp_path / "talk.wav"), str(tmp_path / "talk.txt")])
    assert {(tmp_path / name).stat().st_mode & 0o077 for name in ("talk.wav", "talk.txt")} == {0}  # as the recording
    both = stereo(tmp_path / "talk.wav")
    loud = [np.flatnonzero(np.abs(side) > 300) / 24_000 for side in both.T]
    assert loud[0][0] == pytest.approx(0.5, abs=0.05)
    assert loud[1][0] == pytest.approx(1.1 + 0.16, abs=0.1)
    text = (tmp_path / "talk.txt").read_text("utf-8").splitlines()
    assert text[:2] == ["00:01.2  user  Hello there.", "00:01.2  bot   One two three four five six."]


def test_the_users_side_is_silent_where_its_sound_is_not_kept(talk_without_sound: Path, tmp_path: Path, capsys) -> None:
    code, out, _ = run(capsys, "export", talk_without_sound, "-o", tmp_path / "talk")
    assert (code, "The left channel is silent" in out) == (0, True)
    both = stereo(tmp_path / "talk.wav")
    assert (int(np.abs(both[:, 0]).max()), int(np.abs(both[:, 1]).max()) > 5000) == (0, True)
