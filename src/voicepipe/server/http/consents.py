"""Donated voices: a consent to read out, and its recording, stored with the donor's name."""

from __future__ import annotations

import json
import os
import random
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from voicepipe._yaml import read_yaml
from voicepipe.recording.private_files import private

__all__ = ["Consent", "Consents", "ConsentsDown", "DonationRefused", "Submission", "save_donation", "submission_from"]


class DonationRefused(Exception):
    """A donation that cannot be taken; `field` is what is wrong with it."""

    def __init__(self, field: str, wrong: str) -> None:
        super().__init__(f"{field}: {wrong}")
        self.field, self.wrong = field, wrong


class ConsentsDown(Exception):
    """The store of the consents cannot be reached."""


# ---- consent ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent text to read out. Times are seconds since the epoch."""

    id: str
    text: str
    created_s: float
    expires_s: float


class Consents:
    """The consents that are requested and not given yet: `most` at once; of more, the oldest is void.

    Each is good for one donation, within `valid_s`. `now` gives seconds since the epoch. Nothing is awaited here; where
    several processes serve one port, they ask the one that keeps the consents.
    """

    def __init__(
        self, *, valid_s: float, most: int, now: Callable[[], float], rng: random.Random | None = None
    ) -> None:
        self._valid_s, self._most, self._now, self._random = valid_s, most, now, rng or random.Random()
        self._open: OrderedDict[str, Consent] = OrderedDict()

    async def ask(self) -> Consent:
        """A new one."""
        texts, now = _texts(), self._now()
        sentences = self._random.sample(texts.sentences, texts.drawn)
        consent = Consent(str(uuid.uuid4()), " ".join([texts.consent, *sentences]), now, now + self._valid_s)
        await self.give_back(consent)
        return consent

    async def take(self, consent_id: str) -> Consent:
        """The consent of this id, which is void from now on. Raises DonationRefused."""
        consent = self._open.pop(consent_id, None)
        if consent is None:
            raise self._unknown()
        return self._good(consent)

    async def give_back(self, consent: Consent) -> None:
        """The donation could not be kept: it may be sent again."""
        self._open[consent.id] = consent
        while len(self._open) > self._most:
            self._open.popitem(last=False)

    async def close(self) -> None:
        """Close what the consents are kept in."""

    def _good(self, consent: Consent) -> Consent:
        """Return a consent that has not expired. Raises DonationRefused."""
        if self._now() >= consent.expires_s:
            wrong = f"expired, it was good for {self._valid_s:g} s: ask for a new one"
            raise DonationRefused("metadata.verification_id", wrong)
        return consent

    def _unknown(self) -> DonationRefused:
        return DonationRefused("metadata.verification_id", "unknown, used already or too old: ask for a new one")


class _Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    consent: str
    drawn: Annotated[int, Field(ge=1)]
    sentences: list[str]


@cache
def _texts() -> _Texts:
    return read_yaml(Path(__file__).with_name("consents.yaml"), _Texts)


# ---- what is sent ----------------------------------------------------------------------------------------------------


class Submission(BaseModel):
    """The donor of a voice, and its use. The e-mail address is for withdrawal, and is not published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal["1.0", "1.1"] = "1.1"
    verification_id: uuid.UUID
    email: Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None  # fmt: skip  # noqa: E501
    nickname: Annotated[str, StringConstraints(strip_whitespace=True, max_length=30)] = ""
    license: Literal["CC0"] = "CC0"
    transcription_from_client: Annotated[str, StringConstraints(max_length=5_000)] = ""


def submission_from(metadata: bytes) -> Submission:
    """From JSON. Raises DonationRefused, which names the field."""
    try:
        value = json.loads(metadata)
    except (ValueError, RecursionError):
        raise DonationRefused("metadata", "is no JSON") from None
    if not isinstance(value, dict):
        raise DonationRefused("metadata", "should be a JSON object")
    if value.get("email") == "":  # pyright: ignore[reportUnknownMemberType]
        value["email"] = None  # a form with an empty field
    try:
        return Submission.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(["metadata", *map(str, first["loc"])])
        raise DonationRefused(field, first["msg"][:1].lower() + first["msg"][1:]) from None


# ---- keeping it ------------------------------------------------------------------------------------------------------


def save_donation(folder: Path, consent: Consent, submission: Submission, recording: bytes, *, now_s: float) -> Path:
    """Write `<id>.wav` and then `<id>.json`: where the second is, the first is whole. Blocks; raises OSError.

    After an error nothing of it is left.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sound, facts = folder / f"{consent.id}.wav", folder / f"{consent.id}.json"
    metadata = {
        "submission": submission.model_dump(mode="json"),
        "verification": {"id": consent.id, "text": consent.text, "created_at_timestamp": consent.created_s},
        "timestamp": now_s,
        "timestamp_str": datetime.fromtimestamp(now_s, UTC).isoformat(),
    }
    try:
        _write(sound, recording)
        _write(facts, json.dumps(metadata, ensure_ascii=False, indent=2).encode())
    except OSError:
        sound.unlink(missing_ok=True)
        raise
    return sound


def _write(path: Path, data: bytes) -> None:
    """All of it, or nothing."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb", opener=private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
