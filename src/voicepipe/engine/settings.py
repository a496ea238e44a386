"""Settings of an engine: the services, their time limits, and their sizes."""

# Without `from __future__ import annotations`, as pydantic would compile the text of each annotation in each subclass.

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from voicepipe.services.address import Address, BadAddress

__all__ = [
    "CLUSTER",
    "OPENAI",
    "EngineSettings",
    "LlmPlace",
    "ServiceUrl",
    "SpeechUrl",
    "names_gguf",
    "scripts_of",
    "secret_of",
]

OPENAI = "openai:"
"""Before the URL of a speech service: it has OpenAI's HTTP API, and not Kyutai's protocol."""


CLUSTER = "cluster:"
"""Before the name of a stage whose replicas are leased from the cluster that `engine` names."""

_STAGE = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def names_gguf(text: str) -> bool:
    """Return whether a setting names a file instead of a service's URL.

    >>> names_gguf("models/qwen.gguf"), names_gguf("http://localhost:8091")
    (True, False)
    """
    return "://" not in text and (text.lower().endswith(".gguf") or Path(text).expanduser().is_file())


def _service_url(text: str) -> str:
    Address.parse(text)
    return text


def _cluster_stage(text: str) -> str:
    name = text.removeprefix(CLUSTER)
    if not _STAGE.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a stage: small letters, digits, - and _, as in {CLUSTER}stt")
    return text


def _speech_place(text: str) -> str:
    if text.startswith(CLUSTER):
        return _cluster_stage(text)
    try:
        Address.parse(text.removeprefix(OPENAI))
    except BadAddress as error:
        raise ValueError(f"{error}, or openai:http://localhost:8000 for an OpenAI-compatible API") from None
    return text


def scripts_of(listed: str) -> frozenset[str] | None:
    """Return a setting's scripts; None for all."""
    names = frozenset(listed.upper().replace(",", " ").split())
    return None if not names or "ALL" in names else names


def secret_of(key: SecretStr | None) -> str | None:
    """Return the text of a key that is set."""
    return None if key is None else key.get_secret_value()


def _llm_place(text: str) -> str:
    if text.startswith(CLUSTER):
        return _cluster_stage(text)
    if not names_gguf(text):
        try:
            Address.parse(text)
        except BadAddress as error:
            raise ValueError(f"{error}, nor the path of a GGUF file") from None
    return text


def _engine_url(text: str) -> str:
    if not text.startswith("ray://") or not text.removeprefix("ray://"):
        raise ValueError(f"{text!r} is not the address of a cluster, such as ray://10.0.0.1:6379, or ray://auto")
    return text


def _services(text: str) -> str:
    if unknown := set(_names(text)) - {"stt", "tts", "llm"}:
        raise ValueError(f"there is no {sorted(unknown)[0]!r} among stt, tts and llm")
    return text


def _names(listed: str) -> list[str]:
    return listed.replace(",", " ").split()


def _model_delay(seconds: float) -> float:
    if seconds not in (0.5, 2.5):
        raise ValueError("0.5 (stt-1b-en_fr) or 2.5 (stt-2.6b-en): how far the model is behind")
    return seconds


ServiceUrl: TypeAlias = Annotated[str, AfterValidator(_service_url)]
"""A service's URL. http and ws mean the same: the client takes the one it needs. The port is optional."""

SpeechUrl: TypeAlias = Annotated[str, AfterValidator(_speech_place)]
"""Of a recogniser or a voice: the URL of a Kyutai server, or `openai:` and the URL of an OpenAI-compatible service."""

LlmPlace: TypeAlias = Annotated[str, AfterValidator(_llm_place)]
"""Of a language model: a service's URL, or the path of a GGUF file."""


