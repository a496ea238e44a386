"""`/v1/voice-donation`: what is asked for, what is kept, and what is refused by name."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import pytest
import reactivex
from scraped import Scraped
from served import refused

SOUND = bytes(range(256)) * 8


@asynccontextmanager
async def donating(serve, folder, **settings):
    limits = {"donation_min_bytes": 1_000, "donation_max_bytes": 10_000, **settings}
    async with serve(lambda _: reactivex.never(), donations_dir=folder, **limits) as served:
        yield served


async def asked(served):
    async with served.http.get(f"{served.url}/v1/voice-donation") as answer:
        assert answer.status == 200
        return await answer.json()


async def give(served, metadata, sound=SOUND):
    form = aiohttp.FormData(default_to_multipart=True)
    if sound is not None:
        form.add_field("file", BytesIO(sound), filename="me.wav", content_type="audio/wav")
    if metadata is not None:
        form.add_field("metadata", metadata if isinstance(metadata, str) else json.dumps(metadata))
    async with served.http.post(f"{served.url}/v1/voice-donation", data=form) as answer:
        body = await answer.json()
        return answer.status, body if answer.status == 200 else {"detail": refused(answer.status, body)}


async def test_a_voice_is_given(serve, tmp_path):
    """The recording and who gave it are on the disk, whole, with what was read out; and it counts."""
    folder = tmp_path / "voices"
    async with donating(serve, folder) as served:
        consent = await asked(served)
        assert consent["expires_at_timestamp"] - consent["created_at_timestamp"] == 300
        metadata = {
            "format_version": "1.1",
            "verification_id": consent["id"],
            "email": "ann@example.org",
            "nickname": " Ann ",
            "license": "CC0",
            "transcription_from_client": consent["text"],
        }
        assert await give(served, metadata) == (200, {"id": consent["id"]})
        async with served.http.get(f"{served.url}/metrics") as answer:
            assert Scraped.read(await answer.text())["voice_donations_total"] == 1
    assert sorted(path.name for path in folder.iterdir()) == [f"{consent['id']}.json", f"{consent['id']}.wav"]
    assert (folder / f"{consent['id']}.wav").read_bytes() == SOUND
    kept = json.loads((folder / f"{consent['id']}.json").read_text())
    assert kept["verification"]["text"] == consent["text"]
    assert kept["submission"] == {**metadata, "nickname": "Ann"}
    assert kept["timestamp"] >= consent["created_at_timestamp"]


async def test_each_consent_is_another_one(serve, tmp_path):
    """A recording of something else will not do: the sentences are drawn."""
    async with donating(serve, tmp_path) as served:
        consents = [await asked(served) for _ in range(8)]
    assert len({consent["id"] for consent in consents}) == 8
    assert len({consent["text"] for consent in consents}) > 1
    assert all(consent["text"].startswith("I give my voice") for consent in consents)


@pytest.mark.parametrize("email", [None, ""])
async def test_an_address_need_not_be_given(serve, tmp_path, email):
    """Nor left out of the form."""
    async with donating(serve, tmp_path) as served:
        consent = await asked(served)
        assert (await give(served, {"verification_id": consent["id"], "email": email}))[0] == 200


@pytest.mark.parametrize(
    ("metadata", "detail"),
    [
        (None, "metadata: is missing"),
        ("{", "metadata: is no JSON"),
        ("[1]", "metadata: should be a JSON object"),
        ({}, "metadata.verification_id: field required"),
        ({"verification_id": "7"}, "metadata.verification_id: input should be a valid UUID"),
        ({"verification_id": "0b8b5e0e-3c4f-4c62-9e5b-5b1d2f2d8a11"}, "metadata.verification_id: unknown"),
        ({"email": "nobody"}, "metadata.email: string should match pattern"),
        ({"nickname": "x" * 31}, "metadata.nickname: string should have at most 30 characters"),
        ({"license": "mine"}, "metadata.license: input should be 'CC0'"),
        ({"format_version": "2.0"}, "metadata.format_version: input should be '1.0' or '1.1'"),
        ({"colour": "red"}, "metadata.colour: extra inputs are not permitted"),
        ("x" * 40_000, "metadata: is longer than 32768 bytes"),
    ],
)
async def test_what_is_wrong_is_named_by_its_field(serve, tmp_path, metadata, detail):
    """Nothing is kept, and the consent can still be used."""
    async with donating(serve, tmp_path) as served:
        consent = await asked(served)
        if isinstance(metadata, dict) and metadata and "verification_id" not in metadata:
            metadata["verification_id"] = consent["id"]
        status, body = await give(served, metadata)
        assert (status, body["detail"][: len(detail)]) == (413 if "longer" in detail else 400, detail)
        assert list(tmp_path.iterdir()) == []
        assert (await give(served, {"verification_id": consent["id"]}))[0] == 200


@pytest.mark.parametrize(
    ("sound", "status", "detail"),
    [
        (None, 400, "file: is missing"),
        (bytes(999), 400, "file: is too short to hold the sentences"),
        (bytes(10_001), 413, "file: is longer than 10000 bytes"),
    ],
)
async def test_a_recording_has_a_size(serve, tmp_path, sound, status, detail):
    """Not less than the sentences take, not more than the settings say."""
    async with donating(serve, tmp_path) as served:
        consent = await asked(served)
        assert await give(served, {"verification_id": consent["id"]}, sound) == (status, {"detail": detail})
        assert list(tmp_path.iterdir()) == []


async def test_a_consent_is_good_once(serve, tmp_path):
    """The second donation of one consent is refused."""
    async with donating(serve, tmp_path) as served:
        consent = await asked(served)
        assert (await give(served, {"verification_id": consent["id"]}))[0] == 200
        status, body = await give(served, {"verification_id": consent["id"]})
        assert (status, "used already" in body["detail"]) == (400, True)


async def test_only_so_many_consents_are_open(serve, tmp_path):
    """Of more, the oldest is void: nobody fills our memory by asking."""
    async with donating(serve, tmp_path, consents_open=2) as served:
        consents = [await asked(served) for _ in range(3)]
        answers = [await give(served, {"verification_id": consent["id"]}) for consent in consents]
    assert [status for status, _ in answers] == [400, 200, 200]


async def test_a_disk_that_does_not_take_it_leaves_nothing(serve, tmp_path, logs):
    """507; and when there is room again, the same donation may be sent again."""
    folder = tmp_path / "voices"
    async with donating(serve, folder) as served:
        folder.write_text("in the way")
        consent = await asked(served)
        status, body = await give(served, {"verification_id": consent["id"]})
        assert (status, "send it again" in body["detail"]) == (507, True)
        folder.unlink()
        assert (await give(served, {"verification_id": consent["id"]}))[0] == 200
    assert [line["event"] for line in logs] == ["donation.not_kept", "donation.kept"]


async def test_half_a_donation_is_none(serve, tmp_path):
    """The recording goes, too, when what belongs to it cannot be written."""
    async with donating(serve, tmp_path) as served:
        consent = await asked(served)
        (tmp_path / f"{consent['id']}.json").mkdir()
        assert (await give(served, {"verification_id": consent["id"]}))[0] == 507
    assert [path.name for path in tmp_path.iterdir()] == [f"{consent['id']}.json"]


async def test_a_server_that_takes_no_voices_says_so(serve):
    """501, to both questions."""
    async with serve(lambda _: reactivex.never()) as served:
        async with served.http.get(f"{served.url}/v1/voice-donation") as answer:
            assert refused(answer.status, await answer.json()) == "This server takes no voice donations."
        assert (await give(served, {}))[0] == 501
