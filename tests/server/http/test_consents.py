"""Consents: how long they are good, and for what. The rest of a donation is in `server/test_donation`."""

from __future__ import annotations

import random

import pytest

from voicepipe.server.http.consents import Consents, DonationRefused


class Now:
    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def consents(now) -> Consents:
    return Consents(valid_s=60, most=2, now=now, rng=random.Random(1))


async def test_a_consent_expires(consents, now):
    """When the client was told, to the second."""
    early, late = await consents.ask(), await consents.ask()
    now.s = early.expires_s - 0.1
    assert await consents.take(early.id) == early
    now.s = late.expires_s
    with pytest.raises(DonationRefused, match=r"^metadata\.verification_id: expired, it was good for 60 s"):
        await consents.take(late.id)
    with pytest.raises(DonationRefused, match="unknown"):
        await consents.take(late.id)


async def test_what_is_read_out_is_the_consent_and_two_sentences(consents):
    """Of which no two are the same."""
    text = (await consents.ask()).text
    _, one, other, rest = text.split(". ", 1)[0], *text.split(". ")[1:], ""
    assert one != other
    assert rest == ""


async def test_a_consent_that_is_given_back_can_be_taken_again(consents):
    """It can where the donation could not be kept."""
    consent = await consents.ask()
    await consents.give_back(await consents.take(consent.id))
    assert await consents.take(consent.id) == consent
