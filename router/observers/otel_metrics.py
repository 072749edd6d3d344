"""The metrics of the semantic conventions for generative AI, by OpenTelemetry's own interface: no exporter is known here."""

from __future__ import annotations

from attrs import frozen
from opentelemetry.metrics import Histogram, Meter

from router.observers.otel_words import (
    ERROR_TYPE,
    INPUT_TOKENS,
    OPERATION,
    OUR_PROFILE,
    OUR_PROVIDER,
    OUTCOME,
    OUTPUT_TOKENS,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    TOKEN_TYPE,
    TTFT,
    Attributes,
    Fields,
    seconds,
)

# the bounds that the conventions ask for: 10 ms to 82 s, 1 to 67 million tokens
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))

_OF_ATTEMPTS = (OPERATION, PROVIDER, REQUEST_MODEL, RESPONSE_MODEL, "server.address", "server.port", OUR_PROVIDER)
_OF_REQUESTS = (OPERATION, ERROR_TYPE, OUR_PROVIDER, OUR_PROFILE, OUTCOME)  # no model: it is the client's own word


@frozen(kw_only=True)
class Instruments:
    """The histograms; one recording each per attempt or request."""

    duration: Histogram
    first_chunk: Histogram
    tokens: Histogram
    served: Histogram
    served_first: Histogram

    def attempt(self, fields: Fields, attributes: Attributes) -> None:
        """Count one attempt; `attributes` are those of its span."""
        about = _some(attributes, _OF_ATTEMPTS)
        ended = {**about, **_some(attributes, (ERROR_TYPE, OUTCOME))}
        if (total_s := seconds(fields.get("total_ms"))) is not None:
            self.duration.record(total_s, ended)
        if isinstance(ttft_s := attributes.get(TTFT), float):
            self.first_chunk.record(ttft_s, ended)
        for kind, name in (("input", INPUT_TOKENS), ("output", OUTPUT_TOKENS)):
            if isinstance(count := attributes.get(name), int):
                self.tokens.record(count, {**about, TOKEN_TYPE: kind})

    def request(self, fields: Fields, attributes: Attributes) -> None:
        """Count one request as its client had it; `attributes` are those of its span."""
        about = _some(attributes, _OF_REQUESTS)
        if (total_s := seconds(fields.get("total_ms"))) is not None:
            self.served.record(total_s, about)
        if fields.get("stream") and (ttft_s := seconds(fields.get("ttft_ms"))) is not None:
            self.served_first.record(ttft_s, about)


def open_instruments(meter: Meter) -> Instruments:
    """Return the histograms of a meter."""

    def histogram(name: str, unit: str, description: str, bounds: tuple[float, ...] = _SECONDS) -> Histogram:
        return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)

    return Instruments(
        duration=histogram("gen_ai.client.operation.duration", "s", "How long each attempt at a provider took."),
        first_chunk=histogram("gen_ai.client.operation.time_to_first_chunk", "s", "Time until a stream's first content."),
        tokens=histogram("gen_ai.client.token.usage", "{token}", "Tokens that each attempt used.", _TOKENS),
        served=histogram("gen_ai.server.request.duration", "s", "How long each request of a client took."),
        served_first=histogram("gen_ai.server.time_to_first_token", "s", "Time until the client got the first content."),
    )


def _some(attributes: Attributes, names: tuple[str, ...]) -> Attributes:
    return {name: attributes[name] for name in names if name in attributes}
