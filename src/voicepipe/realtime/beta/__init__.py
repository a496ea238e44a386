"""The beta form of OpenAI's Realtime API."""
