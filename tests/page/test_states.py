"""The page's looks and words in each of its states, in a real browser."""

from __future__ import annotations

import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from processes import free_port
from tcp_relay import relaying

import voicepipe
from tests.page.conftest import FAKE_DEVICE, PHONE, Inspect, Launch, opened, served

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("page")]

PAGE = Path(voicepipe.__file__).parent / "server" / "page"
MOST_BYTES = 150_000


def talks(page: Page) -> None:
    """Press the button, and wait for the conversation."""
    page.click("#talk-button")
    expect(page.locator("body")).to_have_attribute("data-phase", "on")


def types(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.press("#text", "Enter")


def test_it_is_small(browser: Browser, scripted_url: str, inspect: Inspect) -> None:
    """All that it loads, in one round."""
    with opened(browser, "about:blank") as page:
        bodies: dict[str, int] = {}
        page.on("response", lambda response: bodies.setdefault(response.url, len(response.body())))
        page.goto(scripted_url, wait_until="networkidle")
        inspect(page, "start")
        # The worklets follow when one talks.
        bodies |= {path.name: path.stat().st_size for path in PAGE.glob("*_worklet.js")}
        assert sum(bodies.values()) <= MOST_BYTES, bodies
        assert len(bodies) >= len(list(PAGE.glob("*.js"))) - 3


def test_it_says_how_the_server_is(browser: Browser, scripted_url: str, inspect: Inspect) -> None:
    with opened(browser, scripted_url) as page:
        expect(page.locator("#state-word")).to_have_text("ready to talk")
        page.click("footer > details > summary")
        assert page.inner_text("#address").endswith("/v1/realtime")
        page.click("#settings summary")
        inspect(page, "settings")


def test_one_can_type_and_is_answered_aloud(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        talks(page)
        types(page, "Hello.")
        expect(page.locator("body")).to_have_attribute("data-floor", "speaking")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.")
        expect(page.locator("body")).to_have_attribute("data-floor", "listening")


def test_a_pipeline_can_be_chosen_where_there_are_several(browser: Browser, tmp_path: Path) -> None:
    """The first one, until another is chosen for the next conversation."""
    text = (Path(__file__).parent / "scripted.py").read_text("utf-8").replace("This was message", "The second says")
    helpers = str(Path(__file__).parents[1] / "helpers")
    (tmp_path / "second.py").write_text(text, "utf-8")
    with (
        served("scripted.py", str(tmp_path / "second.py"), PYTHONPATH=with_helpers(helpers)) as url,
        opened(browser, url) as page,
    ):
        page.click("#settings summary")
        assert page.locator("#pipeline option").all_text_contents() == ["Scripted", "Second"]
        page.select_option("#pipeline", "second")
        expect(page.locator("#chosen")).to_contain_text("Second")
        talks(page)
        types(page, "Hello.")
        expect(page.locator(".bot.done .heard")).to_have_text("The second says 1.")


def with_helpers(folder: str) -> str:
    """Python's path, and this folder."""
    return os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def test_typing_interrupts_a_reply(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        talks(page)
        types(page, "A long one, please.")
        expect(page.locator(".bot .heard")).to_contain_text("and so it")
        types(page, "Stop.")
        expect(page.locator(".bot.cut")).to_have_count(1)
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 3.")


def test_replies_can_be_text_only(browser: Browser, scripted_url: str, inspect: Inspect) -> None:
    """No sound comes, and the reply is complete at once."""
    with opened(browser, scripted_url, transport="websocket") as page:
        frames: list[str] = []
        page.on("websocket", lambda found: found.on("framereceived", lambda frame: frames.append(str(frame))))
        page.click("#settings summary")
        page.check("#text-only")
        talks(page)
        types(page, "Hello.")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.")
        assert not any("response.output_audio.delta" in frame for frame in frames)
        inspect(page, "text-only")


def test_push_to_talk_sends_sound_while_the_key_is_down(browser: Browser, scripted_url: str, inspect: Inspect) -> None:
    with opened(browser, scripted_url, transport="websocket") as page:
        sent: list[str] = []
        page.on("websocket", lambda found: found.on("framesent", lambda frame: sent.append(str(frame)[:50])))
        page.click("#settings summary")
        page.check("#push-to-talk")
        page.click("#settings summary")
        talks(page)
        page.wait_for_timeout(300)
        assert not any("append" in frame for frame in sent)
        page.locator("#talk-button").focus()
        page.keyboard.down("Space")
        expect(page.locator("#status")).to_have_text("Release when you have finished")
        page.wait_for_timeout(300)
        inspect(page, "push-to-talk")
        page.keyboard.up("Space")
        page.wait_for_selector(".bot")
        kinds = [re.sub(r'.*?"type":"([^"]+).*', r"\1", frame) for frame in sent]
        assert "input_audio_buffer.append" in kinds
        after = [kind for kind in kinds if kind != "input_audio_buffer.append"]
        assert after[-2:] == ["input_audio_buffer.commit", "response.create"]
        page.click("#end")
        expect(page.locator("#talk-button")).to_be_enabled()


def test_an_end_by_the_server_is_explained(browser: Browser) -> None:
    """Here a session lasts a tenth of a minute; the words stay, and one can talk again."""
    with served("scripted.py", VOICEPIPE_SESSION_LIMIT_S="6") as url, opened(browser, url) as page:
        talks(page)
        types(page, "Hello.")
        expect(page.locator("#problem-title")).to_have_text("The server has ended the conversation", timeout=20_000)
        expect(page.locator("#problem-text")).to_contain_text("a session lasts 0.1 minutes at most")
        expect(page.locator("#status")).to_have_text("Press to talk again")
        expect(page.locator(".bot .heard")).to_have_text("This was message 1.")
        talks(page)


def test_a_phone_has_room_for_all(browser: Browser, scripted_url: str, inspect: Inspect) -> None:
    with opened(browser, scripted_url, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        talks(page)
        types(page, "Hello.")
        expect(page.locator(".bot.done")).to_have_count(1)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        inspect(page, "phone")


def test_a_refused_microphone_is_explained_and_one_can_type(
    browser: Browser, scripted_url: str, inspect: Inspect
) -> None:
    with opened(browser, scripted_url, permissions=[]) as page:
        page.click("#talk-button")
        expect(page.locator("#problem-title")).to_have_text("The microphone is blocked")
        inspect(page, "refused")
        page.click("#type-instead")
        expect(page.locator("#status")).to_have_text("Type something")
        types(page, "Hello.")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.")


def test_an_absent_microphone_is_explained(launch: Launch, scripted_url: str) -> None:
    with launch("--disable-audio-input") as browser, opened(browser, scripted_url) as page:
        page.click("#talk-button")
        expect(page.locator("#problem-title")).to_have_text("There is no microphone")


def test_an_address_without_tls_is_explained(launch: Launch) -> None:
    """Of another machine's name: browsers give no microphone there."""
    with (
        served("scripted.py") as url,
        launch(FAKE_DEVICE, "--host-resolver-rules=MAP voice.test 127.0.0.1") as browser,
        opened(browser, url.replace("127.0.0.1", "voice.test"), permissions=[]) as page,
    ):
        page.click("#talk-button")
        expect(page.locator("#problem-title")).to_have_text("This address gives no microphone")


def test_a_full_server_says_when_to_try_again(browser: Browser, inspect: Inspect) -> None:
    with served("scripted.py", "--max-sessions", "1") as url, ExitStack() as windows:
        first, second = (windows.enter_context(opened(browser, url)) for _ in range(2))
        talks(first)
        second.click("#talk-button")
        expect(second.locator("#problem-title")).to_have_text("The server is full")
        expect(second.locator("#problem-text")).to_contain_text("The one conversation of this server is taken")
        expect(second.locator("#again")).to_contain_text(re.compile(r"Try again in \d+ s"))
        expect(second.locator("#state-word")).to_have_text("full at the moment")
        inspect(second, "full")
        first.click("#talk-button")
        expect(first.locator("body")).to_have_attribute("data-phase", "idle")
        talks(second)


def test_a_service_that_is_down_is_named(browser: Browser, inspect: Inspect) -> None:
    """No port of this machine answers there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nothing = taken.getsockname()[1]
    services = (f"--{kind}={scheme}://127.0.0.1:{nothing}" for kind, scheme in
                (("stt", "ws"), ("tts", "ws"), ("llm", "http")))  # fmt: skip
    with served("../../pipelines/default.py", *services) as url, opened(browser, url) as page:
        expect(page.locator("#state-word")).to_contain_text("is down")
        page.click("#talk-button")
        expect(page.locator("#problem-title")).to_have_text("A service is down")
        expect(page.locator("#problem-text")).to_contain_text("The speech recognition (STT) cannot be reached.")
        inspect(page, "service-down")


def test_a_key_is_asked_for_and_kept_in_memory_only(browser: Browser, inspect: Inspect) -> None:
    with served("scripted.py", VOICEPIPE_API_KEYS='["open-sesame"]') as url, opened(browser, url) as page:
        expect(page.locator("#problem-title")).to_have_text("This server needs a key")
        inspect(page, "key")
        page.fill("#key", "wrong")
        page.press("#key", "Enter")
        expect(page.locator("#problem-text")).to_contain_text("That key was refused")
        page.fill("#key", "open-sesame")
        page.press("#key", "Enter")
        expect(page.locator("body")).to_have_attribute("data-phase", "on")
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_a_restarted_server_is_found_again_and_the_conversation_goes_on(browser: Browser, inspect: Inspect) -> None:
    """The new process is told what was said."""
    port = str(free_port())
    with ExitStack() as windows:
        with served("scripted.py", "--port", port) as url:
            page = windows.enter_context(opened(browser, url))
            talks(page)
            types(page, "Hello.")
            expect(page.locator(".bot.done .heard")).to_have_text("This was message 1.")
        expect(page.locator("#status")).to_have_text("The connection was lost. Reconnecting …")
        inspect(page, "reconnecting")
        with served("scripted.py", "--port", port):
            expect(page.locator("#notice")).to_have_text("Connected again. The conversation goes on.")
            types(page, "Are you there?")
            expect(page.locator(".bot.done .heard").nth(1)).to_have_text("This was message 3.")
            page.click("#talk-button")


def test_a_session_outlives_a_broken_network(browser: Browser, scripted_url: str) -> None:
    """The server has kept it: the reply that was being spoken goes on, and what was typed meanwhile is answered."""
    with relaying(scripted_url) as network, opened(browser, network.url, transport="websocket") as page:
        addresses: list[str] = []
        page.on("websocket", lambda found: addresses.append(found.url))
        talks(page)
        types(page, "A long one, please.")
        expect(page.locator(".bot .heard")).to_contain_text("and so it goes on and so")
        network.cut()
        expect(page.locator("#status")).to_have_text("The connection was lost. Reconnecting …")
        types(page, "Stop.")
        network.restore()
        expect(page.locator("#notice")).to_have_text("Connected again. The conversation goes on.")
        expect(page.locator(".bot.done .heard")).to_have_text("This was message 3.")
        assert "resumable=true" in addresses[0]
        assert any("session_id=sess_" in address for address in addresses[1:])
        assert page.locator(".bot.cut").count() == 1
        expect(page.locator("#captions")).to_contain_text("Stop.")


def test_a_page_of_another_version_says_so(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        page.evaluate("document.querySelector('meta[name=page-version]').content = 'another'")
        talks(page)
        expect(page.locator("#outdated")).to_be_visible()


def test_the_button_is_reached_and_pressed_by_the_keyboard(browser: Browser, scripted_url: str) -> None:
    with opened(browser, scripted_url) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "talk-button"
        page.keyboard.press("Enter")
        expect(page.locator("body")).to_have_attribute("data-phase", "on")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        page.click("#mute")
        expect(page.locator("#status")).to_have_text("You are muted")
