"""A language model behind an OpenAI-compatible API: client, stream, tool calls."""
