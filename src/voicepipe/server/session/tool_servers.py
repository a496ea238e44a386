"""`SessionToolServers`: the tool servers (MCP) that a client names in its session, connected as long as it names them.

Their lists of tools go to the client beside the pipeline, since no stage reads them. The model's calls and their
results go through it, as those of the pipeline's own functions do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation, Function, FunctionCall, ToolServer
from voicepipe.conversation.tokens import tool_tokens
from voicepipe.events import (
    Event,
    FunctionCalled,
    ServerTool,
    ToolApprovalGiven,
    ToolListFailed,
    ToolListStarted,
    ToolsListed,
)
from voicepipe.operators import McpServer, with_tools
from voicepipe.operators.toolbox import Outcome, error_text
from voicepipe.presets import MCP, TOOLS
from voicepipe.rx import LoopScheduler, from_async
from voicepipe.server.settings import ServerSettings
from voicepipe.session import Llm

if TYPE_CHECKING:
    from mcp.types import Tool

__all__ = ["SessionToolServers", "ToolServerLimits"]

Connect: TypeAlias = Callable[[ToolServer, Callable[["Tool"], bool], Callable[[Exception | None], object]], McpServer]
"""Makes the connection to a server, of its tools that may be called, with a function that is told of changes."""

# Servers that one session is connected to; OpenAI's models get confused by fewer.
_MOST = 8
# How long a response waits for the tools that only it names.
_LIST_WAIT_S = 3.0


def _connect(
    server: ToolServer, allow: Callable[[Tool], bool], changed: Callable[[Exception | None], object]
) -> McpServer:
    return McpServer(server.label, server.url, MCP, allow=allow, headers=dict(server.headers), changed=changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolServerLimits:
    """The limits of one session's tool servers.

    Args:
        tokens: what the tools of all servers may take of a prompt, together (estimated)
        approval_s: how long a call waits for the client's approval
        connect: makes a connection
    """

    tokens: int
    approval_s: float
    connect: Connect = _connect

    @classmethod
    def of(cls, settings: ServerSettings) -> ToolServerLimits:
        """Return the limits of a server's settings."""
        return cls(tokens=settings.llm_history_tokens, approval_s=settings.mcp_approval_s)


