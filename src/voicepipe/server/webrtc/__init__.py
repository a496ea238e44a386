"""WebRTC: calls as OpenAI's GA API has them. Needs the extra `webrtc`; only `peer` and `tracks` import it."""
