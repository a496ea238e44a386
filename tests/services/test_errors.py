"""Why there is no service, in a sentence for the one who talks."""

import pytest

from voicepipe.services import Instance, Miss, Missed, ServiceUnavailable


def unavailable(*why: Miss) -> ServiceUnavailable:
    return ServiceUnavailable(
        "speech recognition (STT)", [Missed(Instance("10.0.0.1", number), miss, "") for number, miss in enumerate(why)]
    )


def test_full_is_said_only_where_all_are_full() -> None:
    """Two full ones must not hide a broken one."""
    assert unavailable(Miss.FULL, Miss.FULL).full
    assert str(unavailable(Miss.FULL, Miss.FULL)) == "The speech recognition (STT) is full (2 servers were asked)."
    hidden = unavailable(Miss.FULL, Miss.FULL, Miss.REFUSED)
    assert not hidden.full
    assert hidden.why is Miss.REFUSED
    assert str(hidden) == ("The speech recognition (STT) cannot be reached (3 servers were asked: 2 full, 1 refused).")


@pytest.mark.parametrize("why", list(Miss))
def test_each_reason_is_a_sentence_that_names_the_service(why: Miss) -> None:
    """And a connection error, for whoever knows no more."""
    error = unavailable(why)
    assert isinstance(error, ConnectionError)
    assert error.why is why
    assert str(error).startswith("The speech recognition (STT) ")
    assert why.is_fault == (why is not Miss.FULL)
