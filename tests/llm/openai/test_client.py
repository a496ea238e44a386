"""An OpenAI-compatible service, over real sockets in virtual time: answers, refusals, silence, and barge-in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from voicepipe.conversation import Conversation
from voicepipe.engine.http import Http
from voicepipe.events import MaxTokensReached, TokensCounted
from voicepipe.llm.errors import LlmError, LlmGarbled, LlmRefused, LlmTimeout, LlmUnavailable
from voicepipe.llm.history import recent, whole
from voicepipe.llm.openai.client import Deadlines, OpenAi, OpenAiLlm, Retries
from voicepipe.services import FailureReason
from voicepipe.stage import StageError
from voicepipe.testing import Marbles, Recorded

HI = Conversation("Be brief.").user_said("Hi.")
KEY = "sk-very-secret"

Step = float | str | bytes | None
"""Of an answer: seconds to wait, a text to say, bytes to send as they are; None: break the connection."""


def event(text: str | None, **more: Any) -> bytes:
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": text}, **more}],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
STOP = event(None, finish_reason="stop")


class Service:
    """Answers by a script. `asked` are the requests, `left` says when clients left before the end."""

    def __init__(self) -> None:
        self.script: list[Step] = ["Hello", " there.", STOP, DONE]
        self.refusals: list[web.Response] = []
        self.models: Any = ["tiny"]
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left: list[float] = []
        self.connections: set[Any] = set()
        self.listed = 0
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list)
        self.runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _list(self, request: web.Request) -> web.Response:
        self.listed += 1
        self.connections.add(request.transport)
        if isinstance(self.models, web.Response):
            return self.models
        return web.json_response({"object": "list", "data": [{"id": name} for name in self.models]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        self.connections.add(request.transport)
        if self.refusals:
            return self.refusals.pop(0)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._play(request, response)
        except (asyncio.CancelledError, ConnectionError):
            self.left.append(asyncio.get_running_loop().time())
            raise
        return response

    async def _play(self, request: web.Request, response: web.StreamResponse) -> None:
        for step in self.script:
            match step:
                case None:
                    assert request.transport is not None
                    request.transport.abort()
                case str():
                    await response.write(event(step))
                case bytes():
                    await response.write(step)
                case _:
                    await asyncio.sleep(step)


class Bench:
    """A service, and the one LLM that asks it."""

    def __init__(self, marbles: Marbles, service: Service, http: Http) -> None:
        self.marbles, self.service, self.http = marbles, service, http
        self.options = OpenAi(
            url=service.url,
            model="tiny",
            api_key=KEY,
            max_tokens=50,
            opening_temperature=0.7,
            temperature=0.3,
            history=whole,
            deadlines=Deadlines(connect_s=1, first_text_s=4, next_text_s=1),
            retries=Retries(times=1, longest_wait_s=2),
        )

    def llm(self, **options: Any) -> OpenAiLlm:
        return OpenAiLlm(replace(self.options, **options), self.http.session)

    def ask(self, conversation: Conversation = HI, **options: Any) -> list[Recorded]:
        return self.marbles.record(self.llm(**options)(conversation))

    def text(self, conversation: Conversation = HI, **options: Any) -> str:
        """Return the text of the answer; `MaxTokensReached` is no text."""
        return "".join(one.value for one in self.ask(conversation, **options) if isinstance(one.value, str))

    def error(self, conversation: Conversation = HI, **options: Any) -> LlmError:
        """Return the error with which the answer fails; it does not hold the key."""
        last = self.ask(conversation, **options)[-1]
        assert isinstance(last.value, StageError)
        assert last.value.stage == "LLM"
        assert isinstance(last.value.cause, LlmError)
        assert KEY not in str(last.value.cause)
        return last.value.cause


@pytest.fixture
def bench(marbles: Marbles) -> Iterator[Bench]:
    """The client session is closed at the end, and then the service: what is left would be a leak."""
    service, http = Service(), Http(keep_alive_s=300, resolve_every_s=10)
    marbles.loop.run(service.start())
    yield Bench(marbles, service, http)
    marbles.loop.run(http.close())
    marbles.loop.run(service.runner.cleanup())


# ---- answers ---------------------------------------------------------------------------------------------------------


def test_text_comes_out_as_it_comes_in(bench: Bench) -> None:
    """A piece per event, at its own time; the answer is complete with its last word, whatever the server does then."""
    bench.service.script = [0.1, "Hello", 0.2, " there.", STOP, 0.05, DONE]
    bench.marbles.expect(bench.llm()(HI), "100ms a 180ms b 30ms |", a="Hello", b=" there.")


def test_keep_alives_say_nothing(bench: Bench) -> None:
    """No choices, null or empty content, a role, comments, usage."""
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}\n\n'
    empty = b'data: {"choices": []}\n\ndata: {"choices": null}\n\n: ping\n\n'
    role = b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n\ndata: {"choices": [{"delta": null}]}\n\n'
    bench.service.script = [empty, role, event(None), event(""), "Hello", empty, STOP, usage, DONE]
    assert bench.text() == "Hello"


def test_what_is_asked(bench: Bench) -> None:
    """The prompt as the conversation gives it, the key in its header, and the fields that the service wants beside."""
    bench.text(extra={"seed": 1})
    assert bench.service.asked == [
        {
            "model": "tiny",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.3,
            "max_tokens": 50,
            "seed": 1,
        }
    ]
    assert bench.service.headers[0]["Authorization"] == f"Bearer {KEY}"
    bench.text(api_key=None)
    assert "Authorization" not in bench.service.headers[1]


def test_the_opening_line_is_freer(bench: Bench) -> None:
    """It is asked for with the opening's temperature, and a greeting that stands for the user."""
    bench.text(Conversation("Be brief."))
    (asked,) = bench.service.asked
    assert asked["temperature"] == 0.7
    assert asked["messages"][-1] == {"role": "user", "content": "Hello."}


