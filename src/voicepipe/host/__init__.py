"""A stage host: one stage of voicepipe as a server of its own, over the wire that Kyutai's servers have."""
