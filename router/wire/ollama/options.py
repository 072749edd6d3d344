"""The model parameters that Ollama keeps under `options`, by the names that other APIs have at the top (wire.md 12).

Source: docs/api.md and docs/modelfile.md of github.com/ollama/ollama, "valid parameters and values"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.domain.request import DialectName, NeutralRequest, Note
from router.wire.extras import SAMPLING_OPTIONS, client_path
from router.wire.shape import as_integer, as_number

_NEUTRAL = ("temperature", "top_p", "stop")  # these have a field in the neutral request


def limit_of(options: Mapping[str, Any]) -> int | None:
    """Return the most tokens that an answer may have; None for no limit, which is also said by -1 and -2."""
    limit = as_integer(options.get("num_predict"))
    return limit if limit is not None and limit > 0 else None


def decode_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the extras that the options are, as far as the neutral request has no field for them."""
    taken = {*SAMPLING_OPTIONS, *_NEUTRAL, *(("num_predict",) if limit_of(options) is not None else ())}
    rest = {key: value for key, value in options.items() if key not in taken and value is not None}
    extras = {key: options[key] for key in SAMPLING_OPTIONS if options.get(key) is not None}
    return extras | ({"options": rest} if rest else {})


def encode_options(request: NeutralRequest, limit: int | None, notes: list[Note]) -> dict[str, Any]:
    """Return the options of an upstream body; what a client of another API has under a name of ours must be a number."""
    is_own = request.dialect is DialectName.OLLAMA
    own = request.extras.get("options")
    options: dict[str, Any] = dict(own) if is_own and isinstance(own, Mapping) else {}
    for key in SAMPLING_OPTIONS:
        value = request.extras.get(key)
        if value is None:
            continue
        if is_own or as_number(value) is not None:
            options[key] = value
        else:
            notes.append(Note(path=client_path(request, key)))
    told = {
        "num_predict": limit,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": [stop for stop in request.stop if stop.strip()] or None,
    }
    return options | {key: value for key, value in told.items() if value is not None}
