"""What stands around a candidate and says that it is shown, told or quoted, not meant (wire.md 14.8).

All but `words_follow` and `is_code` of the next line look back only, so that a candidate that fails here is never held."""

from __future__ import annotations

import re
from collections.abc import Container

from attrs import frozen

from router.guards.repair_lead import goes_on, intends, is_finished, is_next_turn, presents, reports

_WITHIN = r"[^\n]{0,60}?"  # between the two halves of a cue
# Texts are in lower case when they are looked at. English first, then the same words in other languages.
_CUES = (
    r"\b(?:for (?:example|instance)|such as|examples?|samples?|payload|looks? like|would be|is documented)\b",
    r"\b(?:syntax|signature|schema|(?:this|the following) format|as follows|conventions?|instead of|the log)\b",
    r"\be\.\s?g\.",
    r"\byou (?:would|could|can|might) (?:write|use|call|send|run)\b",
    (
        rf"\b(?:do not|(?:do|should)n['\u2019]t|never|should not|must not|avoid)\b{_WITHIN}"
        r"\b(?:call|run|us(?:e|ing)|execut|writ|emit|send|output)"
    ),
    rf"\b(?:earlier|previously|already)\b{_WITHIN}\b(?:called|ran|used|executed)\b",
    # what was called, said or refused before; "I ran out of ..." and "I called it a ..." are told of in other words
    r"\b(?:logged|replied|answered|responded|rejected|denied|refused|request body|expected (?:value|output|result|call)s?)\b",
    r"\bi (?:ran|executed|sent|wrote|called|used) (?:the following|this|these|it|that)\b",
    r"\b(?:first|second|third|last|previous|earlier|original) (?:tool )?(?:call|turn|message|request) (?:i|was|were|is)\b",
    (
        r"\b(?:(?:will|would|must|may|should|shall|can) not|cannot|(?:wo|would|must|should|ca)n['\u2019]t)"
        r" (?:\w+ )?(?:call|run|use|execute|write|emit|send|output)\b"
    ),
    # German
    r"\b(?:beispiel|z\.\s?b\.|etwa so|(?:könn|kann)(?:test|te|ten|st)? (?:du|man|sie)\b)",
    rf"\b(?:nicht|niemals|nie)\b{_WITHIN}\b(?:auf|aus|benutz|verwend|ruf|führ)",
    rf"\b(?:früher|zuvor|bereits|schon|vorhin)\b{_WITHIN}\b(?:aufgerufen|ausgeführt|benutzt|verwendet|gerufen)\b",
    # French
    r"\b(?:exemples?\b|p\.\s?ex\.)",
    r"\b(?:pourr\w{2,4}|pouvez|peux)(?:-vous|-tu)? (?:écrire|utiliser|appeler|envoyer|lancer)\b",
    rf"\b(?:n[e'\u2019]|jamais|pas)\b{_WITHIN}\b(?:appel|utilis|exécut|lanc)",
    rf"\b(?:plus tôt|auparavant|déjà|précédemment)\b{_WITHIN}\b(?:appelé|utilisé|exécuté|lancé)",
    # Spanish, Portuguese, Italian
    r"\b(?:ejemplos?\b|exemplos?\b|esempi|p\.\s?ej\.)",
    r"\b(?:podrías?|puedes?|poderia|podes?|pode|potr\w+|puoi)\s+(?:escrib|us|llam|envi|ejec|escr|cham|exec|scri|chia|invi|eseg)",
    rf"\b(?:no|nunca|jamás|não|non|mai)\b{_WITHIN}\b(?:ejecut|llam|uses\b|usar|utiliz|execut|cham|esegu|chiam)",
    rf"\b(?:antes|ya|já|prima|già|anteriormente)\b{_WITHIN}\b(?:ejecut|llam|us|utiliz|execut|cham|esegu|chiam)\w*(?:[ai]d[oa]|[au]t[oa]|uit[oa]|é|ei|ó)\b",
    # Russian
    r"\b(?:например|пример)",
    r"\b(?:можно|могли бы|можете|можешь|мог бы) (?:написать|использовать|вызвать|отправить|выполнить)",
    rf"\b(?:не|никогда)\b{_WITHIN}\b(?:вызыва|вызов|вызв|запуска|запусти|использу|выполня|выполни)",
    rf"\b(?:ранее|раньше|уже)\b{_WITHIN}\b(?:вызва|вызыва|запуска|запусти|использова|выполни|выполня)",
    # Japanese, Chinese, Korean
    r"例えば|たとえば|のように|サンプル|(?:しない|使わない|呼ばない|実行しない)で",
    r"例如|比如|譬如|示例|例子|样例|可以(?:写|用|调用|发送|运行)",
    r"(?:不要|别|勿|从不|不应|切勿|之前|先前|早些时候|已经)[^\n]{0,20}?(?:调用|运行|使用|执行)",
    r"예를 들|예시|예제|예컨대|(?:호출|실행|사용)하지 (?:마|말|않)|(?:이전에|앞서|이미)[^\n]{0,20}?(?:호출|실행|사용)",
)
_CUE = re.compile("|".join(_CUES))
_ABOVE = 2  # lines above that count
_WINDOW = 600  # characters of a line, counted from its end, that are searched for cues
# what a line says, right before its colon, when it shows how a call is written
_SHOWN = re.compile(
    r"(?:\b(?:for (?:example|instance)|looks? like|as follows|(?:following|this) (?:form|syntax|shape)|examples?"
    r"|(?:format|syntax) (?:is|of|for))\b|\be\.\s?g\.|\b(?:beispiel|exempl|ejempl|esempi|пример|например)"
    r"|例えば|たとえば|例如|比如|示例|예를 들|예시)[^\n]{0,60}[:\uff1a]\s*$|\b(?:format|syntax)\s*:\s*$"
)
_TO_CALL = re.compile(r"\b(?:call|run|execut|us|invok)(?:e|es|ing|ning|s)?\b|実行", re.IGNORECASE)

