"""Ollama's lines to neutral events (wire.md 12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, UsageSeen
from router.domain.frame import Frame
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import MAX_BAD_FRAMES, bad_response, corrected, empty_stream, estimated, token_count, truncated
from router.wire.inband import failed, inband_error
from router.wire.json_text import json_line, parse_object
from router.wire.ollama.stream import calls_of, decode_usage, message_of, stop_of, text_of, unix_time
from router.wire.reasoning import is_shown, router_signature
from router.wire.sequencer import Sequencer


class OllamaDecoder:
    """One upstream stream; a whole reply is read as one line that says everything."""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._shows_thinking = is_shown(options.thinking)
        self._sequencer = Sequencer(sign=partial(router_signature, options.provider), names=options.tool_names or {})
        self._has_started = False
        self._is_done = False
        self._chars = 0
        self._bad_run = 0

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated so far, by name."""
        return self._sequencer.counts

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one line. Raises ProviderFailed for an error or more than 8 malformed lines in a row."""
        if self._is_done or not frame.data:
            return ()
        chunk = parse_object(frame.data)
        if chunk is not None:
            self._bad_run = 0
            return self.take(chunk)
        if frame.data.isspace():
            return ()
        self._bad_run += 1
        self.counts["bad_frames"] += 1
        if self._bad_run > MAX_BAD_FRAMES:
            raise bad_response(self._options.provider, "the stream is not in the format of its API")
        return ()

    def take(self, chunk: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        """Return the events of one line. Raises ProviderFailed for one that holds an error."""
        if (error := inband_error(chunk)) is not None:
            raise failed(self._options.provider, error)
        stop, message = stop_of(chunk), message_of(chunk)
        if not message and stop is None:
            return ()
        if not self._has_started:
            self._start(chunk)
        if message:
            self._say(message)
        return self._sequencer.drain() if stop is None else self.end(chunk, stop)

    def close(self) -> Sequence[NeutralEvent]:
        """Return nothing more at the end of the body. Raises ProviderFailed(stream-truncated or empty-stream)."""
        if not self._is_done:
            raise truncated(self._options.provider) if self._has_started else empty_stream(self._options.provider)
        return ()

    def end(self, chunk: Mapping[str, Any], stop: StopReason) -> Sequence[NeutralEvent]:
        """Return the last events of an answer that is whole. Raises ProviderFailed where a call never got its name."""
        self._is_done = True
        sequencer = self._sequencer
        sequencer.finish()
        if self.counts["nameless_calls"]:
            raise bad_response(self._options.provider, "a tool call without a name")
        usage = decode_usage(chunk)
        if usage is None or token_count(chunk.get("eval_count")) is None:
            usage = estimated(self._chars, usage)
        sequencer.out.append(UsageSeen(usage))
        sequencer.out.append(Stopped(reason=corrected(stop, has_calls=sequencer.calls > 0)))
        return sequencer.drain()

    def _start(self, chunk: Mapping[str, Any]) -> None:
        self._has_started = True
        created = unix_time(chunk.get("created_at"))
        self._sequencer.out.append(
            Started(
                id="",
                model=text_of(chunk, "model") or self._options.model,
                created=created if created is not None and created > 0 else self._minting.now(),
            )
        )

    def _say(self, message: Mapping[str, Any]) -> None:
        if thinking := text_of(message, "thinking"):
            self._chars += len(thinking)
            if self._shows_thinking:
                self._sequencer.thinking(thinking)
        if text := text_of(message, "content"):
            self._chars += len(text)
            self._sequencer.text(text)
        if message.get("tool_calls"):
            for call in calls_of(message):
                self._call(call)

    def _call(self, entry: Mapping[str, Any]) -> None:
        """Take a call, which comes whole; some servers write its arguments as text, as the chat API does."""
        function = entry["function"]
        name, arguments = text_of(function, "name"), function.get("arguments")
        text = arguments if isinstance(arguments, str) else json_line(arguments if isinstance(arguments, dict) else {}).decode()
        self._chars += len(name) + len(text)
        call = self._sequencer.begin(call_id=text_of(entry, "id"), name=name, is_whole=True)
        self._sequencer.arguments(call, text)
        self._sequencer.end(call)
