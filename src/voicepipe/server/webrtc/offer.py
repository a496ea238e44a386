"""The offer of a client that makes a call: no more of it is read than a call needs. Pure."""

from __future__ import annotations

import re

__all__ = ["bounded"]

# Sections of media. A call has two; browsers that also offer video, or that have called before, have some more. Each
# makes a transceiver.
_MOST_MEDIA = 16
# Addresses of the client, in all sections. A browser names about ten; each is checked by sending packets there.
_MOST_CANDIDATES = 64

# A name that browsers have for a private address. Asking the local network for one takes a second, one after the other;
# the client reaches the server without that, and its address is then known.
_MDNS = re.compile(r"a=candidate:\S+ \S+ \S+ \S+ \S+\.local\.? ", re.IGNORECASE)


def bounded(offer: str) -> str:
    """Return an offer without the candidates of the client that are not used: names of the local network (mDNS), and
    more than 64.

    >>> bounded("m=audio 9\\r\\na=candidate:1 1 udp 2113937151 1f4a.local 54400 typ host\\r\\na=mid:0\\r\\n")
    'm=audio 9\\r\\na=mid:0\\r\\n'

    Raises:
        ValueError: It has more than 16 sections of media.
    """
    kept: list[str] = []
    media = candidates = 0
    for line in offer.splitlines(keepends=True):
        media += line.startswith("m=")
        if line.startswith("a=candidate:"):
            if candidates == _MOST_CANDIDATES or _MDNS.match(line):
                continue
            candidates += 1
        kept.append(line)
    if media > _MOST_MEDIA:
        raise ValueError(f"it has {media} sections of media (m=); a call needs two, and may have {_MOST_MEDIA}")
    return "".join(kept)
