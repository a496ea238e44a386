"""Which voices are offered, and how long cloned ones are kept."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from voicepipe._yaml import YamlError
from voicepipe.realtime.unmute.client_events import UnmuteSessionConfig
from voicepipe.voices.catalog import offered_voices
from voicepipe.voices.store import MemoryVoices, new_voice_name


@pytest.mark.parametrize("synthesiser", ["embedded", "kyutai", "openai"])
def test_every_voice_of_ours_can_be_asked_for(synthesiser):
    """Its name is there, nobody reads our comments, and its instructions are some that a client may send."""
    voices = offered_voices(None, synthesiser)
    assert voices
    for voice in voices:
        assert voice["source"]["path_on_server"]
        assert "comment" not in voice
        UnmuteSessionConfig.model_validate(
            {
                "instructions": voice["instructions"],
                "voice": voice["source"]["path_on_server"],
                "allow_recording": False,
            }
        )


def test_the_embedded_synthesiser_has_one():
    """And Kyutai's has others."""
    voices = offered_voices(None, "embedded")
    assert {voice["source"]["path_on_server"] for voice in voices} == {"hibari"}
    assert not [voice for voice in voices if voice in offered_voices(None, "kyutai")]


def test_voices_of_others_tell_whose_they_are():
    """A recording under a licence that asks for it names its author."""
    taken = [voice["source"] for voice in offered_voices(None, "kyutai")]
    for source in taken:
        assert "description" in source or {"username", "license"} <= source["sound_instance"].keys()


LIST = """
- name: Ann
  good: true
  comment: not for you
  source: {source_type: file, path_on_server: ann.wav, description: Ann}
- name: Ben
  good: false
  source: {source_type: file, path_on_server: ben.wav}
- source: {source_type: file, path_on_server: cal.wav}
"""


def test_a_list_of_ones_own(tmp_path):
    """As Unmute has it: the good ones, whatever the synthesiser, with all that was written but the comment."""
    file = tmp_path / "voices.yaml"
    file.write_text(LIST)
    ann = {"source_type": "file", "path_on_server": "ann.wav", "description": "Ann"}
    for synthesiser in ("embedded", "kyutai"):
        assert offered_voices(file, synthesiser) == [{"name": "Ann", "good": True, "source": ann}]


@pytest.mark.parametrize(
    ("text", "key", "wrong"),
    [
        ("- good: true", "0.source", "field required"),
        ("- source: {source_type: tape, path_on_server: x}", "0.source.source_type", "should be 'file' or 'freesound'"),
        ("- {source: {source_type: file, path_on_server: x}, good: 7}", "0.good", "should be a valid boolean"),
        ("piper: []", "piper", "should be 'embedded', 'kyutai' or 'openai'"),
        ("hello", "", "should be a list of voices"),
        ("- [", "line 1", "is no YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, key, wrong):
    """By the file and the key."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(YamlError) as error:
        offered_voices(file, "kyutai")
    assert str(error.value).startswith(f"{file}: {key}")
    assert wrong in str(error.value)


def test_a_file_that_is_not_there():
    """Is named, too."""
    with pytest.raises(YamlError, match=r"nowhere\.yaml: cannot be read"):
        offered_voices(Path("nowhere.yaml"), "kyutai")


# ---- cloned voices ---------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_name_is_new_and_says_what_it_is():
    """`custom:` and a UUID."""
    one, other = new_voice_name(), new_voice_name()
    assert one != other
    assert uuid.UUID(one.removeprefix("custom:")).version == 4


def test_a_voice_is_kept_for_a_while(clock):
    """As it came, to the second; then neither it nor its memory is there."""
    voices = MemoryVoices(kept_s=3600, most=10, clock=clock)

    async def main() -> None:
        await voices.put("custom:a", b"\x81")
        clock.now_s = 3599.9
        assert await voices.get("custom:a") == b"\x81"
        assert await voices.get("custom:b") is None
        clock.now_s = 3600
        assert await voices.get("custom:a") is None
        assert len(voices) == 0
        await voices.close()

    asyncio.run(main())


def test_memory_is_bounded(clock):
    """The oldest goes."""
    voices = MemoryVoices(kept_s=3600, most=2, clock=clock)

    async def main() -> list[bytes | None]:
        for name in "abc":
            await voices.put(name, name.encode())
        return [await voices.get(name) for name in "abc"]

    assert asyncio.run(main()) == [None, b"b", b"c"]
