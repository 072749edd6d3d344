"""Chat chunks to neutral events: every liberty that servers take is taken here (wire.md 8.2, 8.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from router.domain.events import NeutralEvent, Started, Stopped, StopReason, Usage, UsageSeen
from router.domain.frame import Frame
from router.wire.dialect import Minting, ReplyOptions
from router.wire.ending import (
    MAX_BAD_FRAMES,
    bad_response,
    corrected,
    empty_stream,
    estimated,
    truncated,
)
from router.wire.inband import failed, inband_error
from router.wire.json_text import json_line, parse_object
from router.wire.openai_chat.stream import REASONS, decode_usage, delta_of, first_choice, reasoning_of, text_of
from router.wire.reasoning import is_shown, router_signature
from router.wire.sequencer import Call, Sequencer


class ChatDecoder:
    """One upstream stream; a whole reply is read as one big chunk."""

    def __init__(self, options: ReplyOptions, minting: Minting) -> None:
        self._options = options
        self._minting = minting
        self._shows_thinking = is_shown(options.thinking)
        self._sequencer = Sequencer(sign=partial(router_signature, options.provider), names=options.tool_names or {})
        self._calls: dict[int, Call] = {}  # by the upstream's index
        self._usage: Usage | None = None
        self._finish: str | None = None
        self._stop_sequence: str | None = None
        self._has_refused = False
        self._has_started = False
        self._is_done = False
        self._chars = 0
        self._bad_run = 0

    @property
    def counts(self) -> Counter[str]:
        """What was tolerated so far, by name."""
        return self._sequencer.counts

    def feed(self, frame: Frame) -> Sequence[NeutralEvent]:
        """Return the events of one frame. Raises ProviderFailed for an error frame or more than 8 malformed ones in a row."""
        if self._is_done or not frame.data:
            return ()
        chunk = parse_object(frame.data)
        if chunk is not None:
            self._bad_run = 0
            return self.take(chunk)
        if frame.data.lstrip().startswith(b"[DONE]"):
            return self.end() if self._has_started else ()
        self._bad_run += 1
        self.counts["bad_frames"] += 1
        if self._bad_run > MAX_BAD_FRAMES:
            raise bad_response(self._options.provider, "the stream is not in the format of its API")
        return ()

    def take(self, chunk: Mapping[str, Any]) -> Sequence[NeutralEvent]:
        """Return the events of one chunk. Raises ProviderFailed for one that holds an error."""
        if (error := inband_error(chunk)) is not None:
            raise failed(self._options.provider, error)
        choice = first_choice(chunk)
        usage = decode_usage(chunk)
        if choice is None and usage is None:
            self.counts["other_choices"] += bool(chunk.get("choices"))
            return ()
        if not self._has_started:
            self._start(chunk)
        if choice is not None:
            self._choice(choice)
        if usage is not None:
            self._usage = usage
            self._sequencer.out.append(UsageSeen(usage))
        return self._sequencer.drain()

    def close(self) -> Sequence[NeutralEvent]:
        """Return the last events at the end of the body. Raises ProviderFailed(stream-truncated or empty-stream)."""
        if self._is_done:
            return ()
        if not self._has_started:
            raise empty_stream(self._options.provider)
        if self._finish is None:
            raise truncated(self._options.provider)
        return self.end()

    def end(self) -> Sequence[NeutralEvent]:
        """Return the last events of an answer that is whole. Raises ProviderFailed where a call never got its name."""
        self._is_done = True
        sequencer = self._sequencer
        sequencer.finish()
        if self.counts["nameless_calls"]:
            raise bad_response(self._options.provider, "a tool call without a name")
        if self._usage is None:
            sequencer.out.append(UsageSeen(estimated(self._chars, None)))
        sequencer.out.append(self._stopped())
        return sequencer.drain()

    def _stopped(self) -> Stopped:
        reason = StopReason.REFUSAL if self._has_refused else REASONS.get(self._finish or "", StopReason.UNKNOWN)
        reason = corrected(reason, has_calls=self._sequencer.calls > 0)
        if reason is StopReason.END and self._stop_sequence is not None:
            return Stopped(reason=StopReason.STOP_SEQUENCE, stop_sequence=self._stop_sequence)
        return Stopped(reason=reason)

    def _start(self, chunk: Mapping[str, Any]) -> None:
        self._has_started = True
        created = chunk.get("created")
        self._sequencer.out.append(
            Started(
                id=_string(chunk.get("id")),
                model=_string(chunk.get("model")) or self._options.model,
                created=created if isinstance(created, int) and created > 0 else self._minting.now(),
            )
        )

    def _choice(self, choice: Mapping[str, Any]) -> None:
        if delta := delta_of(choice):
            self._delta(delta)
        if finish := choice.get("finish_reason"):
            self._finish = str(finish)
        if isinstance(stop := choice.get("stop_reason"), str):  # vLLM names the stop string that matched
            self._stop_sequence = stop

    def _delta(self, delta: Mapping[str, Any]) -> None:
        if reasoning := reasoning_of(delta):
            self._chars += len(reasoning)
            if self._shows_thinking:
                self._sequencer.thinking(reasoning)
        if text := text_of(delta.get("content")):
            self._chars += len(text)
            self._sequencer.text(text)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._has_refused = True
            self._chars += len(refusal)
            self._sequencer.text(refusal)
        if isinstance(calls := delta.get("tool_calls"), list) and calls:
            for position, entry in enumerate(calls):
                if isinstance(entry, dict):
                    self._call(position, entry)
        elif isinstance(legacy := delta.get("function_call"), dict):
            self._call(0, {"function": legacy})

    def _call(self, position: int, entry: Mapping[str, Any]) -> None:
        """Take one entry of `tool_calls`: the start of a call, a fragment of one, or a whole one."""
        function = entry.get("function")
        function = function if isinstance(function, dict) else {}
        index = entry.get("index")
        index = index if isinstance(index, int) else position
        call_id, name, arguments = _string(entry.get("id")), _string(function.get("name")), function.get("arguments")
        call = self._calls.get(index)
        if call is None or _is_another(call, call_id, name, arguments):
            if call is not None:
                self._sequencer.end(call)
            call = self._calls[index] = self._sequencer.begin()
        call.id = call.id or call_id
        self._name(call, name)
        if isinstance(arguments, str):
            self._chars += len(arguments)
            self._sequencer.arguments(call, arguments)
        elif isinstance(arguments, dict):
            text = json_line(arguments).decode()
            self._chars += len(text)
            self._sequencer.arguments(call, text)
            self._sequencer.end(call)

    def _name(self, call: Call, name: str) -> None:
        """Take a fragment of a name; the whole name again is no fragment, and after the first arguments it is whole."""
        if not name or name == call.name or (call.name and call.has_arguments):
            return
        self._chars += len(name)
        if call.has_arguments:
            self._sequencer.named(call, name)
        else:
            call.name += name


def _is_another(call: Call, call_id: str, name: str, arguments: object) -> bool:
    """Tell whether an entry on a known index begins a new call: a name with another id, or with new arguments after the end.

    Another id without a name is a server that makes a new id for each fragment."""
    if not name or (call_id and call_id == call.id):
        return False
    has_new_id = bool(call_id) and bool(call.id)
    has_arguments = isinstance(arguments, dict) or (isinstance(arguments, str) and not arguments.isspace())
    return has_new_id or (call.is_over and bool(arguments) and has_arguments)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
