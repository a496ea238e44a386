"""Virtual time for asyncio: the loop, and its parts."""
