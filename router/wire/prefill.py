"""How a server is asked to go on with an answer that has begun: the assistant's turn stands last, and what else it needs.

Each line comes from the server itself: llama.cpp leaves a last assistant's turn open and takes its text as it is; the
Messages API does so too, but refuses white space at its end; vLLM and those who took its fields over (SGLang, TabbyAPI)
begin a new turn unless they are told, and the templates of some models trim the text or fail on it (vllm issue 9547)."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

BLANKS = " \t"


@frozen(kw_only=True)
class PrefillStyle:
    """`fields` go into the body beside the begun answer; `keeps_line_ends` says that the text may end in a line's end.

    Where it may, it should: a model asked to go on behind `:` instead of `:` and two line ends says a blank first, or a
    comment, since such ends are one token with the sign before them. Blanks are never sent at the end: with four of an
    indentation sent, the model adds a fifth in front of the next word."""

    fields: Mapping[str, object] = field(factory=dict)
    keeps_line_ends: bool = False

    def sendable(self, text: str) -> str:
        """Return the part of a begun answer that is sent; the rest is expected back from the server."""
        return text.rstrip(BLANKS) if self.keeps_line_ends else text.rstrip()


MESSAGES = PrefillStyle()
CHAT_STYLES: Mapping[str, PrefillStyle] = {
    "trailing": PrefillStyle(keeps_line_ends=True),
    "vllm": PrefillStyle(fields={"continue_final_message": True, "add_generation_prompt": False}),
}
