"""A help desk: two agents with a prompt, functions and a voice each. The first one hands the conversation over."""

from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.presets import ENDPOINTING, FILLER, GAPS, INTERRUPTION, PLAYBACK, TOOLS


def open_invoices(customer: int) -> list[str]:
    """The invoices that a customer has not paid."""
    return [f"invoice {customer}-7: 30 euros"]


DESK = ops.Agent(
    "desk", "You answer the phone. Be brief. Invoices are for billing.", tools=(ops.end_call,),
    voice="unmute-prod-website/p329_022.wav",
)  # fmt: skip
BILLING = ops.Agent(
    "billing", "You answer questions about invoices. Be brief.", tools=(open_invoices, ops.end_call),
    voice="unmute-prod-website/developer-1.mp3", description="For all about invoices.", greeting="This is billing.",
)  # fmt: skip


def pipeline(session: Session) -> Observable[Event]:
    """decode → VAD/STT → turn detector → agents → TTS in their voices → encode."""
    mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
    heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
    turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())

    llm = ops.with_agents(ops.with_filler(session.llm, FILLER), DESK, BILLING, TOOLS, summary="", handovers=2)
    reply = ops.replying(llm, ops.with_voices(session.tts, DESK, BILLING), PLAYBACK)
    spoken = turns.pipe(ops.respond(reply, INTERRUPTION), ops.hang_up_after(ops.end_call))
    return merge(heard, turns, spoken).pipe(ops.encode(session.codec))
