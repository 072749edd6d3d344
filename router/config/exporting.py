"""What `[otel]` needs beside the file: the packages of the extra, and the headers for the collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote, urlsplit

from attrs import evolve

from router.config.checks import is_header_name, is_header_value
from router.config.credentials import install_command, is_installed
from router.config.document import Document, Fault, at
from router.config.schema_ledger import OtelConfig
from router.config.secret import Secret, Secrets

PACKAGES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


def missing_for_export(document: Document, environ: Mapping[str, str], packages: tuple[str, ...] = PACKAGES) -> Iterator[Fault]:
    """Yield what keeps the exporter from starting, where `[otel]` asks for it."""
    if at(document, ("otel", "enabled")) is not True:
        return
    missing = tuple(name for name in packages if not is_installed(name))
    if missing:
        yield Fault(("otel", "enabled"), f"{', '.join(missing)} not installed: {install_command(missing)}")
    endpoint = at(document, ("otel", "endpoint"))
    if isinstance(endpoint, str) and (urlsplit(endpoint).query or urlsplit(endpoint).fragment):
        yield Fault(
            ("otel", "endpoint"), "must be the base address of the collector, without a query: its keys go into headers_env"
        )
    name = at(document, ("otel", "headers_env"))
    if isinstance(name, str) and _headers(environ.get(name, "")) is None:
        is_there = environ.get(name, "").strip()
        wrong = "does not hold headers in the form name=value,name=value" if is_there else "is not set"
        yield Fault(("otel", "headers_env"), f"the variable {name} {wrong}")


def with_export(secrets: Secrets, config: OtelConfig, environ: Mapping[str, str]) -> Secrets:
    """Return the secrets with the headers for the collector, none where the variable holds none; all of them are sensitive."""
    values = _headers(environ.get(config.headers_env or "", "")) or {}
    if not values:
        return secrets
    headers = {name: Secret(value) for name, value in values.items()}
    keys = [Secret(value.rpartition(" ")[2]) for value in values.values()]  # `Bearer KEY`: the key alone, too
    return evolve(secrets, export_headers=headers, sensitive=(*secrets.sensitive, *headers.values(), *keys))


def _headers(text: str) -> Mapping[str, str] | None:
    """Return the headers of `name=value,name=value` with percent-encoded values, None for any other text."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    headers = {name.strip().lower(): unquote(value.strip()) for name, equals, value in pairs if equals}
    is_good = all(is_header_name(name) and value and is_header_value(value) for name, value in headers.items())
    return headers if pairs and len(headers) == len(pairs) and is_good else None
