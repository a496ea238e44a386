"""The contracts of a recogniser, a voice and a VAD, as checks of a stage: see `voicepipe.testing.check_stt`."""