def test_the_history_is_bounded(bench: Bench) -> None:
    """By the policy that it is given."""
    long = Conversation("Be brief.").user_said("word " * 90).bot_said("Indeed.").user_said("And now?")
    bench.text(long, history=recent(max_tokens=60, at_once=1))
    assert [message["content"] for message in bench.service.asked[0]["messages"]] == ["Be brief.", "And now?"]


def test_answers_share_one_connection(bench: Bench) -> None:
    """The second reply waits for no handshake, even after a minute."""
    llm = bench.llm(model=None)
    for _ in range(3):
        bench.marbles.record(llm(HI))
        bench.marbles.run(asyncio.sleep(60))
    assert len(bench.service.connections) == 1
    assert bench.service.listed == 1


def test_a_connection_that_the_server_closed_meanwhile_is_no_fault(bench: Bench) -> None:
    """Many servers close after five seconds; the race between that and the next question is lost now and then."""
    bench.text()

    async def closed() -> None:
        (transport,) = bench.service.connections
        transport.close()

    bench.marbles.run(closed())
    assert bench.text() == "Hello there."


def test_an_answer_that_never_stops_is_stopped(bench: Bench) -> None:
    """After `max_tokens` pieces the connection is closed: the service hears it."""
    bench.service.script = [step for _ in range(1000) for step in ("la ", 0.01)]
    *text, limited = [one.value for one in bench.ask(max_tokens=20) if one.kind == "next"]
    assert ("".join(text), limited) == ("la " * 20, MaxTokensReached())
    assert len(bench.service.left) == 1


def test_an_end_without_done_is_an_end(bench: Bench) -> None:
    """Some servers only give a reason and close; others leave out the last empty line."""
    bench.service.script = ["Hello", STOP]
    assert bench.text() == "Hello"
    bench.service.script = ["Hello", DONE.rstrip()]
    assert bench.text() == "Hello"


def test_a_server_that_lingers_after_the_end_does_not_hold_up_the_reply(bench: Bench) -> None:
    """The answer ends; its connection is given up."""
    bench.service.script = ["Hello", STOP, DONE, 30.0]
    assert [one.t_ms for one in bench.ask()] == [0, 100]
    assert len(bench.service.left) == 1