@dataclass(slots=True, eq=False)
class _Connected:
    """A server that the session is connected to, or is connecting to."""

    server: ToolServer
    mcp: McpServer
    tools: dict[str, tuple[str, ServerTool]] = field(default_factory=dict[str, "tuple[str, ServerTool]"])
    """By the name of the function for the model: its name at `mcp`, and the tool."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    has_failed: bool = False
    holding: abc.DisposableBase | None = None

    @property
    def ready(self) -> dict[str, ServerTool]:
        """The tools that can be called now."""
        return {name: tool for name, (own, tool) in self.tools.items() if own in self.mcp}


class SessionToolServers:
    """The tool servers of one session.

    Args:
        emit: Takes the events for the client.
        limits: Those of the session.
    """

    def __init__(self, emit: Callable[[Event], None], limits: ToolServerLimits) -> None:
        self._emit, self._limits = emit, limits
        self._scheduler = LoopScheduler(asyncio.get_running_loop())
        self._connected: dict[ToolServer, _Connected] = {}
        self._of_session: tuple[ToolServer, ...] = ()
        self._decisions: dict[str, asyncio.Future[ToolApprovalGiven]] = {}

    def use(self, servers: tuple[ToolServer, ...]) -> None:
        """Connect to the servers of the session's settings, and to no others."""
        self._of_session = servers
        for gone in [one for one in self._connected if one not in servers]:
            self._leave(gone)
        self.use_too(servers)

    def use_too(self, servers: Iterable[ToolServer]) -> None:
        """Connect to the servers of one response; they stay until others take their place."""
        for server in servers:
            if server not in self._connected:
                for old in [one for one in self._connected if one not in self._of_session][
                    : len(self._connected) - _MOST + 1
                ]:
                    self._leave(old)
                self._join(server)

    async def close(self, grace_s: float) -> None:
        """Close all connections, and wait up to `grace_s` for that."""
        for server in list(self._connected):
            self._leave(server)
        if tasks := self._scheduler.tasks.copy():
            await asyncio.wait(tasks, timeout=grace_s)

    def decide(self, approval: ToolApprovalGiven) -> None:
        """Take the client's decision on a call that waits for it, or is about to."""
        decision = self._decision(approval.call_id)
        if not decision.done():
            decision.set_result(approval)

    def offering(self, llm: Llm) -> Llm:
        """Return a model that may call the tools of the conversation's servers, too. A function of the pipeline's or
        the client's counts more than a tool of the same name."""

        def make(conversation: Conversation) -> Observable[str | Event]:
            generation = conversation.generation
            if not generation.servers:
                return llm(conversation)
            taken = frozenset(function.name for function in generation.functions)
            answer = with_tools(llm, _Offered(self, generation.servers, taken), TOOLS)(conversation)
            answer = answer.pipe(rx_ops.map(self._labelled))
            late = [one for one in generation.servers if one not in self._of_session and not self._has_answered(one)]
            return answer if not late else reactivex.concat(from_async(lambda: self._wait(late), "tools"), answer)

        return make

    def _labelled(self, said: str | Event) -> str | Event:
        """Return a call with the label of the server that has it."""
        if not isinstance(said, FunctionCalled) or not said.server_side:
            return said
        label = next((one.server.label for one in self._connected.values() if said.call.name in one.ready), "")
        return replace(said, server=label)

    def tools(self, servers: Iterable[ToolServer]) -> dict[str, ServerTool]:
        """Return the tools of these servers that can be called now, by the names of their functions."""
        known = (self._connected.get(server) for server in servers)
        return {name: tool for one in known if one is not None for name, tool in one.ready.items()}

    async def run(self, call: FunctionCall, deadline_s: float) -> Outcome:
        """Call a tool, when the client has approved of it where it wants to be asked."""
        one = next((one for one in self._connected.values() if call.name in one.ready), None)
        if one is None:
            return Outcome("is unknown", error_text(f"{call.name} is not available at the moment"))
        own, tool = one.tools[call.name]
        if tool.needs_approval and (why := await self._refused(call.id)):
            return Outcome("was not approved", error_text(why))
        return await one.mcp.run(replace(call, name=own), deadline_s=deadline_s)

    # ---- approvals --------------------------------------------------------------------------------------------------

    def _decision(self, call_id: str) -> asyncio.Future[ToolApprovalGiven]:
        return self._decisions.setdefault(call_id, asyncio.get_running_loop().create_future())

    async def _refused(self, call_id: str) -> str:
        """Wait for the client's decision. Return why the call is not made; "" if it is."""
        try:
            async with asyncio.timeout(self._limits.approval_s):
                decision = await self._decision(call_id)
        except TimeoutError:
            return f"the call was not approved within {self._limits.approval_s:g} s"
        finally:
            self._decisions.pop(call_id, None)
        if decision.approve:
            return ""
        return f"the call was refused: {decision.reason}" if decision.reason else "the call was refused"

    # ---- connections ------------------------------------------------------------------------------------------------

    def _join(self, server: ToolServer) -> None:
        one = _Connected(
            server,
            self._limits.connect(
                server,
                lambda tool: server.allow.matches(tool.name, read_only=_only_reads(tool)),
                lambda error: self._changed(server, error),
            ),
        )
        self._connected[server] = one
        self._emit(ToolListStarted(server.label))
        one.holding = one.mcp.connection.subscribe(scheduler=self._scheduler)

    def _leave(self, server: ToolServer) -> None:
        one = self._connected.pop(server)
        one.answered.set()
        if one.holding is not None:
            one.holding.dispose()

    def _has_answered(self, server: ToolServer) -> bool:
        one = self._connected.get(server)
        return one is None or one.answered.is_set()

    async def _wait(self, servers: list[ToolServer]) -> AsyncGenerator[str | Event, None]:
        """Wait for lists of tools."""
        for one in [self._connected[server] for server in servers if server in self._connected]:
            try:
                async with asyncio.timeout(_LIST_WAIT_S):
                    await one.answered.wait()
            except TimeoutError:
                return
        return
        yield ""

    def _changed(self, server: ToolServer, error: Exception | None) -> None:
        """Take the tools of a server as they are now, and tell the client, once of each list and of each failure."""
        one = self._connected.get(server)
        if one is None:
            return
        one.answered.set()
        if error is not None:
            self._fail(one, f"The tools of {server.label} cannot be listed: the server cannot be reached.")
            return
        tools = self._named(one)
        others = [
            tool.function for other in self._connected.values() if other is not one for tool in other.ready.values()
        ]
        tokens = tool_tokens((*others, *(tool.function for _, tool in tools.values())))
        if tokens > self._limits.tokens:
            what = f"The tools of {server.label} would take the prompt to {tokens} tokens (estimated), and "
            self._fail(one, f"{what}{self._limits.tokens} is the limit: name fewer in allowed_tools.")
        elif tools != one.tools or one.has_failed or not tools:
            one.tools, one.has_failed = tools, False
            self._emit(ToolsListed(server.label, tuple(tool for _, tool in tools.values())))

    def _fail(self, one: _Connected, why: str) -> None:
        if not one.has_failed:
            one.has_failed, one.tools = True, {}
            self._emit(ToolListFailed(one.server.label, why))

    def _named(self, one: _Connected) -> dict[str, tuple[str, ServerTool]]:
        """Return the tools of a server by names that no tool of another server has."""
        taken = {name for other in self._connected.values() if other is not one for name in other.tools}
        functions = {function.name: function for function in one.mcp.functions}
        return {
            unique: (own, _tool(one.server, replace(functions[own], name=unique), tool))
            for own, tool in one.mcp.tools.items()
            for unique in [own if own not in taken else f"{one.server.label}_{own}"[:64]]
        }


@dataclass(frozen=True, slots=True)
class _Offered:
    """The tools of some servers, for `with_tools`, without those with a name that is taken."""

    owner: SessionToolServers
    servers: tuple[ToolServer, ...]
    taken: frozenset[str]

    @property
    def functions(self) -> tuple[Function, ...]:
        tools = self.owner.tools(self.servers)
        return tuple(tool.function for name, tool in tools.items() if name not in self.taken)

    def __contains__(self, name: str) -> bool:
        return name not in self.taken and name in self.owner.tools(self.servers)

    async def run(self, call: FunctionCall, *, deadline_s: float) -> Outcome:
        return await self.owner.run(call, deadline_s)


def _only_reads(tool: Tool) -> bool:
    return tool.annotations is not None and bool(tool.annotations.read_only_hint)


def _tool(server: ToolServer, function: Function, tool: Tool) -> ServerTool:
    annotations: dict[str, Any] = (
        {} if tool.annotations is None else tool.annotations.model_dump(exclude_none=True, by_alias=True)
    )
    needs = server.needs_approval(tool.name, read_only=_only_reads(tool))
    return ServerTool(function, tool.name, annotations, needs)
