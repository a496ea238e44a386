"""State that all workers of a server share: the supervisor keeps it, and they ask for it by name."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import Any, Protocol, cast

from voicepipe.server.http.client_secrets import ClientSecret, ClientSecrets
from voicepipe.server.http.consents import Consent, Consents, DonationRefused
from voicepipe.server.settings import ServerSettings
from voicepipe.voices.store import MemoryVoices, VoiceStore

__all__ = ["Ask", "SharedConsents", "SharedState", "SharedVoices"]


class Ask(Protocol):
    """Asks the supervisor: the name of what is asked, and its arguments."""

    async def __call__(self, what: str, *arguments: Any) -> Any: ...


class SharedState:
    """The supervisor's side: ephemeral keys, cloned voices, consents, and the sessions of each key and address."""

    def __init__(self, settings: ServerSettings) -> None:
        self._secrets = ClientSecrets(most=settings.client_secrets_kept)
        self._consents = Consents(valid_s=settings.consent_s, most=settings.consents_open, now=time.time)
        self._voices = MemoryVoices(kept_s=settings.voice_kept_s, most=settings.voices_kept, clock=time.monotonic)
        self._sessions: dict[int, Counter[str]] = {}
        self._answers = {
            "hold": self._hold,
            "release": self._release,
            "secret.add": self._add_secret,
            "secret.find": self._find_secret,
            "voice.put": self._put_voice,
            "voice.get": self._get_voice,
            "consent.ask": self._ask_consent,
            "consent.take": self._take_consent,
            "consent.give_back": self._give_back,
        }

    async def answer(self, worker: int, what: str, arguments: list[Any]) -> Any:
        """Answer a worker. Nothing is awaited that waits for another process."""
        return await self._answers[what](worker, *arguments)

    def forget(self, worker: int) -> None:
        """Release what a worker held that is gone."""
        self._sessions.pop(worker, None)

    async def _hold(self, worker: int, limits: dict[str, int]) -> str | None:
        for name, most in limits.items():
            if sum(one[name] for one in self._sessions.values()) >= most:
                return name
        self._sessions.setdefault(worker, Counter()).update(limits.keys())
        return None

    async def _release(self, worker: int, names: list[str]) -> None:
        own = self._sessions.setdefault(worker, Counter())
        own.subtract(names)
        for name in names:
            if own[name] <= 0:
                del own[name]

    async def _add_secret(self, _: int, digest: bytes, expires_at: int, session: Any, made_by: int | None) -> None:
        self._secrets.add(ClientSecret(digest, expires_at, session, made_by))

    async def _find_secret(self, _: int, digest: bytes) -> Any:
        found = self._secrets.get(digest)
        return None if found is None else [found.expires_at, dict(found.session), found.made_by]

    async def _put_voice(self, _: int, name: str, embedding: bytes) -> None:
        await self._voices.put(name, embedding)

    async def _get_voice(self, _: int, name: str) -> bytes | None:
        return await self._voices.get(name)

    async def _ask_consent(self, _: int) -> dict[str, Any]:
        return asdict(await self._consents.ask())

    async def _take_consent(self, _: int, consent_id: str) -> dict[str, Any] | list[str]:
        try:
            return asdict(await self._consents.take(consent_id))
        except DonationRefused as refused:
            return [refused.field, refused.wrong]

    async def _give_back(self, _: int, consent: dict[str, Any]) -> None:
        await self._consents.give_back(Consent(**consent))


class SharedVoices(VoiceStore):
    """A worker's side of the cloned voices."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def put(self, name: str, embedding: bytes) -> None:
        await self._ask("voice.put", name, embedding)

    async def get(self, name: str) -> bytes | None:
        return await self._ask("voice.get", name)

    async def close(self) -> None:
        """Do nothing: the supervisor keeps them."""


class SharedConsents(Consents):
    """A worker's side of the consents."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def ask(self) -> Consent:
        return Consent(**await self._ask("consent.ask"))

    async def take(self, consent_id: str) -> Consent:
        taken = await self._ask("consent.take", consent_id)
        if isinstance(taken, list):
            field, wrong = cast("list[str]", taken)
            raise DonationRefused(field, wrong)
        return Consent(**taken)

    async def give_back(self, consent: Consent) -> None:
        await self._ask("consent.give_back", asdict(consent))