# ---- barge-in --------------------------------------------------------------------------------------------------------


def test_disposing_closes_the_connection(bench: Bench) -> None:
    """In the same moment; the service stops to work for nobody."""
    bench.service.script = ["Hello", 10.0, " there.", STOP, DONE]
    bench.marbles.expect(bench.llm()(HI), "a 180ms !", a="Hello")
    bench.marbles.run(asyncio.sleep(0.01))
    (left,) = bench.service.left
    assert left - bench.marbles.scene.begin_s <= 0.2


def test_disposing_before_the_first_text_closes_it_too(bench: Bench) -> None:
    """The service was still reading the prompt."""
    bench.service.script = [10.0, "Hello"]
    bench.marbles.expect(bench.llm()(HI), "--!")
    bench.marbles.run(asyncio.sleep(0.01))
    assert len(bench.service.left) == 1


# ---- silence ---------------------------------------------------------------------------------------------------------


def test_no_text_in_time(bench: Bench) -> None:
    """Keep-alives are no text: the user hears nothing from them."""
    bench.service.script = [step for _ in range(100) for step in (event(""), 0.5)]
    last = bench.ask()[-1]
    assert last.t_ms == 4000
    error = bench.error()
    assert isinstance(error, LlmTimeout)
    assert isinstance(error, TimeoutError)
    assert str(error) == f"The language model (LLM) at {bench.service.url} did not answer in time: no text within 4 s"


def test_a_slow_trickle_is_an_answer_and_silence_is_none(bench: Bench) -> None:
    """Each text is waited for anew; what came before the silence stays."""
    bench.service.script = ["a", 0.9, "b", 0.9, "c", 0.9, "d", STOP, DONE]
    assert bench.text() == "abcd"
    bench.service.script = ["a", 0.9, "b", 1.1, "c", STOP, DONE]
    assert [one.value for one in bench.ask()][:-1] == ["a", "b"]
    assert str(bench.error()).endswith("fell silent in the middle of its answer: for 1 s")


def test_a_trickle_of_bytes_is_silence(bench: Bench) -> None:
    """A byte now and then does not put off the deadline."""
    bench.service.script = [step for byte in event("a" * 100) for step in (bytes([byte]), 0.5)]
    assert bench.ask()[-1].t_ms == 4000


def test_the_connection_is_not_accepted(bench: Bench) -> None:
    """Refused at once, and told as such."""
    error = bench.error(url="http://127.0.0.1:9")
    assert isinstance(error, LlmUnavailable)
    assert str(error) == "The language model (LLM) at http://127.0.0.1:9 cannot be reached: Connection refused"
    assert error.outcome == "cannot be reached"
    assert error.why is FailureReason.REFUSED


# ---- refusals --------------------------------------------------------------------------------------------------------


