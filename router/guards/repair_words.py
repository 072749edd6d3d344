"""The words by which a lead says what it is: an act of the speaker, something shown, or something said (wire.md 14.8).

Data for repair_lead.py: patterns over one sentence in lower case, by language, as in repair_cues.py. A line of a list is
one way of saying it."""

from __future__ import annotations

import re


def _any(*ways: str) -> re.Pattern[str]:
    return re.compile("|".join(ways))


_ACTING = (
    r"(?:call|runn|execut|us|invok|read|check|search|look|fetch|open|test|try|gett|list|find|start|inspect|examin|query"
    r"|retriev|load|view|edit|writ|creat|updat|verify|ask|scann|brows|build|install|collect|review|explor|analy[sz])ing"
)
_LEAD_IN = (
    r"^(?:(?:ok(?:ay)?|sure(?: thing)?|well|so|now|next|first|then|and|also|finally|good|great|perfect|alright|all right|right"
    r"|hm+|yes|thanks|of course|certainly|understood)\b[,;:\u2014\- ]*+)*+"
)
_NO_ACT = r"(?!(?:\w+ed|get|got|see|saw|ran|had|sent|wrote|know|knew|found|have(?! to))\b)"
_GERMAN_ACTS = (
    "(?:rufe|lasse|schaue|prüfe|suche|lese|hole|öffne|starte|führe|sehe|brauche|muss|will|möchte|nutze|verwende|benutze|frage"
    "|beginne|versuche|teste)"
)