_ALERT = re.compile(r"^\s*(?:\[?\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d|\[?(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|TRACE|FATAL)\b)")
_PROMPT = re.compile(r"^\s*(?:\$|%|>>>|\.\.\.|PS |[\w.-]+@[\w.-]+[:~])\s?\S")
_ROW = re.compile(r"^\s*\|[^|]")  # of a table
_HEREDOC = re.compile(r"<<-?\s*[\"']?\w+[\"']?\s*$")
_TAG = re.compile(r"<[^/!<>\s][^<>]*>\s*$")  # that was kept: what stands in it is a document of its own
_KEY = re.compile(r"^[\s-]*[\w.-]+:\s*$")  # a key of YAML
_OPENED = re.compile(r"[({\[=]\s*$")
_GOES_ON = re.compile(r"(?:[{}\[\]\"'=(][^\n]*|^\s*(?:[^\sA-Za-z]+|true|false|null)),\s*$")  # a comma after more than words
_IN_JSON = re.compile(r"^\s*[{}\[\]\"].*[}\]]\s*$")
_QUOTED_KEY = re.compile(r"[\"'`]\s*:\s*$")
_COLON = re.compile(r"[:\uff1a]\s*$")
_OPEN_QUOTE = re.compile(r"[\"'`\u201c\u201e\u2018\u00ab(=\\]$")
_SINGLE_QUOTES = re.compile(r"(?<!\w)'|'(?!\w)")

_CODE = re.compile(
    r"[;{}(\[,=\\]\s*$"  # how lines of code end
    r"|^\s*(?:#|//|/\*|\*|@\w|@@ |\.\.\.|>>>|\$ |--|\+\+\+ )"
    r"|^\s*(?:import|from \S+ import|def|class|const|let|var|return|assert|raise|await|yield)\b"
    r"|^\s*(?:if|elif|else|for|while|with|try|except|finally|switch|case)\b[^\n]*[:{]\s*$"
    r"|^\s*[\w.\[\]'\"]+\s*(?:=|:=|\+=|-=|=>|<-)\s*\S"
    r"|^\s*[\w.]+(?:::|->|\.)?\w*\([^\n]*\)\s*[;:]?\s*$"
)
_TOKENS = re.compile(r"</?\|?[\w/]+\|?>")  # end marks of models, and tags
_WORDS = re.compile(r"\w")


