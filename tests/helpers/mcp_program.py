"""An MCP server, as a program: on its standard input and output, or, with a port, over HTTP on the loopback address."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def make() -> MCPServer[Any]:
    """Return a server with tools that answer, fail, take long and say much."""
    server: MCPServer[Any] = MCPServer("town")

    @server.tool()
    async def opening_hours(place: str) -> str:
        """The opening hours of a place."""
        return f"{place} is open from nine to five"

    @server.tool(name="tickets.free")
    async def free_tickets(day: str) -> dict[str, int]:
        """The number of tickets that are left."""
        return {day: 7}

    @server.tool()
    async def close_town() -> str:
        """Close everything."""
        raise ToolError("the town cannot be closed")

    @server.tool()
    async def wait(seconds: float) -> str:
        """Wait for a while."""
        await asyncio.sleep(seconds)
        return "waited"

    @server.tool()
    async def chronicle() -> str:
        """Tell everything."""
        return "x" * 20_000

    return server


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make().run("streamable-http", port=int(sys.argv[1]))
    else:
        make().run("stdio")