class EngineSettings(BaseModel):
    """A service that has no URL runs on the embedded model; they can be mixed freely. Units stand in the names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # ---- a cluster ---------------------------------------------------------------------------------------------------
    engine: Annotated[str, AfterValidator(_engine_url)] | None = None
    """The Ray cluster whose replicas serve what has no URL: `ray://` and the address of its head, or `ray://auto` for
    the one that this machine has joined. None: what has no URL runs in this process."""
    cluster_stages: Annotated[str, AfterValidator(_services)] = "stt,tts,llm"
    """The kinds that `engine` serves, of stt, tts and llm, separated by commas. Another stage of the cluster is named
    by `cluster:` and its name in place of a URL."""

    # ---- speech to text: Kyutai's moshi-server, or an OpenAI-compatible service --------------------------------------
    stt_url: SpeechUrl | None = None
    """The URL of Kyutai's server, or `openai:` and the URL of a service with `/v1/audio/transcriptions`: then the
    embedded models notice where speech begins and ends."""
    stt_model: str | None = None
    """The model of an OpenAI-compatible recogniser. None: the only one that the service has. It and the settings down
    to `stt_retries` are for such a service only."""
    stt_api_key: SecretStr | None = None
    """Sent to the recogniser's service. Without one, none is sent."""
    stt_language: str | None = None
    """The language that is spoken, by ISO 639-1, such as `de`; None: the service finds out."""
    stt_guesses: bool = False
    """Recognition of speech that still goes on: words come while the user speaks, and each second of sound is sent, and
    paid for, several times."""
    stt_extra: dict[str, str] = Field(default_factory=dict[str, str])
    """Further fields of each request, as JSON: `{"prompt": "Words that may come: voicepipe."}`."""
    stt_answer_s: float = Field(default=10, gt=0)
    """The time, in seconds, from the request for a clip's text to its first word, retries included. Then the clip
    counts as not recognised."""
    stt_retries: int = Field(default=1, ge=0)
    """The number of retries of a request for a clip's text when the service cannot be reached, or breaks off. 0:
    none."""
    stt_delay_s: Annotated[float, AfterValidator(_model_delay)] = 0.5
    """The delay of the Kyutai server's model, in seconds: 0.5 for stt-1b-en_fr, 2.5 for stt-2.6b-en."""
    stt_speech_below: float = Field(default=0.4, gt=0, lt=1)
    """The pause score below which the user speaks, and `stt_silence_above` which they do not: Unmute's thresholds."""
    stt_silence_above: float = Field(default=0.6, gt=0, lt=1)
    """The pause score above which the user is silent."""
    stt_buffer_s: float = Field(default=20, gt=0)
    """The seconds of sound that are kept until they are recognised; beyond it the oldest sound is dropped."""
    stt_in_flight_s: float = Field(default=4, gt=0)
    """The seconds of sound, of `stt_buffer_s`, that may be sent and not yet recognised: more than the larger model's
    delay."""
    stt_behind_s: float = Field(default=0.24, gt=0)
    """The seconds of a recording that may be sent and not yet recognised before the rest waits: three steps, so that
    the recogniser has the next one ready, and a pause is noticed at its place."""
    stt_silent_s: float = Field(default=2.5, gt=0)
    """A recogniser that owes a step (one each 80 ms), or the rest of a text, and sends nothing for this time counts as
    lost: the user is told within 3 s."""
    stt_renew_after_s: float = Field(default=600, gt=0)
    """The time, in seconds, after which a new connection replaces the old one in a pause: the recogniser's state drifts
    on long calls."""
    stt_give_up_after_s: float = Field(default=30, gt=0)
    """The time, in seconds, for which a recogniser that was lost in a conversation is looked for: a server that is
    restarted needs some 12 s. Then the session ends. The user is told meanwhile."""
    stt_settled_after_s: float = Field(default=5, gt=0)
    """A new connection that lasts this long ends the search; one that breaks sooner continues it."""

    # ---- how text is read, by every voice ----------------------------------------------------------------------------
    tts_pronunciations: Path | None = None
    """A YAML file of words, as they are written, and how they are said: `nginx: engine x`."""

    # ---- text to speech: Kyutai's moshi-server, or an OpenAI-compatible service --------------------------------------
    tts_url: SpeechUrl | None = None
    """The URL of Kyutai's server, or `openai:` and the URL of a service with `/v1/audio/speech`."""
    tts_model: str | None = None
    """The model of an OpenAI-compatible synthesiser. None: the only one that the service has. It and the settings down
    to `tts_requests` are for such a service only."""
    tts_api_key: SecretStr | None = None
    """Sent to the synthesiser's service. Without one, none is sent."""
    tts_extra: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further fields of each request, as JSON: `{"instructions": "Speak calmly.", "speed": 1.1}`."""
    tts_rate_hz: int = Field(default=24_000, ge=8_000, le=48_000)
    """The sample rate of its PCM, in Hz, where the answer does not state it."""
    tts_first_sound_s: float = Field(default=10, gt=0)
    """The time, in seconds, from the request for a clause to its first sound, retries included: a server may have to
    load its model."""
    tts_requests: int = Field(default=2, ge=1)
    """The number of clauses that are requested at once: the next one while the last one is still coming."""
    tts_language: str = "en"
    """The language in which numbers, units and signs are read: en, de, fr or es; any other is read as English. The
    embedded voice is English."""
    tts_scripts: str | None = None
    """The scripts that the synthesiser can say, by Unicode's names, separated by commas; other text is shown, and the
    user is told. "ALL": everything. None: LATIN for Kyutai's, everything for an OpenAI-compatible service."""
    tts_voice: str | None = None
    """The voice for a client that names none. None: the server's own, or `alloy`, since an OpenAI-compatible service
    requires a name. It also replaces a voice that such a service does not know."""
    tts_cfg_alpha: float = Field(default=1.5, gt=0)
    """The guidance factor of Kyutai's synthesiser, above 0: the larger, the more closely it follows the voice."""
    tts_searches: int = Field(default=5, ge=1)
    """The number of searches for a synthesiser with a free place before the turn fails."""
    tts_capacity: int = Field(default=1_000, ge=1)
    """The number of words (Kyutai's) or clauses (others) that may wait to be sent; one more fails the turn. The longest
    answer has 600 words."""
    tts_silent_s: float = Field(default=3, gt=0)
    """A synthesiser that has text and sends nothing for this time counts as lost."""
    tts_retries: int = Field(default=1, ge=0)
    """The number of further connections for a reply, or a clause, of which no sound has come. 0: none."""
    tts_ahead_s: float = Field(default=30, gt=0)
    """The time, in seconds, for which a connection that was opened at the user's first word waits for the reply: it
    takes up a place on the server."""

    # ---- both, and voice cloning -------------------------------------------------------------------------------------
    speech_connect_s: float = Field(default=2, gt=0)
    """The time, in seconds, that connecting to an OpenAI-compatible speech service may take, with TLS."""
    kyutai_api_key: SecretStr = SecretStr("public_token")
    """The key that is sent to Kyutai's servers. The default is the key that moshi-server accepts unless configured
    otherwise."""
    voice_cloning_url: ServiceUrl | None = None
    """The address of a server that makes voices of recordings; None: voices are not cloned."""
    find_tries: int = Field(default=3, ge=1)
    """The number of instances of a service, behind one name, that are asked in a search."""
    find_try_s: float = Field(default=0.5, gt=0)
    """The time, in seconds, in which each instance must accept the connection."""
    find_resolve_every_s: float = Field(default=0.5, ge=0)
    """The time, in seconds, for which the resolved addresses of a name are used. 0: the name is resolved each time."""
    find_first_pause_s: float = Field(default=0.05, gt=0)
    """The first pause between two searches, in seconds; each pause is 1.5 times the one before, 1 s at most."""

    # ---- the language model: any OpenAI-compatible service, or a GGUF file -------------------------------------------
    llm_url: LlmPlace | None = None
    """The URL of a service, or the path of a GGUF file, which runs in this process and has none of the limits below."""
    llm_model: str | None = None
    """The model of the service. None: the only one that the service has."""
    llm_api_key: SecretStr | None = None
    """Sent to the language model's service. Without one, none is sent."""
    llm_opening_temperature: float = Field(default=0.7, ge=0, le=2)
    """The temperature of the bot's opening, from 0 to 2: no two conversations should begin alike."""
    llm_temperature: float = Field(default=0.3, ge=0, le=2)
    """The temperature of replies, from 0 (the most likely word each time) to 2."""
    llm_max_tokens: int = Field(default=600, ge=1)
    """The number of tokens of one answer, at most: 600 are four minutes of speech."""
    llm_history_tokens: int = Field(default=6_000, ge=100)
    """The number of tokens (estimated) of system prompt and history: with the answer they fit into 8192; half an hour
    of talk."""
    llm_extra: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further fields of each request, as JSON: `{"chat_template_kwargs": {"enable_thinking": false}}`."""
    llm_connect_s: float = Field(default=2, gt=0)
    """The time, in seconds, that connecting to the language model may take."""
    llm_first_text_s: float = Field(default=60, gt=0)
    """The time, in seconds, from the request to the first text, retries included. A pipeline with `with_filler` speaks
    meanwhile; models that reason take 5 to 20 s, one that has to be loaded up to half a minute."""
    llm_next_text_s: float = Field(default=5, gt=0)
    """The time, in seconds, from each text to the next, at most."""
    llm_warm: bool = True
    """A request for one token at the start, and when a session opens after four minutes without an answer: a local
    server loads its model for it."""
    llm_speculations: int | None = Field(default=None, ge=0)
    """The number of replies that may be begun in a turn of the user's before it has ended, at a pause, and thrown away
    if the user speaks on (preemptive generation). 0: none. None: 4 where language model and voice are embedded, and
    else 0, since a service is paid for what is thrown away."""
    llm_retries: int = Field(default=1, ge=0)
    """The number of retries of a request of which no answer has begun, when the service cannot be reached or sends
    nothing. 0: none."""
    llm_longest_wait_s: float = Field(default=20, ge=0)
    """The time, in seconds, for which a busy service is waited for, the sum of its `Retry-After` headers. If a header
    asks for more, the request fails."""

    # ---- all of them -------------------------------------------------------------------------------------------------
    keep_alive_s: float = Field(default=300, gt=0)
    """The time, in seconds, for which an idle connection is kept for the next reply."""
    health_timeout_s: float = Field(default=2, gt=0)
    """The time, in seconds, in which a service must answer a health check."""
    network_sessions: int = Field(default=24, ge=1)
    """The number of sessions at once of each worker when no model is embedded. Each takes 2.4 % of the one core that an
    event loop has (sound through Opus and MessagePack, both ways): beyond 60 % replies begin to wait for each other."""

    @property
    def llm_file(self) -> Path | None:
        """The GGUF file that `llm_url` names, if it names one."""
        named = self.llm_url is not None and names_gguf(self.llm_url)
        return Path(self.llm_url or "").expanduser() if named else None

    @property
    def llm_service(self) -> str | None:
        """The service that `llm_url` names, or a stage of a cluster."""
        return None if self.llm_file is not None else self.llm_url or self._leased("llm")

    @property
    def stt_kyutai(self) -> str | None:
        """The Kyutai server, or the stage of a cluster, that hears: it notices pauses itself."""
        return _of_kyutai(self.stt_url or self._leased("stt"))

    @property
    def stt_openai(self) -> str | None:
        """The OpenAI-compatible service that `stt_url` names, if it names one."""
        return _of_openai(self.stt_url)

    @property
    def tts_kyutai(self) -> str | None:
        """The Kyutai server that `tts_url` names, or a stage of a cluster."""
        return _of_kyutai(self.tts_url or self._leased("tts"))

    def _leased(self, kind: str) -> str | None:
        """Return the place of a kind that has no URL: a stage of the cluster that has its name."""
        return f"{CLUSTER}{kind}" if self.engine is not None and kind in _names(self.cluster_stages) else None

    @property
    def tts_openai(self) -> str | None:
        """The OpenAI-compatible service that `tts_url` names, if it names one."""
        return _of_openai(self.tts_url)


def _of_kyutai(place: str | None) -> str | None:
    return None if place is None or place.startswith(OPENAI) else place


def _of_openai(place: str | None) -> str | None:
    return place.removeprefix(OPENAI) if place is not None and place.startswith(OPENAI) else None
