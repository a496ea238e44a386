"""The series: names, units and buckets. A name begins with `voicepipe_` and ends with its unit. Labels take few values,
and clients choose none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from voicepipe.metrics.exemplars import observe_in_session
from voicepipe.services.errors import FailureReason, ServiceUnavailable
from voicepipe.services.observer import ServiceObserver
from voicepipe.session import Service

__all__ = [
    "FRAME_S",
    "SIDES",
    "SPECULATIONS",
    "TOKENS",
    "AllMisses",
    "BoundedLabel",
    "ConversationMetrics",
    "LlmMetrics",
    "MetricFactory",
    "ProcessMetrics",
    "ServerMetrics",
    "ServiceMetrics",
    "SessionMetrics",
]

FRAME_S = 0.08
"""The length of a frame of sound, wherever frames are counted."""

# Fine around the budgets: half of all turns within 0.9 s, 95 of 100 within 1.5 s.
_VOICE_TO_VOICE_S = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_PART_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 3.0, 5.0)
# The budget is 0.25 s.
_BARGE_IN_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
_TTFT_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_PING_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_SOUND_S = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 300.0, 900.0)
_SESSION_S = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
_WORDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)

_TOKENS_A_SESSION = (100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)

TOKENS = ("input", "cached", "output")
"""The kinds of token: read, those of them that the model had read before, and written."""
SIDES = ("user", "bot")
SPECULATIONS = ("used", "thrown_away")
"""What becomes of a reply that is begun before the turn has ended."""

_HTTP_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Fine around 50 ms, which is the bound of a warning.
_LAG_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5)
# From a frame of the VAD, 0.1 ms, to a long clause or answer.
_MODEL_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REASONS = ("loading", "stopping", "full", "service_down")

# The most values of one label; further ones count as "other".
_MOST_LABELS: Final = 24


class BoundedLabel:
    """The values of a label that a pipeline names: its stages, its boundaries. Bounded.

    >>> stages = BoundedLabel(most=1)
    >>> stages("STT"), stages("TTS"), stages("STT")
    ('STT', 'other', 'STT')
    """

    def __init__(self, most: int = _MOST_LABELS) -> None:
        self._known: set[str] = set()
        self._most = most

    def __call__(self, value: str) -> str:
        if value not in self._known and len(self._known) >= self._most:
            return "other"
        self._known.add(value)
        return value


class MetricFactory:
    """Makes series on one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, what: str, *labels: str, known: Collection[str] = ()) -> Counter:
        """Return a counter; for the `known` values of its label it stands at 0 from the start.

        Prometheus sees no increase in a series that begins at 1: an alert would miss the first failure.
        """
        counter = Counter(name, what, labels, namespace="voicepipe", registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, labels, namespace="voicepipe", registry=self._registry)

    def histogram(self, name: str, what: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, what, labels, namespace="voicepipe", registry=self._registry, buckets=buckets)


class AllMisses:
    """Misses of all services together, as Unmute counts them besides."""

    def __init__(self, make: MetricFactory) -> None:
        self._misses = make.counter("service_misses", "Instances of any service that were full: no fault.")
        self._hard = make.counter("hard_service_misses", "Instances of any service that timed out, refused or failed.")

    def missed(self, why: FailureReason) -> None:
        """Count an attempt that failed."""
        (self._hard if why.is_fault else self._misses).inc()


