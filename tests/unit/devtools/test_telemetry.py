"""The adapters for OpenTelemetry and Prometheus, with the real libraries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from missing_parts import skip_or_fail

import reactive_ws.devtools
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.testing import World, simulate

FOLDER = Path(reactive_ws.devtools.__file__).parent


def need(module: str) -> None:
    if find_spec(module) is None:
        skip_or_fail(f"{module} is not installed; `make setup` installs it")


@pytest.mark.parametrize("name", ["opentelemetry.py", "prometheus.py"])
def test_an_adapter_has_at_most_eighty_lines(name: str) -> None:
    assert len((FOLDER / name).read_text().splitlines()) <= 80


def test_a_sent_message_is_a_span_below_the_action_until_its_acknowledgement() -> None:
    need("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from reactive_ws.devtools.opentelemetry import instrument

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces, meters = TracerProvider(), MeterProvider([reader])
    traces.add_span_processor(SimpleSpanProcessor(exporter))

    def numbers() -> dict[str, Any]:
        found = reader.get_metrics_data()
        if found is None:
            return {}
        (resource,) = found.resource_metrics
        (scope,) = resource.scope_metrics
        return {
            it.name: it.data.data_points[0].value for it in scope.metrics if it.data.data_points
        }

    @simulate
    async def story() -> None:
        async with World() as world:
            server = await world.server(registry=agent_chat())
            service = world.service(registry=agent_chat())
            registration = instrument(service, tracer_provider=traces, meter_provider=meters)
            await service.connect()
            await service.wait_connected()
            with traces.get_tracer("app").start_as_current_span("press send"):
                delivery = service.send(MessageSend("s", Message("c1", "s", "user", "PAYLOAD", 0)))
            assert [span.name for span in exporter.get_finished_spans()] == ["press send"]
            await delivery
            server.acknowledge_after = 1e9
            lost = service.send(MessageSend("s", Message("c2", "s", "user", "hi", 0)))
            await world.settle()
            service.discard(lost.id)
            await world.advance(2)
            counted = numbers()
            assert counted["reactive_ws.messages_acknowledged"] == 1
            assert counted["reactive_ws.connects"] == 1
            registration.dispose()
            service.send("note", {})
            await world.settle()
            assert numbers() == {}

    story()
    action, sent, given_up = exporter.get_finished_spans()
    assert sent.name == "send message.send"
    assert sent.parent is not None
    assert sent.parent.span_id == action.get_span_context().span_id
    assert [event.name for event in sent.events] == ["queued", "sent", "acknowledged"]
    assert dict(sent.attributes or {}) == {
        "messaging.message.id": "c1",
        "messaging.destination.name": "message.send",
    }
    assert sent.status.is_ok or sent.status.is_unset
    assert not given_up.status.is_ok
    assert given_up.events[-1].name == "uncertain"
    assert "PAYLOAD" not in sent.to_json()


def test_prometheus_reads_the_metrics_of_each_service() -> None:
    need("prometheus_client")
    from prometheus_client import CollectorRegistry, generate_latest

    from reactive_ws.devtools.prometheus import ServiceCollector

    @simulate
    async def story() -> None:
        async with World() as world:
            await world.server(registry=agent_chat())
            service = world.service("ws://server:80/ws?token=SECRET", registry=agent_chat())
            other = world.service("ws://other:80/ws")
            registry = CollectorRegistry()
            registry.register(ServiceCollector(service, other))
            await service.connect()
            await service.wait_connected()
            await service.send(MessageSend("s", Message("c1", "s", "user", "PAYLOAD", 0)))
            await world.advance(2)
            text = generate_latest(registry).decode()
            assert 'reactive_ws_connected{url="ws://server:80/ws?***"} 1.0' in text
            assert 'reactive_ws_connected{url="ws://other:80/ws"} 0.0' in text
            assert (
                'reactive_ws_messages_acknowledged_total{url="ws://server:80/ws?***"} 1.0' in text
            )
            assert 'reactive_ws_connected_for{url="ws://other:80/ws"}' not in text
            assert "SECRET" not in text
            assert "PAYLOAD" not in text

    story()
