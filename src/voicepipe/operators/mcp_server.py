"""`McpServer`: the tools of a server of the Model Context Protocol, as functions of the model."""

from __future__ import annotations

import asyncio
import contextvars
import json
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import structlog
from pydantic import TypeAdapter, ValidationError
from reactivex import Observable

from voicepipe.conversation import Function, FunctionCall
from voicepipe.events import Event
from voicepipe.installation.installation import install_command
from voicepipe.operators.toolbox import RETURNED, Outcome, error_text
from voicepipe.presets import Mcp
from voicepipe.rx import from_async

if TYPE_CHECKING:
    from mcp import Client, StdioServerParameters
    from mcp.server import MCPServer
    from mcp.types import CallToolResult, Tool

__all__ = ["McpServer"]

log = structlog.get_logger()

# What OpenAI does not allow in the name of a function; MCP does allow dots and slashes.
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64
# A list of tools without an end is not read any further.
_MOST_PAGES = 20
_ARGUMENTS = TypeAdapter(dict[str, Any])


class McpServer:
    """The tools of an MCP server: `with_tools` and `Agent` take the object among their functions.

    `connection` is merged into the pipeline's output. As long as a session is subscribed, one connection serves all
    sessions of the process: a program runs once. The tools are offered to the model as soon as they are known. A lost
    connection is made again after `retry_s`, for as long as it takes; meanwhile the tools are not offered, and a call
    is an error that the model reads, as are a tool's error, a missed deadline and wrong arguments. A new list of tools
    (`notifications/tools/list_changed`) is read at once. A call goes on after a barge-in, as that of any function does
    (see `with_tools`).

    What a server describes and returns is read by the model: connect only to servers that you trust, and name in
    `allow` what the model needs.

    Args:
        name: The server's name in the log.
        server: The address of a server (streamable HTTP); a program, as `mcp.StdioServerParameters`; or, in tests, an
            `mcp.server.MCPServer` in this process.
        limits: How long the server may take to connect, and how long a result may be.
        allow: The names of the tools that the model may call, or a function that says it of a tool; None: all.
        headers: Headers for each HTTP request, such as an `Authorization`.
        changed: Is called with None when the list of tools is there, or has changed, and with the error when the server
            cannot be reached.

    Raises:
        ModuleNotFoundError: The extra `mcp` is not installed.
    """

    def __init__(
        self,
        name: str,
        server: str | StdioServerParameters | MCPServer[Any],
        limits: Mcp,
        *,
        allow: Collection[str] | Callable[[Tool], bool] | None,
        headers: Mapping[str, str] | None = None,
        changed: Callable[[Exception | None], object] = lambda _: None,
    ) -> None:
        if find_spec("mcp") is None:
            raise ModuleNotFoundError(f"McpServer needs the package mcp: {install_command('mcp')}", name="mcp")
        self.__name__ = name  # for pictures and messages, as of a function
        self._server, self._limits, self._headers, self._changed = server, limits, dict(headers or {}), changed
        self._named = None if allow is None or callable(allow) else frozenset(allow)
        self._allows = allow if callable(allow) else self._is_named
        self._tools: dict[str, Tool] = {}
        self._functions: tuple[Function, ...] = ()
        self._client: Client | None = None
        self._wake = asyncio.Event()
        self._lost = False
        self._sessions = 0
        self._task: asyncio.Task[None] | None = None

    # ---- what `with_tools` needs -------------------------------------------------------------------------------------

    def _is_named(self, tool: Tool) -> bool:
        return self._named is None or tool.name in self._named

    @property
    def functions(self) -> tuple[Function, ...]:
        """The tools that can be called now, as the model reads them."""
        return self._functions

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools that can be called now, as the server describes them, by the names of their functions."""
        return self._tools

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    async def run(self, call: FunctionCall, *, deadline_s: float) -> Outcome:
        """Call a tool, and return its texts, its structured content as JSON, or `{"error": …}`."""
        clock = asyncio.get_running_loop().time
        began_s, outcome = clock(), Outcome("was cancelled", "")
        try:
            outcome = await self._run(call, deadline_s)
            return outcome
        finally:
            log.info(
                "function.called", function=call.name, server=self.__name__, outcome=outcome.what,
                took_s=round(clock() - began_s, 3),
            )  # fmt: skip

    async def _run(self, call: FunctionCall, deadline_s: float) -> Outcome:
        from mcp import MCPError

        tool, client = self._tools.get(call.name), self._client
        if tool is None or client is None:
            return Outcome("is unknown", error_text(f"{call.name} is not available at the moment"))
        try:
            arguments = _ARGUMENTS.validate_json(call.arguments.strip() or "{}")
        except ValidationError:
            return Outcome("was called wrongly", error_text("the arguments are not a JSON object"))
        try:
            async with asyncio.timeout(deadline_s):
                return self._told(await client.call_tool(tool.name, arguments))
        except TimeoutError:
            return Outcome("was late", error_text(f"no result within {deadline_s:g} s"))
        except MCPError as error:
            return Outcome("failed", error_text(error.message))
        except Exception as error:  # of many kinds: the connection is of no use any more
            log.warning("mcp.call_failed", server=self.__name__, function=call.name, exc_info=error)
            self._lost = True
            self._wake.set()
            return Outcome("failed", error_text(f"{call.name} could not be reached"))

    def _told(self, result: CallToolResult) -> Outcome:
        texts = [part.text if part.type == "text" else f"[{part.type}]" for part in result.content]
        told = "\n".join(texts) if texts else json.dumps(result.structured_content, ensure_ascii=False)
        if len(told) > self._limits.longest_result:
            told = f"{told[: self._limits.longest_result]} … (cut: {len(told)} characters)"
        return Outcome("failed", error_text(told)) if result.is_error else Outcome(RETURNED, told)

    # ---- the connection ----------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Observable[Event]:
        """Holds the connection as long as it is subscribed, and emits nothing: merge it into the pipeline's output. The
        last session to end closes it."""
        return from_async(self._hold, f"MCP: {self.__name__}")

    async def _hold(self) -> AsyncGenerator[Event, None]:
        self._sessions += 1
        if self._sessions == 1:
            # Its log lines belong to no session: it serves all of them.
            self._task = asyncio.create_task(self._serve(), name=self.__name__, context=contextvars.Context())
        try:
            await asyncio.get_running_loop().create_future()
            yield Event()
        finally:
            self._sessions -= 1
            if not self._sessions and self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])

    async def _serve(self) -> None:
        """Connect, again and again: a connection begins and ends in one task, as anyio demands."""
        while True:
            try:
                await self._connected()
                log.warning("mcp.lost", server=self.__name__, again_in_s=self._limits.retry_s)
            except Exception as error:
                log.warning("mcp.unreachable", server=self.__name__, again_in_s=self._limits.retry_s, error=_why(error))
                self._changed(error)
            finally:
                if self._task is asyncio.current_task():  # another one may have connected while this one closed
                    self._client, self._tools, self._functions = None, {}, ()
            await asyncio.sleep(self._limits.retry_s)

    async def _connected(self) -> None:
        """Offer the tools until the connection is lost."""
        from mcp import Client

        self._lost, self._wake = False, asyncio.Event()  # an event belongs to the loop on which it is awaited
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._limits.connect_s):
                server = await self._transport(stack)
                client = await stack.enter_async_context(Client(server, message_handler=self._notified))
                await self._list(client)
            self._client = client
            self._changed(None)
            while not self._lost:
                self._wake.clear()
                await self._wake.wait()
                if not self._lost:
                    async with asyncio.timeout(self._limits.connect_s):
                        await self._list(client)
                    self._changed(None)

    async def _transport(self, stack: AsyncExitStack) -> Any:
        """Return what `mcp.Client` connects to: for an address, HTTP with the headers, the proxy for it, and bounds."""
        if not isinstance(self._server, str):
            return self._server
        from mcp.client.streamable_http import streamable_http_client

        from voicepipe.operators.mcp_http import http_client

        http = await stack.enter_async_context(http_client(self._server, self._headers, self._limits.connect_s))
        return streamable_http_client(self._server, http_client=http)

    async def _notified(self, message: object) -> None:
        from mcp.types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self._wake.set()
        elif isinstance(message, Exception):
            self._lost = True
            self._wake.set()

    async def _list(self, client: Client) -> None:
        tools, cursor = list[Any](), None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor, cache_mode="bypass")
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        allowed = [tool for tool in tools if self._allows(tool)]
        self._tools = {_NOT_IN_NAMES.sub("_", tool.name)[:_LONGEST_NAME]: tool for tool in allowed}
        self._functions = tuple(
            Function(name, tool.description or tool.title or "", tool.input_schema)
            for name, tool in self._tools.items()
        )
        missing = sorted((self._named or frozenset[str]()) - {tool.name for tool in tools})
        log.info("mcp.connected", server=self.__name__, functions=list(self._tools), missing=missing)


def _why(error: BaseException) -> str:
    """Return what went wrong: anyio wraps the cause in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return f"{type(error).__name__}: {error}"