class ServiceMetrics(ServiceObserver):
    """One kind of service, embedded or on the network. Input and output are counted in frames or in words."""

    def __init__(self, make: MetricFactory, service: Service, sent: str, received: str, all_misses: AllMisses) -> None:
        self.service, self._all_misses = service, all_misses
        kind = service.upper()
        self._sessions = make.counter(f"{service}_sessions", f"Uses of the {kind}: connections, or runs of a model.")
        self._active = make.gauge(f"{service}_active_sessions", f"Uses of the {kind} under way.")
        self._duration = make.histogram(
            f"{service}_session_duration_seconds", f"How long one use of the {kind} lasted.", _SESSION_S
        )
        self._misses = make.counter(f"{service}_misses", f"Instances of the {kind} that were full: no fault.")
        self._hard_misses = make.counter(
            f"{service}_hard_misses", f"Instances of the {kind} that timed out, refused or failed."
        )
        self._find = make.histogram(
            f"{service}_find_seconds", f"Time to find an instance of the {kind}, with failed attempts.", _PING_S
        )
        self._ping = make.histogram(f"{service}_ping_seconds", f"Time to the first answer of the {kind}.", _PING_S)
        self._sent = make.counter(f"{service}_sent_{sent}", f"{sent.capitalize()} sent to the {kind}.")
        self._received = make.counter(f"{service}_received_{received}", f"{received.capitalize()} from the {kind}.")
        self._steps = None if service != "stt" else make.counter(
            "stt_received_frames", "Frames that the STT has worked through, as a service tells."
        )  # fmt: skip
        self._ttft = make.histogram(f"{service}_ttft_seconds", _FIRST[service], _TTFT_S)
        self._interrupts = make.counter(f"{service}_interrupts", f"Uses of the {kind} stopped before their end.")
        self._hard_errors = make.counter(f"{service}_hard_errors", f"Uses of the {kind} that failed.")
        self._audio = None if service == "llm" else make.histogram(
            f"{service}_audio_duration_seconds", f"Length of the sound in one use of the {kind}.", _SOUND_S
        )  # fmt: skip
        self._generation = None if service == "stt" else make.histogram(
            f"{service}_generation_duration_seconds", f"From the {kind}'s first input to its last output.", _SOUND_S
        )  # fmt: skip

    def session_opened(self) -> None:
        self._sessions.inc()
        self._active.inc()

    def session_closed(self, after_s: float) -> None:
        self._active.dec()
        observe_in_session(self._duration, after_s)

    def missed(self, why: FailureReason) -> None:
        (self._hard_misses if why.is_fault else self._misses).inc()
        self._all_misses.missed(why)

    def found(self, after_s: float) -> None:
        observe_in_session(self._find, after_s)

    def pinged(self, after_s: float) -> None:
        observe_in_session(self._ping, after_s)

    def sent(self, count: int) -> None:
        self._sent.inc(count)

    def received(self, count: int) -> None:
        self._received.inc(count)

    def stepped(self, count: int) -> None:
        if self._steps is not None:
            self._steps.inc(count)

    def first_item(self, after_s: float) -> None:
        observe_in_session(self._ttft, max(0.0, after_s))

    def generated(self, sound_s: float, after_s: float) -> None:
        if self._audio is not None:
            observe_in_session(self._audio, sound_s)
        if self._generation is not None:
            observe_in_session(self._generation, after_s)

    def interrupted(self) -> None:
        self._interrupts.inc()

    def failed(self, error: Exception) -> None:
        """Count a failure; a service that was not reached has been counted by its misses."""
        if not isinstance(error, ServiceUnavailable):
            self._hard_errors.inc()


_FIRST: dict[Service, str] = {
    "stt": "Time to first token: from the first sound of speech (embedded) or of a connection, to the first word.",
    "tts": "Time to first token: from the first word to speak, to the first sound.",
    "llm": "Time to first token: from the request to the first text.",
}


class LlmMetrics(ServiceMetrics):
    """A language model, with the lengths of its prompts and answers."""

    def __init__(self, make: MetricFactory, all_misses: AllMisses) -> None:
        super().__init__(make, "llm", "words", "words", all_misses)
        self._request = make.histogram("llm_request_length_words", "Words in one request to the LLM.", _WORDS)
        self._reply = make.histogram("llm_reply_length_words", "Words in one answer of the LLM.", _WORDS)

    def asked(self, words: int) -> None:
        observe_in_session(self._request, words)

    def answered(self, words: int) -> None:
        observe_in_session(self._reply, words)


class SessionMetrics:
    """Sessions: accepted, refused, ended. `services` are those that the pipeline uses."""

    def __init__(self, make: MetricFactory, services: Collection[Service]) -> None:
        self.count = make.counter("sessions", "Sessions that were accepted.")
        self.active = make.gauge("active_sessions", "Conversations under way.")
        self.capacity = make.gauge("capacity", "Conversations that are let in at once.")
        self.duration = make.histogram("session_duration_seconds", "From the upgrade to the last clean-up.", _SESSION_S)
        self.refused = make.counter("sessions_refused", "Sessions that were refused.", "reason", known=_REASONS)
        self.ended = make.counter(
            "sessions_ended", 'Sessions by the server\'s close code; "client" if the client closed.', "code"
        )
        self.forced = make.counter(
            "forced_disconnects", "Clients disconnected: idle, too slow, too fast, or not speaking WebSocket."
        )
        self.hard_errors = make.counter("hard_errors", "Sessions that ended by a fault of the server (1011).")
        self.fatal_misses = make.counter(
            "fatal_service_misses",
            "Turns and sessions that ended because no instance was available.",
            "service",
            known=services,
        )
        self.rejected = make.counter("rejected_messages", "Invalid messages of clients.", "code", known=("other",))
        self.code_label, self.reason_label = BoundedLabel(), BoundedLabel()


