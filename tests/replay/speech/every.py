"""The speakers of all dialects."""

from __future__ import annotations

from collections.abc import Mapping

from router.domain.request import DialectName
from tests.replay.speech.chat import Chat
from tests.replay.speech.common import Speaker
from tests.replay.speech.gemini import Gemini
from tests.replay.speech.messages import Messages
from tests.replay.speech.ollama import Ollama
from tests.replay.speech.responses import Responses

SPEAKERS: Mapping[DialectName, Speaker] = {
    DialectName.ANTHROPIC: Messages(),
    DialectName.OPENAI_CHAT: Chat(),
    DialectName.OPENAI_RESPONSES: Responses(),
    DialectName.GEMINI: Gemini(),
    DialectName.OLLAMA: Ollama(),
}
