"""`Dialects`: the dialect of each client, with the limits and the characters of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from voicepipe.characters.prompts import Characters
from voicepipe.conversation import ClientInfo
from voicepipe.installation.installation import install_command
from voicepipe.realtime import DialectNegotiation
from voicepipe.realtime.ga.dialect import Ga, session_part
from voicepipe.realtime.limits import RequestLimits
from voicepipe.realtime.negotiation import DialectKind
from voicepipe.server.settings import ServerSettings

__all__ = ["Dialects"]


class Dialects:
    """Makes the dialect of each session of one server. `functions`: its model can call functions.
    `logprobs`: its recogniser gives them.

    Raises ModuleNotFoundError where tool servers are allowed and the package mcp is absent.
    """

    def __init__(self, settings: ServerSettings, characters: Characters, *, functions: bool, logprobs: bool) -> None:
        self._characters, self._functions, self._logprobs = characters, functions, logprobs
        if settings.mcp_allowed_urls and find_spec("mcp") is None:
            message = f"mcp_allowed_urls needs the package mcp: {install_command('mcp')}"
            raise ModuleNotFoundError(message, name="mcp")
        self._mcp_urls = settings.mcp_allowed_urls
        self._limits = RequestLimits(
            prompt_tokens=settings.llm_history_tokens,
            tools=settings.max_tools,
            responses_per_minute=settings.max_responses_per_minute,
        )

    def negotiation(
        self,
        kind: DialectKind,
        session_id: str,
        client: ClientInfo,
        *,
        greeting: Mapping[str, Any],
        session: Mapping[str, Any],
        rtp: bool,
    ) -> DialectNegotiation:
        """Return how a client speaks. The model that it asks for is a name, which is repeated to it.

        Args:
            kind: The dialect by the handshake.
            session_id: The id of its session.
            client: What is known of the client.
            greeting: What `session.created` tells besides.
            session: Settings that the session begins with, checked.
            rtp: Its sound travels as RTP.
        """
        return DialectNegotiation(
            kind,
            session_id,
            model=client.model,
            write=self._characters.system_prompt,
            lines=self._characters.lines,
            functions=self._functions,
            logprobs=self._logprobs,
            limits=self._limits,
            clock=asyncio.get_running_loop().time,
            transcribes=client.query.get("intent") == "transcription",
            greeting=greeting,
            session=session,
            rtp=rtp,
            mcp_urls=self._mcp_urls,
        )

    def checked(self, session: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a client's part of the settings, checked, and all settings of a session that begins with it.

        Raises:
            Rejected: A field is wrong, or the settings would cost too much. It names the field.
        """
        part = session_part(session)
        begun = Ga(
            write=self._characters.system_prompt,
            functions=self._functions,
            logprobs=self._logprobs,
            limits=self._limits,
            session=part,
            mcp_urls=self._mcp_urls,
        )
        return part, begun.session
