"""Server-sent events: an incremental framer, and the encoder's two forms (wire.md 18)."""