# an intention that is said in so many words: what comes behind it, reports too, is what the act is about
INTENDS = _any(
    r"\b(?:i|we)(?:['\u2019]ll| will| shall| am going to| are going to|['\u2019](?:m|re) (?:going|about) to)\b(?! not\b)",
    (
        r"\b(?:i|we)(?:['\u2019]d better| (?:must|have to|need to|want to|can|should|would like to))\b"
        r"(?! (?:have|not|see|get|receive|expect|admit)\b)"
    ),
    r"\blet(?: me|['\u2019]?s| us)\b(?! (?:say|assume|suppose|imagine|pretend)\b)",
    r"\blasst? (?:mich|uns)\b|\bich werde\b|\bwerde ich\b",  # German
    r"\bje vais\b|\bvoy a\b|\bvou\b|\bvado a\b",  # French, Spanish, Portuguese, Italian
    r"\bя (?:сейчас )?(?:\w+[уую]|буду)\b",  # Russian
    r"ましょう|\u8ba9\u6211|\u6211(?:\u6765|\u5148|\u4f1a|\u5c06|\u8981(?!\u7684)|\u53bb)|겠습니다",  # Japanese, Chinese, Korean
)
# an act that is told as it is done, or named
ACTS = _any(
    rf"\bi(?:['\u2019]m| am) (?:now |just )?{_ACTING}\b",
    rf"{_LEAD_IN}{_ACTING}\b(?!.*(?:,|\b(?:is|are|was|were|will|would|can)\b))",
    rf"\b(?:now|next|first),? (?:i|we) {_NO_ACT}",
    r"\b(?:i|we) (?:need(?! an?\b)|start|begin)\b",
    rf"{_LEAD_IN}(?:it is |it['\u2019]s )?time to\b",
    (
        rf"{_LEAD_IN}(?:(?:here(?:['\u2019]s| is| are| goes)|this is) )?(?:(?:the|my|a) )?(?:next |first |required |necessary )?"
        r"(?:(?:tool|function)[ _]?calls?|actions?)(?: (?:to|for|i['\u2019]ll|i will|i need)\b|$)"
    ),
    rf"{_LEAD_IN}here(?:['\u2019]s| is| are) the calls?(?: (?:to|for)\b|$)",
    r"^(?:so|here|now|ok(?:ay)?|sure|next|then|alright|right|well|here (?:goes|we go|it goes))$",
    # German
    rf"\bich {_GERMAN_ACTS}\b|\b{_GERMAN_ACTS} ich\b",
    # French
    r"\bj['\u2019](?:appelle|utilise|ouvre|exécute|interroge|essaie)\b",
    r"\bje (?:lance|lis|cherche|regarde|vérifie|consulte|récupère|dois (?!obtenir|recevoir|avoir))\b",
    r"\b(?:voyons|regardons|vérifions|laissez-moi|laisse-moi|appelons|lançons)\b",
    # Spanish, Portuguese, Italian
    r"\b(?:vamos|veamos|déjame|déjeme|necesito|usaré|llamaré|buscaré|ejecutaré|consultaré|leeré|abriré|revisaré)\b",
    r"\b(?:deixe-me|preciso|usarei|chamarei|buscarei|executarei|lerei|vejamos)\b",
    r"\b(?:vediamo|fammi|devo|userò|chiamerò|cercherò|leggerò)\b",
    (
        r"^(?:(?:ahora|primero|agora|primeiro|ora|adesso|prima)\b,? )?(?:yo |eu |io )?(?:llamo|uso|ejecuto|busco|consulto|leo"
        r"|reviso|abro|chamo|executo|leio|verifico|procuro|chiamo|eseguo|cerco|leggo|controllo|apro)\b"
    ),
    # Russian
    r"\b(?:сейчас|теперь|сначала)\b(?: я)? \w+[ую]\b",
    r"\b(?:давайте|посмотрим|вызываю|использую|запускаю|проверяю|ищу|читаю|открываю)\b",
    # Japanese, Chinese, Korean
    r"呼び出し|使います|(?<!れ)(?<!あり)(?<!なり)(?<![てで]い)ます$",
    r"\u6211(?:\u9700\u8981|\u73b0\u5728|\u518d|\u8fd9\u5c31|\u4eec(?:\u6765|\u5148))|^(?:\u6b63\u5728)?\u8c03\u7528",
    r"(?:现在|接下来|首先)(?:来|先)?(?:调用|查|看|运行|搜索|读)",
    r"할게요|볼게요|(?:호출|사용|실행|확인|검색)합니다",
)
# an intention about such words only shows: `I'll put this into ...`, `let me explain ...`; or it is somebody else's act
SHOWS = _any(
    r"\b(?:show|explain|demonstrat|illustrat|quot|summari[sz]|describ|shar|confirm|mention|report|note)(?:e|es|ing|ions?)?\b",
    r"\blook at an?\b|\blike (?:this|that|so)\b",
    (
        r"\b(?:put|past|sav|stor|add|insert|copy|plac|append)(?:e|ing)?"
        r" (?:this|these|that|it|the (?:following|call|text|json|lines?|snippet))\b"
    ),
    r"\b(?:tell|give|want|need|ask|expect) you\b|\b(?:need|want)\b[^\n]*\b(?:that|which) \w+$",
    r"\bdass\b|\b(?:necesito|quiero|preciso|quero|veux|faut|voglio) (?:que|che)\b",
    r"\b(?:zeig|erklär|montrer|expliquer|mostrar|explicar|mostrare|spiegare|показ|покаж|объясн)",
    r"展示|说明|解释|説明|示し|보여|설명",
)
OTHERS = _any(r"\b(?:you|your|the (?:model|assistant|agent|server|bot|client|user|llm|proxy|template)s?)\b")
# what stands below is a thing, or a turn of somebody
THINGS = _any(
    r"\b(?:transcript|verbatim|template|completion|demonstrations?|docs)\b",
    r"^(?:blocked|skipped|rejected|refused|dropped|copied|please)\b",
    r"\b(?:style|format|form|syntax|notation|spelling|variant|turn)$",
    r"^(?:assistant|model|ai|bot|agent|user|human|tool|system)$",
)
# a whole sentence that is about the text below it
ABOUT = _any(
    r"^(?:listing|figure|table|slide|page|section|chapter|sample|case|item|row) \d|^for the record\b",
    (
        r"^(?:this|that|it)(?:['\u2019]s| is| was) (?:the|what) (?:\w+ )?"
        r"(?:text|message|reply|answer|output|call|request|string|body|line)\b"
    ),
    r"\b(?:model|assistant|agent|llm|bot)s? (?:\w+ )?(?:writes?|says?|emits?|prints?|sends?|answers?|repl(?:y|ies))\b",
    r"\b(?:below|the following|as follows|of these)\b|^so (?:sieht|sehen|lautet)\b",
)
# somebody said it, or it was there before
SAID = _any(
    (
        r"\b(?:repl(?:y|ies|ied)|answer(?:s|ed)|responded|responds|said|says|wrote|writes|sent|sends|return(?:s|ed)|print(?:s|ed)"
        r"|logged|emit(?:s|ted)|produced?|produces|contain(?:s|ed)?|received?|receives|output(?:s|ted)?|puts? out|gave|gives"
        r"|got|gets|came|comes? back|render(?:s|ed)?|ends? (?:in|with)|posted|posts|pasted|generate[sd]|spelled|did before)\b"
    ),
    r"\b(?:was|were|is|are|has|have|had|goes|went|reads|becomes|prints?|yields?|outputs?|shows?|results? in|send|use)$",
    r"^you\b|\byou (?:(?:would|will|should|might|could|then|now) )*+(?:see|get|have|receive)\b",
    # German, French
    r"\b(?:schrieb|antwortete|sagte|schickte|sendete|lieferte|gab|war|wäre|lautet|enthält|steht)\b",
    r"\b(?:a|ont|avait) (?:écrit|répondu|envoyé|renvoyé|dit|affiché)|\bétait\b",
    # Spanish, Portuguese, Italian
    r"\b(?:respondi[óo]|escribi[óo]|dijo|envi[óo]|devolvi[óo]|imprimi[óo]|era|fue)\b",
    r"\b(?:respondeu|escreveu|disse|enviou|devolveu|retornou)\b",
    r"\bha(?:nno)? (?:risposto|scritto|detto|inviato|restituito)",
    # Russian
    r"\b(?:ответил|написал|сказал|отправил|вернул|вывел)\w*|\b(?:был|была|было)\b",
    # Japanese, Chinese, Korean
    r"返し|返った|返って|出力|書いた|答え|送った|言った",
    r"返回|回复|回答|输出|写道|写了|发送了|说了|调用了",
    r"답했|응답|출력|썼|보냈|말했",
)
QUESTION_WORDS = _any(r"\b(?:what|whether|if|how|where|why|which|who)\b")
CLAUSE_ENDS = _any(r"[,;:\u2014\u2013]|\b(?:so|and|but|then)\b")
ORDER = re.compile(rf"{_LEAD_IN}(?:please )?(?:call|use|run|invoke|execute|try)\b(?P<rest>.*)")
TOOL = re.compile(r"\b(?:tool|function)\b")