@frozen(kw_only=True)
class Around:
    """What stands before a candidate: the part of its own line, and the nearest line above that is not blank."""

    line: str
    above: str
    is_adjacent: bool  # no empty line between
    before: str = ""  # the nearest line that is not blank, however far up

    @classmethod
    def of(cls, recent: str) -> Around:
        """Return what the end of the kept text says."""
        body, _, line = recent.rpartition("\n")
        before = body.rstrip().rpartition("\n")[2]
        distance = body.count("\n", len(body.rstrip())) if before else _ABOVE
        above = before if distance < _ABOVE else ""
        return cls(line=line, above=above, is_adjacent=not distance, before=before)

    @property
    def lead(self) -> str:
        """The words that lead up to the candidate, "" where there are none."""
        return self.line if self.line.strip() else self.before

    def is_told(self, names: Container[str]) -> bool:
        """Tell whether the words before say that a candidate which nothing marks is shown, denied or reported.

        Whatever is presented is shown, but where they say that the speaker acts."""
        if _is_cue(self.line) or _is_cue(self.above):
            return True
        lead = self.lead
        return (presents(lead) and not intends(lead, names)) or (is_finished(lead) and reports(lead, names))

    def is_reported(self, names: Container[str]) -> bool:
        """Tell whether even a tagged candidate is what somebody said, or an item under a label."""
        if self.line.strip() and _COLON.search(self.line):
            return not intends(self.line, names)
        lead = self.lead
        return reports(lead, names) or (presents(lead) and _is_cue(lead) and not intends(lead, names))

    def is_left_open(self, names: Container[str]) -> bool:
        """Tell whether what follows the candidate may make it a part of the sentence before it."""
        lead = self.lead
        return bool(self.line.strip()) or not (not lead or is_finished(lead) or intends(lead, names))

    def is_part(self, gap: str, following: str, names: Container[str]) -> bool:
        """Tell whether the candidate stands within a sentence: `following` is behind it, after the white space `gap`."""
        lead = self.lead
        if self.line.strip() and "\n" not in gap:
            return is_word(following) and (not is_finished(lead) or goes_on(following))
        return bool(lead) and not is_finished(lead) and goes_on(following) and not intends(lead, names)

    def is_turn(self, following: str, names: Container[str]) -> bool:
        """Tell whether the candidate is one turn of a transcript."""
        return is_next_turn(following) and not intends(self.lead, names)

    def is_quoted(self) -> bool:
        """Tell whether even a tagged candidate stands in a string, in a sentence about it, or below one that announces it."""
        line = self.line
        if not line.strip():
            return bool(_SHOWN.search(self.above[-_WINDOW:].lower()))
        return bool(
            _OPEN_QUOTE.search(line)
            or line.count('"') % 2
            or len(_SINGLE_QUOTES.findall(line)) % 2
            or _is_cue(line)
            or _ALERT.search(line)
            or _PROMPT.search(line)
            or _ROW.search(line)
        )

    def is_document(self) -> bool:
        """Tell whether JSON that begins here is part of a longer document, of source code, or of a log."""
        above, line = self.above, self.line
        if line.strip():
            return bool(
                _QUOTED_KEY.search(line)
                or any(line.count(opener) > line.count(closer) for opener, closer in ("{}", "[]", "()"))
                or self.is_quoted()
            )
        return bool(
            _OPENED.search(above)
            or _GOES_ON.search(above)
            or _IN_JSON.search(above)
            or _QUOTED_KEY.search(above)
            or _HEREDOC.search(above)
            or _TAG.search(above)
            or (line and _KEY.search(above))
            or (self.is_adjacent and (_ALERT.search(above) or _PROMPT.search(above)))
        )

    def may_begin_json(self) -> bool:
        """Tell whether bare JSON may begin here: at the start of a line or after a colon (wire.md 14.10)."""
        return not self.line.strip() or bool(_COLON.search(self.line))

    def is_in_code(self) -> bool:
        """Tell whether the line above is source code, so that a line of call syntax is, too."""
        return is_code(self.before)

    def shows_code(self, name: str) -> bool:
        """Tell whether the line above announces code in a fence and says nothing of calling the tool."""
        if not _COLON.search(self.above):
            return False
        return not (_TO_CALL.search(self.above) and name.casefold() in self.above.casefold())


def is_code(line: str) -> bool:
    """Tell whether a line reads like source code rather than like a sentence."""
    return bool(_CODE.search(line[-_WINDOW:]))


def is_word(following: str) -> bool:
    """Tell whether a text begins with a word, or with a mark that ends or goes on a sentence."""
    head = following[:1]
    return head.isalnum() or (head != "" and head in ",.;:!?)\u2026\u2014\u2013\u3001\uff0c\u3002")


def words_follow(rest: str) -> bool:
    """Tell whether the rest of a candidate's line has words, so that the candidate is part of a sentence."""
    return bool(_WORDS.search(_TOKENS.sub("", rest)))


def _is_cue(line: str) -> bool:
    return bool(_CUE.search(line[-_WINDOW:].lower()))
