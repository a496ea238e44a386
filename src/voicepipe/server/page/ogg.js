/** Opus in Ogg pages, as `audio/opus` has it on the wire (RFC 7845). Pure. */

const HEADER = 27;
const PRE_SKIP = 312; // the encoder's delay at 48 kHz, at which Opus counts
const POLYNOMIAL = 0x04c11db7;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value & 0x8000_0000 ? POLYNOMIAL : 0);
  return value;
});

/** @param {Uint8Array} page */
function checksum(page) {
  let value = 0;
  for (const byte of page) value = (value << 8) ^ (CRC[((value >>> 24) ^ byte) & 0xff] ?? 0);
  return value >>> 0;
}

/** Writes one stream. */
export class OggWriter {
  constructor() {
    this.serial = Math.floor(Math.random() * 0xffff_ffff);
    this.pages = 0;
    this.granule = 0;
  }

  /** The stream's headers: mono, 24 kHz. */
  headers() {
    const head = new Uint8Array([
      ...ascii("OpusHead"),
      1,
      1,
      PRE_SKIP & 0xff,
      PRE_SKIP >> 8,
      0xc0,
      0x5d,
      0,
      0,
      0,
      0,
      0,
    ]);
    const name = ascii("voicepipe");
    const tags = new Uint8Array([...ascii("OpusTags"), name.length, 0, 0, 0, ...name, 0, 0, 0, 0]);
    return [this.page(head, 2), this.page(tags, 0)];
  }

  /**
   * Return a page of one packet.
   * @param {Uint8Array} packet
   * @param {number} ms of sound in it
   */
  packet(packet, ms) {
    this.granule += ms * 48;
    return this.page(packet, 0);
  }

  /**
   * @param {Uint8Array} body
   * @param {number} kind 2: the first page
   */
  page(body, kind) {
    const lacing = [...Array(Math.floor(body.length / 255)).fill(255), body.length % 255];
    const page = new Uint8Array(HEADER + lacing.length + body.length);
    const view = new DataView(page.buffer);
    page.set(ascii("OggS"));
    page[5] = kind;
    view.setBigUint64(6, BigInt(this.granule), true);
    view.setUint32(14, this.serial, true);
    view.setUint32(18, this.pages++, true);
    page[26] = lacing.length;
    page.set(lacing, HEADER);
    page.set(body, HEADER + lacing.length);
    view.setUint32(22, checksum(page), true);
    return page;
  }
}

/**
 * Return the packets of sound in whole pages.
 * @param {Uint8Array} pages
 */
export function packetsIn(pages) {
  const packets = [];
  for (let at = 0; at + HEADER <= pages.length; ) {
    const lacing = pages.subarray(at + HEADER, at + HEADER + (pages[at + 26] ?? 0));
    let start = at + HEADER + lacing.length;
    let length = 0;
    for (const size of lacing) {
      length += size;
      if (size === 255) continue; // the packet goes on
      packets.push(pages.subarray(start, start + length));
      start += length;
      length = 0;
    }
    at = start;
  }
  return packets.filter((packet) => !isHeader(packet));
}

/** @param {Uint8Array} packet */
function isHeader(packet) {
  const name = String.fromCharCode(...packet.subarray(0, 8));
  return name === "OpusHead" || name === "OpusTags";
}

/** @param {string} text */
function ascii(text) {
  return [...text].map((letter) => letter.charCodeAt(0));
}
