"""A smaller PNG of the same picture: 256 colours in the place of true ones, as what is drawn has few of them.

The browser that made the picture also reads it, so that nothing else is needed for that."""

from __future__ import annotations

import base64
import struct
import zlib

from playwright.sync_api import Page

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BEST = 9  # zlib's level

# The commonest colours of a picture, one of those that look alike, and for each point the number of its own.
READ = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const seen = new Map();
  const keyOf = (at) => ((data[at] >> 3) << 10) | ((data[at + 1] >> 3) << 5) | (data[at + 2] >> 3);
  for (let at = 0; at < data.length; at += 4) {
    const exact = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    if (!seen.has(keyOf(at))) seen.set(keyOf(at), { count: 0, shades: new Map() });
    const known = seen.get(keyOf(at));
    known.count += 1;
    known.shades.set(exact, (known.shades.get(exact) ?? 0) + 1);
  }
  for (const one of seen.values()) {
    const [exact] = [...one.shades].reduce((best, next) => (next[1] > best[1] ? next : best));
    one.rgb = [exact >> 16, (exact >> 8) & 255, exact & 255];
  }
  const colours = [...seen.values()].sort((a, b) => b.count - a.count);
  const palette = colours.slice(0, 256).map((one) => one.rgb);
  const distance = (one, other) => one.reduce((sum, value, index) => sum + (value - other[index]) ** 2, 0);
  for (const one of seen.values()) {
    one.number = 0;
    for (let index = 1; index < palette.length; index += 1)
      if (distance(palette[index], one.rgb) < distance(palette[one.number], one.rgb)) one.number = index;
  }
  const rows = [];
  for (let y = 0, at = 0; y < image.height; y += 1) {
    let row = "";
    for (let x = 0; x < image.width; x += 1, at += 4) row += String.fromCharCode(seen.get(keyOf(at)).number);
    rows.push(btoa(row));
  }
  return { width: image.width, height: image.height, palette, rows };
}"""


def smaller(page: Page, png: bytes) -> bytes:
    """Return the picture with a palette. `page` is an empty one, whose policy lets it read the picture."""
    told = page.evaluate(READ, base64.b64encode(png).decode())
    rows = b"".join(b"\0" + base64.b64decode(row) for row in told["rows"])
    head = struct.pack(">IIBBBBB", told["width"], told["height"], 8, 3, 0, 0, 0)
    palette = bytes(value for rgb in told["palette"] for value in rgb)
    parts = ((b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, BEST)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
