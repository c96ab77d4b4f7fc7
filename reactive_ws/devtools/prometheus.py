"""Shows the metrics of services to a Prometheus client library (extra `prometheus`). It serves nothing and pushes nothing.

prometheus_client.REGISTRY.register(ServiceCollector(service))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..connection import Metrics
from ..service import WebSocketService

__all__ = ["ServiceCollector"]

_COUNTS = {
    "dials": "Dials started.",
    "connects": "Connections that became ready.",
    "messages_received": "Messages that arrived, control messages included.",
    "messages_sent": "Messages that were written, control messages included.",
    "messages_acknowledged": "Own messages that the server confirmed.",
    "bytes_received": "Characters of text messages and bytes of binary ones that arrived.",
    "bytes_sent": "Characters of text messages and bytes of binary ones that were written.",
    "messages_rejected": "Frames that were refused as messages.",
    "messages_dropped": "Messages that the outbox dropped.",
    "duplicates_dropped": "Messages that arrived again.",
    "gaps": "Places in streams where messages are missing.",
    "resent": "Transmissions of messages that were sent before.",
    "handler_errors": "Calls of handlers that raised.",
    "slow_handlers": "Calls of handlers that took over 50 ms.",
}
_GAUGES = {
    "queued_messages": "Messages that wait to be sent.",
    "messages_in_flight": "Messages that wait for their acknowledgement.",
    "round_trip": "Seconds from the last ping to its answer.",
    "connected_for": "Seconds since the connection became ready.",
}


class ServiceCollector(Collector):
    """Reads the metrics of services when Prometheus asks; the label `url` tells them apart.

    Args:
        services: At most one for each address.
        prefix: What the names of the metrics begin with.
    """

    def __init__(self, *services: WebSocketService, prefix: str = "reactive_ws") -> None:
        self._services = services
        self._prefix = prefix

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics of this moment; gauges without a value are left out."""
        return [*self._families([it.metrics.get() for it in self._services])]

    def _families(self, found: list[Metrics]) -> Iterator[Metric]:
        connected = GaugeMetricFamily(
            f"{self._prefix}_connected", "1 while connected.", labels=["url"]
        )
        for metrics in found:
            connected.add_metric([metrics.url], float(metrics.state.value == "connected"))
        yield connected
        for names, kind in ((_COUNTS, CounterMetricFamily), (_GAUGES, GaugeMetricFamily)):
            for name, text in names.items():
                family = kind(f"{self._prefix}_{name}", text, labels=["url"])
                for metrics in found:
                    value = getattr(metrics, name)
                    if value is not None:
                        family.add_metric([metrics.url], float(value))
                yield family
