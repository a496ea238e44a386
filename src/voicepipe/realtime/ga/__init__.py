"""The GA form of OpenAI's Realtime API."""