def refuse(status: int, said: Any = None, **headers: str) -> web.Response:
    text = said if isinstance(said, str) else json.dumps(said)
    return web.Response(
        status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (refuse(401, {"error": {"message": "Incorrect API key provided"}}), LlmRefused,
         "does not accept our key: set llm_api_key (401 Incorrect API key provided)"),
        (refuse(403, "no"), LlmRefused, "does not accept our key: set llm_api_key (403 no)"),
        (refuse(400, {"object": "error", "message": "too long"}), LlmRefused, "refuses the request: 400 too long"),
        (refuse(422, {"detail": [{"loc": "seed"}]}), LlmRefused, 'refuses the request: 422 [{"loc": "seed"}]'),
        (refuse(307, "", Location="/elsewhere"), LlmRefused, "refuses the request: 307"),
        (web.Response(text="<html>Log in</html>", content_type="text/html"), LlmGarbled,
         "sent an invalid message: text/html instead of a stream of events"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_and_not_asked_again(bench: Bench, answer: web.Response, kind: type, says: str) -> None:
    """With what the server says about it, in whichever shape."""
    bench.service.refusals = [answer]
    error = bench.error()
    assert type(error) is kind
    assert str(error) == f"The language model (LLM) at {bench.service.url} {says}"
    assert len(bench.service.asked) == 1


def test_a_model_that_is_not_there_is_told_with_those_that_are(bench: Bench) -> None:
    """404: the names come from the service's own list."""
    bench.service.models = ["tiny", "huge"]
    bench.service.refusals = [refuse(404, {"error": {"message": "The model `gone` does not exist"}})]
    error = bench.error(model="gone")
    assert isinstance(error, LlmRefused)
    assert str(error).endswith("is not set up: it has no 'gone': set llm_model to tiny or huge")


def test_an_address_that_is_no_such_service(bench: Bench) -> None:
    """404 for everything."""
    error = bench.error(url=f"{bench.service.url}/elsewhere", retries=Retries(times=0, longest_wait_s=0))
    assert str(error).endswith("is not set up: it should be an OpenAI-compatible service (404 404: Not Found)")


def test_the_address_may_end_with_v1(bench: Bench) -> None:
    """As OpenAI's own `base_url` does."""
    assert bench.text(url=f"{bench.service.url}/v1/") == "Hello there."


# ---- once more -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_fault_before_the_answer_is_forgiven_once(bench: Bench, status: int) -> None:
    """Nothing has been said yet: the same question again, at once."""
    bench.service.refusals = [refuse(status, "oops")]
    assert bench.text() == "Hello there."
    bench.service.refusals = [refuse(status, "oops"), refuse(status, "oops again")]
    error = bench.error()
    assert isinstance(error, LlmUnavailable)
    assert str(error).endswith(f"is out of order: {status} oops again")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_waited_for_as_long_as_it_says(bench: Bench, status: int) -> None:
    """Within reason: the user hears nothing meanwhile."""
    bench.service.refusals = [refuse(status, "slow down", Retry_After="1.5")]
    assert bench.ask()[0].t_ms == 1500
    bench.service.refusals = [refuse(status, "slow down", Retry_After="3")]
    error = bench.error()
    assert str(error).endswith(f"has too much to do: {status} slow down")
    assert error.why is FailureReason.FULL
    bench.service.refusals = [refuse(status, "slow down", retry_after_ms="250")]
    assert bench.ask()[0].t_ms == 250


def test_a_busy_service_is_waited_for_more_than_once(bench: Bench) -> None:
    """As long as all its pauses together are not too long: 1.8 s of 2 s here."""
    bench.service.refusals = [refuse(429, "slow down", Retry_After="0.6") for _ in range(3)]
    assert bench.ask()[0].t_ms == pytest.approx(1800)
    bench.service.refusals = [refuse(429, "slow down", Retry_After="0.6") for _ in range(4)]
    assert bench.error().why is FailureReason.FULL


def test_the_time_to_find_it_includes_attempts_that_fail_and_the_ping_does_not(bench: Bench) -> None:
    """Each attempt that is repeated is a miss; the last one's failure is the answer's own."""
    told: list[tuple[Any, ...]] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return lambda *args: told.append((name, *args))

    llm = OpenAiLlm(bench.options, bench.http.session, Counting())  # type: ignore[arg-type]
    bench.service.refusals = [refuse(429, "slow down", Retry_After="1.5")]
    bench.marbles.record(llm(HI))
    assert told == [("missed", FailureReason.FULL), ("pinged", 0.0), ("found", 1.5)]


def test_a_busy_service_that_names_no_time(bench: Bench) -> None:
    """One that is loading its model (503) is asked again after a second; a limit of requests is an error."""
    bench.service.refusals = [refuse(503, "Loading model")]
    assert bench.ask()[0].t_ms == 1000
    bench.service.refusals = [refuse(429, "slow down")]
    assert isinstance(bench.error(), LlmUnavailable)


def test_a_wait_that_ends_after_the_deadline_is_not_begun(bench: Bench) -> None:
    """It would fail anyway, later."""
    bench.service.refusals = [refuse(429, "", Retry_After="1")]
    assert bench.ask(deadlines=Deadlines(1, 0.9, 1))[-1].t_ms == 0


def test_a_broken_connection_before_the_answer_is_forgiven_after_it_is_not(bench: Bench) -> None:
    """Spoken words cannot be taken back."""
    bench.service.script = [None]
    assert bench.error().outcome == "broke the connection"
    assert len(bench.service.asked) == 2
    bench.service.script = ["Hello", 0.1, None]
    assert bench.text() == "Hello"
    assert bench.error().outcome == "broke the connection"
    assert len(bench.service.asked) == 4


def test_it_recovers(bench: Bench) -> None:
    """The next question is answered as if nothing had been."""
    llm = bench.llm()
    bench.service.refusals = [refuse(500), refuse(500)]
    assert bench.marbles.record(llm(HI))[-1].kind == "error"
    assert [one.value for one in bench.marbles.record(llm(HI))][:-1] == ["Hello", " there."]


# ---- nonsense --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [b"data: {\n\n", b"data: 7\n\n", b'data: {"choices": 7}\n\n', b'data: {"choices": [7]}\n\n',
     b'data: {"choices": [{"delta": {"content": 7}}]}\n\n', b'data: {"choices": [{"delta": 7}]}\n\n',
     b"data: " + b"[" * 100_000 + b"\n\n", b"x" * 1_100_000],
)  # fmt: skip
def test_garbage_is_an_error_that_shows_it(bench: Bench, garbage: bytes) -> None:
    """Nothing that is sent gets further than here."""
    bench.service.script = [garbage, 0.1]
    error = bench.error()
    assert isinstance(error, LlmGarbled)
    assert error.outcome == "sent an invalid message"
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ({"message": "no memory", "code": 500}, LlmUnavailable, "failed in the middle of its answer: no memory"),
        ("overloaded", LlmUnavailable, "failed in the middle of its answer: overloaded"),
        ({"message": "too long", "code": 400}, LlmRefused, "refuses the request: 400 too long"),
    ],
)  # fmt: skip
def test_an_error_within_the_stream(bench: Bench, fault: Any, kind: type, says: str) -> None:
    """Status 200 was sent before it went wrong."""
    bench.service.script = ["Hello", f"data: {json.dumps({'error': fault})}\n\n".encode()]
    error = bench.error()
    assert type(error) is kind
    assert str(error).endswith(says)


