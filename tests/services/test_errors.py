"""Why there is no service, in a sentence for the one who talks."""

import pytest

from voicepipe.services import AttemptFailed, FailureReason, Instance, ServiceUnavailable


def unavailable(*why: FailureReason) -> ServiceUnavailable:
    return ServiceUnavailable(
        "speech recognition (STT)",
        [AttemptFailed(Instance("10.0.0.1", number), miss, "") for number, miss in enumerate(why)],
    )


def test_full_is_said_only_where_all_are_full() -> None:
    """Two full ones must not hide a broken one."""
    assert unavailable(FailureReason.FULL, FailureReason.FULL).full
    assert (
        str(unavailable(FailureReason.FULL, FailureReason.FULL))
        == "The speech recognition (STT) is full (2 servers were asked)."
    )
    hidden = unavailable(FailureReason.FULL, FailureReason.FULL, FailureReason.REFUSED)
    assert not hidden.full
    assert hidden.reason is FailureReason.REFUSED
    assert str(hidden) == ("The speech recognition (STT) cannot be reached (3 servers were asked: 2 full, 1 refused).")


@pytest.mark.parametrize("why", list(FailureReason))
def test_each_reason_is_a_sentence_that_names_the_service(why: FailureReason) -> None:
    """And a connection error, for whoever knows no more."""
    error = unavailable(why)
    assert isinstance(error, ConnectionError)
    assert error.reason is why
    assert str(error).startswith("The speech recognition (STT) ")
    assert why.is_fault == (why is not FailureReason.FULL)
