"""`python -m router.embedded`: llama.cpp's own server on one GGUF file, run as a managed process of the router.

    python -m router.embedded --model NAME|PATH [--host 127.0.0.1] --port N [--context 32768] [--threads N] [--cache DIR]

Ends with 1 and one line on stderr when the model cannot be had; by SIGTERM otherwise, whose default action is kept: the
server runs in threads of its own, and a handler that raises would wait for them for ever (clients.md 4)."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

import platformdirs

from router.embedded.join import model_file
from router.embedded.models import MODELS, ModelError, is_gguf

# Coding agents send small requests (titles, summaries) beside the long one. The slots share one buffer of `--context`
# tokens, so that one conversation alone can fill it; what a slot has read stays there until the room is needed, so that
# small requests with prompts of their own do not throw out the long one. 4 slots cost no more memory than 1.
SLOTS = 4
# Kept in memory of conversations that had to leave their slot. llama.cpp's own default is 8 GiB; the sum with the model
# (1.1 GB), 32768 tokens of Qwen 1.5B (0.9 GB) and work space (0.7 GB) stays at 3 GB.
PROMPT_CACHE_MIB = 256


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends the process; return 1 when there is nothing to serve."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler raises
    try:
        _serve(_resolve(options.model, options.cache), options)
    except ModelError as error:
        _say(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m router.embedded", description="llama.cpp's server on one GGUF file")
    parser.add_argument("--model", required=True, help=f"path of a GGUF file, or one of: {', '.join(MODELS)}")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1; there is no login)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--context", type=int, default=32768, help="tokens of all conversations together (default 32768)")
    parser.add_argument("--threads", type=int, default=-1, help="processor threads (default: llama.cpp's own choice)")
    cache = platformdirs.user_cache_path("nursery-router") / "models"
    parser.add_argument("--cache", type=Path, default=cache, help=f"directory of the joined models (default {cache})")
    return parser


def _resolve(model: str, cache: Path) -> Path:
    """Return the GGUF file that a name or a path means. Raises ModelError."""
    if model in MODELS:
        return model_file(MODELS[model], cache, _say)
    path = Path(model).expanduser()
    try:
        if is_gguf(path):
            return path
    except OSError as error:
        names = ", ".join(MODELS)
        raise ModelError(f"{model} is neither a file that can be read ({error.strerror}) nor one of: {names}") from error
    raise ModelError(f"{path} is not a GGUF file")


def _serve(path: Path, options: argparse.Namespace) -> NoReturn:
    """Start the server in its own threads and wait for a signal. Raises ModelError when it does not start."""
    try:
        import xllamacpp  # noqa: PLC0415 - an extra, and 100 MB that only this needs
    except ImportError as error:
        raise ModelError("llama.cpp is not installed: pip install 'nursery-router[local]' (or: make setup-local)") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {options.model if options.model in MODELS else path.stem}  # what /v1/models shows
    params.hostnames = [options.host]
    params.port = options.port
    params.n_ctx = options.context
    params.n_parallel = SLOTS
    params.kv_unified = True
    params.cache_idle_slots = False  # True would copy every waiting conversation to memory at each new request
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.ui = False
    params.endpoint_slots = False  # it shows prompts
    params.cors_origins = ""  # no web page may read the answers
    params.offline = True
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(f"llama.cpp cannot serve {path}; its own lines above say why") from error
    _say(f"serving {path} at {server.listening_address}")
    while True:
        signal.pause()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