def test_an_end_in_the_middle_is_an_error(bench: Bench) -> None:
    """The connection was closed in order, the answer was not."""
    bench.service.script = ["Hello"]
    assert bench.error().outcome == "broke off in the middle of its answer"


# ---- what a model refuses --------------------------------------------------------------------------------------------


def test_what_a_model_refuses_is_left_out_from_then_on(bench: Bench) -> None:
    """One 400 names a field, the next another; the user waits for neither a second time."""
    unsupported = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
    bench.service.refusals = [
        refuse(400, {"error": {"message": unsupported}}),
        refuse(400, {"error": {"message": "Unsupported value: 'temperature' does not support 0.3."}}),
    ]
    llm = bench.llm()
    assert bench.marbles.record(llm(HI))[-1].kind == "completed"
    assert bench.marbles.record(llm(HI))[-1].kind == "completed"
    asked = [{"max_tokens", "max_completion_tokens", "temperature"} & request.keys() for request in bench.service.asked]
    assert asked == [
        {"max_tokens", "temperature"},
        {"max_completion_tokens", "temperature"},
        {"max_completion_tokens"},
        {"max_completion_tokens"},
    ]


def test_a_service_that_does_not_count_is_not_asked_to(bench: Bench) -> None:
    """Mistral said so with 422, others with 400."""
    bench.service.refusals = [refuse(422, {"detail": [{"loc": ["body", "stream_options"], "type": "extra_forbidden"}]})]
    assert bench.text() == "Hello there."
    assert ["stream_options" in request for request in bench.service.asked] == [True, False]


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 4}}, 4),
        ({"prompt_tokens_details": None, "prompt_cache_hit_tokens": 5}, 5),
    ],
    ids=["none", "OpenAI", "DeepSeek"],
)
def test_what_an_answer_has_cost_comes_last(bench: Bench, details: dict[str, Any], cached: int) -> None:
    """As the service counts it, in a chunk behind the end of the text."""
    usage = {"prompt_tokens": 9, "completion_tokens": 2, **details}
    bench.service.script = ["Hello", STOP, b"data: %b\n\n" % json.dumps({"choices": [], "usage": usage}).encode(), DONE]
    assert [one.value for one in bench.ask()][:-1] == ["Hello", TokensCounted(9, 2, cached)]


