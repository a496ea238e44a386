"""Fifty thousand messages of all sizes and shapes, up to the limits: how much is validated of each has a bound.

The number of validated values is counted, the message itself among them, and not the time: 3,000 take some 3 ms.
`test_fuzz` sends another hundred thousand messages through a whole server.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from examples import examples

from voicepipe.events import InputRejected
from voicepipe.realtime.ga import client_events as client
from voicepipe.realtime.ga.dialect import Ga

MESSAGES, VALUES, DEEPEST = 50_000, 3_000 + 1, 64
# Of the length of the longest list, in decimal digits: somewhat more than the limit. Most messages are short.
DIGITS = 3.6

HEADS = {
    "content": '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[%s]}}',
    "arguments": '{"type":"conversation.item.create","item":{"type":"function_call","name":"f","arguments":"%s"}}',
    "modalities": '{"type":"session.update","session":{"type":"realtime","output_modalities":[%s]}}',
    "tools": '{"type":"session.update","session":{"type":"realtime","tools":[%s]}}',
    "parameters": '{"type":"session.update","session":{"tools":[{"type":"function","name":"f","parameters":{"x":[%s]}}]'
    "}}",
    "unknown": '{"type":"session.update","session":{"type":"realtime","more":[%s]}}',
    "transcription": '{"type":"session.update","session":{"audio":{"input":{"transcription":{"x":[%s]}}}}}',
    "input": '{"type":"response.create","response":{"conversation":"none","input":[%s]}}',
    "metadata": '{"type":"response.create","response":{"metadata":{"x":[%s]}}}',
    "sound": '{"type":"input_audio_buffer.append","audio":"%s"}',
    "no event": '{"type":"x","a":[%s]}',
}
UNITS = ["1", "null", '"x"', "[]", "{}", "0.12345678901234567", "[[1]]", '{"type":"input_text","text":"a"}']
UNITS += ['{"type":"function","name":"f","parameters":{}}', '{"a":{"b":{"c":[1,2]}}}', '"audio"', "-1e9"]


def drawn(random: Random) -> str:
    """A message of one shape: a list of equal values, a text, or something deep."""
    name, count = random.choice(list(HEADS)), int(10 ** random.uniform(0, DIGITS))
    if name in ("arguments", "sound"):
        return HEADS[name] % ("AAAA" * count)
    if random.random() < 0.1:
        depth = random.randrange(2 * DEEPEST)
        return HEADS[name] % ("[" * depth + "]" * depth)
    return HEADS[name] % ",".join([random.choice(UNITS)] * count)


def values(value: Any) -> int:
    """Return the number of JSON values in one."""
    if isinstance(value, dict):
        return 1 + sum(map(values, value.values()))
    return 1 + sum(map(values, value)) if isinstance(value, list) else 1


class Counting:
    """Validates as GA's events are, and notes the most values that it was given."""

    def __init__(self) -> None:
        self.most = self.count = 0
        self._events = client.GA_EVENTS

    def validate_python(self, value: Any) -> Any:
        self.count += 1
        self.most = max(self.most, values(value))
        return self._events.validate_python(value)


@pytest.mark.explored
def test_what_is_validated_of_a_message_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its shape. A message is understood or rejected, and a rejection is short."""
    counting, random, rejected = Counting(), Random(11), 0
    monkeypatch.setattr(client, "GA_EVENTS", counting)
    ga = Ga()
    for number in range(examples(MESSAGES)):
        if number % 500 == 0:
            ga = Ga()
        message = ga.decode(drawn(random))
        if isinstance(message, InputRejected):
            rejected += 1
            assert len(json.dumps([message.message, message.param])) < 1_000
    assert 0 < counting.most <= VALUES
    assert counting.count > examples(MESSAGES) // 2
    assert 0 < rejected < examples(MESSAGES)
