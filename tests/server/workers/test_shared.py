"""State that workers share, asked for as they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import ormsgpack
import pytest

from voicepipe.server.http.client_secrets import ClientSecrets
from voicepipe.server.http.consents import DonationRefused
from voicepipe.server.settings import ServerSettings
from voicepipe.server.workers.shared import SharedConsents, SharedState, SharedVoices


@pytest.fixture
def asked() -> Callable[[int], Any]:
    """`asked(worker)` asks as this worker, through what the connection makes of it."""
    state = SharedState(ServerSettings(voices_kept=2))

    def by(worker: int) -> Any:
        async def ask(what: str, *arguments: Any) -> Any:
            sent = ormsgpack.unpackb(ormsgpack.packb(list(arguments)))
            return ormsgpack.unpackb(ormsgpack.packb(await state.answer(worker, what, sent)))

        ask.state = state  # type: ignore[attr-defined]
        return ask

    return by


async def test_a_voice_that_one_worker_cloned_is_found_by_another(asked) -> None:
    await SharedVoices(asked(1)).put("custom:a", b"\x81\x00")
    assert await SharedVoices(asked(2)).get("custom:a") == b"\x81\x00"
    assert await SharedVoices(asked(2)).get("custom:b") is None


async def test_a_consent_is_good_once_at_all_workers(asked) -> None:
    one, other = SharedConsents(asked(1)), SharedConsents(asked(2))
    consent = await one.ask()
    assert await other.take(consent.id) == consent
    with pytest.raises(DonationRefused, match="unknown, used already"):
        await one.take(consent.id)
    await other.give_back(consent)
    assert await one.take(consent.id) == consent


async def test_sessions_of_a_key_are_counted_at_all_workers(asked) -> None:
    """Of a worker that is gone they count no more."""
    one, other = asked(1), asked(2)
    limits = {"key 0": 2, "address 192.0.2.1": 8}
    assert [await ask("hold", limits) for ask in (one, other, one)] == [None, None, "key 0"]
    await one("release", list(limits))
    assert [await ask("hold", limits) for ask in (one, other)] == [None, "key 0"]
    one.state.forget(1)
    assert await asyncio.gather(other("hold", limits), other("hold", limits)) == [None, "key 0"]


async def test_an_ephemeral_key_is_found_until_it_is_void(asked) -> None:
    kept = ClientSecrets(most=1)
    value, made = kept.make({"instructions": "Hi"}, 60, None)
    await asked(1)("secret.add", made.digest, made.expires_at, dict(made.session), made.made_by)
    assert await asked(2)("secret.find", made.digest) == [made.expires_at, {"instructions": "Hi"}, None]
    assert await asked(2)("secret.find", bytes(32)) is None
    kept.drop(made.digest)
    assert kept.find(value) is None