def test_the_same_refusal_twice_is_an_error(bench: Bench) -> None:
    """No field is left to leave out."""
    bench.service.refusals = [refuse(400, {"error": {"message": "temperature is out of range"}}) for _ in range(2)]
    assert isinstance(bench.error(), LlmRefused)


# ---- models ----------------------------------------------------------------------------------------------------------


def test_the_only_model_is_taken(bench: Bench) -> None:
    """It is taken when none is configured."""
    bench.text(model=None)
    assert bench.service.asked[0]["model"] == "tiny"


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (["a", "b"], "is not set up: set llm_model to one of its models: a, b"),
        ([], "is not set up: it has no models"),
        (web.json_response(["a"]), "lists no models; it should be an OpenAI-compatible service"),
        (refuse(401), "does not accept our key: set llm_api_key (401 null)"),
    ],
)
def test_which_model_is_a_question_of_configuration(bench: Bench, models: Any, says: str) -> None:
    """The error names the choice."""
    bench.service.models = models
    assert str(bench.error(model=None)).endswith(says)


@pytest.mark.parametrize(
    ("models", "says"),
    [
        (["tiny"], "gone (not listed; the service has tiny)"),
        (["gone:latest"], "gone"),
        ([], "gone (the service lists no models)"),
        (web.json_response(["a"]), "gone (the service lists no models)"),
        (refuse(403), "gone (the service lists no models)"),
        (refuse(404), "gone (the service lists no models)"),
    ],
)
def test_the_list_of_models_never_decides(bench: Bench, models: Any, says: str) -> None:
    """When a model is set, a list without it is a remark only."""
    bench.service.models = models
    assert bench.marbles.run(bench.llm(model="gone").check()) == says
    assert bench.text(model="gone")


def test_a_model_that_was_found_and_is_replaced_is_found_again(bench: Bench) -> None:
    """A service that was restarted with another one."""
    llm = bench.llm(model=None)
    bench.marbles.record(llm(HI))
    bench.service.models, bench.service.refusals = ["newer"], [refuse(404, "no such model")]
    assert bench.marbles.record(llm(HI))[-1].kind == "error"
    bench.marbles.record(llm(HI))
    assert bench.service.asked[-1]["model"] == "newer"


@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_in_one_piece_is_an_answer(bench: Bench, indent: int | None) -> None:
    """Of a cache, or of a service that does not stream."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    text = json.dumps({"object": "chat.completion", "choices": [choice]}, indent=indent)
    bench.service.refusals = [_json(text)]
    assert bench.text() == "Hello."
    bench.service.refusals = [_json('{"choices": []}'), _json('{"choices": []}')]
    assert bench.error().outcome == "broke off in the middle of its answer"
    bench.service.refusals = [_json('{"error": {"message": "no credit", "code": 402}}')]
    assert "no credit" in str(bench.error())


def _json(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")


# ---- a proxy ---------------------------------------------------------------------------------------------------------


def test_a_service_elsewhere_is_asked_through_the_proxy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the proxy's own password, for the list of models as for an answer; the service is not looked for itself."""
    proxy = bench.service.url.replace("//", "//me:secret@")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    options = {"url": "http://llm.example/v1", "model": None}
    assert bench.text(**options) == "Hello there."
    assert bench.service.headers[-1]["Host"] == "llm.example"
    assert bench.service.headers[-1]["Proxy-Authorization"].startswith("Basic ")
    assert bench.service.listed == 1


def test_a_service_of_this_machine_is_asked_without_a_proxy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy could not reach it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert bench.text() == "Hello there."


def test_a_proxy_that_is_not_there_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service that cannot be reached."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert bench.error(url="http://llm.example/v1").outcome == "cannot be reached"
