"""What an upstream of another dialect can be told of a content block: the block, words in its place, or nothing.

Whatever is lost leaves a note (wire.md 5, 6). The conversation's order is not touched here."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, evolve, field

from router.domain.messages import Block, Document, Image, Opaque, Text, Thinking, ThinkingOrigin, ToolResult, ToolUse
from router.domain.request import DialectName, Note
from router.wire.media import document_placeholder, image_placeholder, inline_document

NO_VISION = "this model has no vision"
NOT_SUPPORTED = "not supported by this model"
FOREIGN_FILE = "it was stored with another vendor"


@define(kw_only=True)
class Fitter:
    """Fits the blocks of one request to one upstream; the notes grow in `notes`.

    `takes_document` and `takes_thinking` say what passes as it is; a document that does not pass is put into words."""

    dialect: DialectName
    has_vision: bool
    image_types: frozenset[str] | None = None  # of images sent as data; None: all
    takes_image_urls: bool = True
    takes_document: Callable[[Document], bool]
    takes_thinking: Callable[[Thinking], bool]
    takes_documents_in_results: bool
    takes_blank_text: bool
    notes: list[Note] = field(factory=list)

    def fit(self, block: Block) -> Block | None:
        """Return the block as this upstream can read it, None for one that is left out."""
        match block:
            case Text():
                return block if self.takes_blank_text or block.text.strip() else None
            case ToolResult():
                return self._fit_result(block)
            case Image():
                return self._fit_image(block)
            case Document():
                return block if self.takes_document(block) else self._document_in_words(block)
            case Thinking():
                return self._fit_thinking(block)
            case ToolUse():
                return self._fit_call(block)
            case Opaque():
                return self._fit_opaque(block)

    def _fit_result(self, result: ToolResult) -> ToolResult:
        if all(type(block) is Text for block in result.content):
            return result
        fitted = (self._fit_inner(block) for block in result.content)
        return evolve(result, content=tuple(block for block in fitted if block is not None))

    def _fit_inner(self, block: Block) -> Block | None:
        """Fit a block of a tool's result; thinking and calls have no place there, in no dialect."""
        if not isinstance(block, Text | Image | Document | Opaque):
            self._note(block.path, "nested", "item")
            return None
        if isinstance(block, Document) and not self.takes_documents_in_results:
            return self._document_in_words(block)
        return self.fit(block)

    def _fit_image(self, image: Image) -> Image | Text:
        why = self._hindrance(image)
        if why is None:
            return image
        self._note(image.path, "image", "image")
        return Text(image_placeholder(image, why))

    def _hindrance(self, image: Image) -> str | None:
        if not self.has_vision:
            return NO_VISION
        if not image.data:
            if image.url:
                return None if self.takes_image_urls else NOT_SUPPORTED
            return FOREIGN_FILE
        return None if self.image_types is None or image.media_type in self.image_types else NOT_SUPPORTED

    def _document_in_words(self, document: Document) -> Text:
        if document.text is not None:
            return Text(inline_document(document))
        self._note(document.path, "document", "document")
        is_foreign = document.data is None and document.url is None
        return Text(document_placeholder(document, FOREIGN_FILE if is_foreign else NOT_SUPPORTED))

    def _fit_thinking(self, thinking: Thinking) -> Thinking | None:
        if self.takes_thinking(thinking):
            return thinking
        kind = "thought" if thinking.origin is ThinkingOrigin.GEMINI else "thinking"
        self._note(thinking.path, kind if thinking.redacted is None else "redacted_thinking", "thinking")
        return None

    def _fit_call(self, call: ToolUse) -> ToolUse:
        """Take the signature off a call that goes to another vendor; only Gemini signs calls."""
        if not call.signature or self.dialect is DialectName.GEMINI:
            return call
        self.notes.append(Note(path=f"{call.path}.thoughtSignature", kind="signature"))
        return evolve(call, signature="")

    def _fit_opaque(self, opaque: Opaque) -> Opaque | Text | None:
        if opaque.dialect == self.dialect:
            return opaque
        if not opaque.text or opaque.loss is not None:
            self._note(opaque.path, opaque.kind, opaque.loss or "item")
        return Text(opaque.text) if opaque.text else None

    def _note(self, path: str, reason: str, kind: str) -> None:
        self.notes.append(Note(path=path, reason=reason, kind=kind))