class ConversationMetrics:
    """The metrics that users notice: response time, barge-in time, failures and lost sound.

    `services` are those that the pipeline uses.
    """

    def __init__(self, make: MetricFactory, services: Collection[Service]) -> None:
        self.turns = make.counter("turns", "Turns of users that had words.")
        self.replies = make.counter("replies", "Replies that began.")
        self.speculations = make.counter(
            "speculations",
            "Replies begun before the turn had ended, by what became of them.",
            "outcome",
            known=SPECULATIONS,
        )
        self.interruptions = make.counter("interruptions", "Replies that the user interrupted.")
        self.voice_to_voice = make.histogram(
            "voice_to_voice_seconds", "From the user's last sound to the bot's first.", _VOICE_TO_VOICE_S
        )
        self.part = make.histogram(
            "voice_to_voice_part_seconds", "Parts of voice to voice; they sum to it.", _PART_S, "part"
        )
        self.barge_in = make.histogram(
            "barge_in_seconds", "From the user's first sound into a reply to the bot's silence.", _BARGE_IN_S
        )
        self.spoken_words = make.counter("tts_received_words", "Words of the TTS that were sent.")
        self.heard_words = make.histogram("stt_session_words", "Words that the STT heard in one session.", _WORDS)
        self.overflows = make.counter("overflows", "Overflows of full boundaries.", "boundary", "policy")
        self.overflow_s = make.counter("overflow_seconds", "Sound that full boundaries dropped.", "boundary", "policy")
        for series in (self.overflows, self.overflow_s):
            series.labels("other", "drop_oldest")  # a rate needs a series from the start
        self.tokens = make.counter(
            "llm_tokens", "Tokens of the LLM, as its service or its tokenizer counts them.", "kind", known=TOKENS
        )
        self.session_tokens = make.histogram(
            "session_tokens", "Tokens of the LLM in one session.", _TOKENS_A_SESSION, "kind"
        )
        self.session_characters = make.histogram(
            "session_characters", "Characters in one session: of the user, and heard of the bot.", _WORDS, "side"
        )
        for kind in TOKENS:
            self.session_tokens.labels(kind)
        for side in SIDES:
            self.session_characters.labels(side)
        self.failures = make.counter(
            "stage_failures",
            "Turns and sessions that ended by a stage's failure.",
            "stage",
            known=[service.upper() for service in services],
        )
        self.stage_label, self.boundary_label = BoundedLabel(), BoundedLabel()


class ServerMetrics:
    """The server itself, and its work beside sessions."""

    def __init__(self, make: MetricFactory) -> None:
        self.health_ok = make.gauge("health_ok", "1 if everything that a session needs is available.")
        self.service_up = make.gauge("service_up", "1: it is up.", "service")
        self.donations = make.counter("voice_donations", "Voices donated.")
        self.clonings = make.counter("voice_clonings", "Attempts to clone a voice, by outcome.", "outcome")
        self.http = make.histogram(
            "http_request_duration_seconds", "HTTP requests, WebSockets excepted.", _HTTP_S, "route", "method", "status"
        )


class ProcessMetrics:
    """The process: delays that all its sessions share, and the work of its models (a `WorkObserver`)."""

    def __init__(self, make: MetricFactory) -> None:
        self.loop_lag = make.histogram("loop_lag_seconds", "How late the event loop answered.", _LAG_S)
        self.gc_pause = make.histogram(
            "gc_pause_seconds", "Pauses for garbage collection, by its generation.", _LAG_S, "generation"
        )
        for generation in "012":  # Python's; a rate needs a series from the start
            self.gc_pause.labels(generation)
        self._wait = make.histogram(
            "worker_wait_seconds", "How long work waited for a thread of a pool of workers.", _MODEL_S, "pool"
        )
        self._work = make.histogram(
            "model_seconds", "How long a model worked on one item, by stage.", _MODEL_S, "stage"
        )
        self._pool_label, self._stage_label = BoundedLabel(), BoundedLabel()

    def waited(self, pool: str, after_s: float) -> None:
        """Note that work has waited for a thread."""
        observe_in_session(self._wait.labels(self._pool_label(pool)), after_s)

    def worked(self, what: str, after_s: float) -> None:
        """Note that a model has worked."""
        observe_in_session(self._work.labels(self._stage_label(what)), after_s)
