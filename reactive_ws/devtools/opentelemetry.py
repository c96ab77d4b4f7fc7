"""Gives the metrics and sent messages of a service to OpenTelemetry (extra `opentelemetry`); the program's SDK exports them.

Each sent message is a span from the call of `send`, below the span that is current there, to its acknowledgement or failure.
A span has no payload. The counters are those of `service.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider, get_tracer_provider
from reactivex.abc import DisposableBase

from ..connection import Metrics
from ..engine import Registration
from ..outbox import DeliveryStatus, Sending
from ..service import WebSocketService

__all__ = ["instrument"]

_GAUGES = ("attempt", "queued_messages", "messages_in_flight", "round_trip", "connected_for")
_COUNTS = [it.name for it in attrs.fields(Metrics) if it.default == 0 and it.name not in _GAUGES]
_BAD = (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN)


def instrument(
    service: WebSocketService,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> DisposableBase:
    """Starts to report a service; call it once for each. A provider that is None is the global one.

    Returns:
        The registration; `dispose()` ends the spans and the values of the metrics.
    """
    tracer = (tracer_provider or get_tracer_provider()).get_tracer("reactive_ws")
    meter = (meter_provider or get_meter_provider()).get_meter("reactive_ws")
    is_on = [True]

    def reader(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            metrics = service.metrics.get()
            value = getattr(metrics, name) if is_on[0] else None
            return [] if value is None else [Observation(value, {"url": metrics.url})]

        return read

    for name in _COUNTS:
        meter.create_observable_counter(f"reactive_ws.{name}", [reader(name)])
    for name in _GAUGES:
        meter.create_observable_gauge(f"reactive_ws.{name}", [reader(name)])

    def sent(sending: Sending) -> None:
        envelope, delivery = sending.envelope, sending.delivery
        span = tracer.start_span(f"send {envelope.type}", kind=SpanKind.PRODUCER)
        span.set_attribute("messaging.message.id", envelope.id or "")
        span.set_attribute("messaging.destination.name", envelope.channel)

        def follow(status: DeliveryStatus) -> None:
            span.add_event(status.value)
            if status in _BAD:
                span.set_status(Status(StatusCode.ERROR, delivery.reason or status.value))
            if delivery.is_final:
                span.end()

        delivery.watch(follow)

    subscription = service.sending.subscribe(sent)

    def stop() -> None:
        is_on[0] = False
        subscription.dispose()

    return Registration(stop)
