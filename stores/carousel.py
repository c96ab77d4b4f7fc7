"""The carousel store: the panels in order, and which one is active.

The server creates, changes and deletes panels. The user goes from one to another, orders them and closes them for himself;
nothing of that is sent. The store draws nothing: `Panel.data` is for the code that draws panels of that kind.
"""

from __future__ import annotations

import attrs
import msgspec
from msgspec import UNSET

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.state import ReadOnly, Selection, Store
from reactive_ws.wire import Envelope

from .outside import AskForState, Handlers, Report
from .wire import ChatSnapshot, Panel, PanelChange, PanelCreated, PanelDeleted, PanelUpdated

__all__ = ["Carousel", "CarouselState"]

_APP = "app"
"""The stream of everything that belongs to no session."""


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class CarouselState:
    """The panels.

    Attributes:
        panels: In order.
        active_id: Which one is looked at; None only when there are no panels.
    """

    panels: tuple[Panel, ...] = ()
    active_id: str | None = None

    @property
    def active(self) -> Panel | None:
        """The panel that is looked at."""
        return self.get(self.active_id) if self.active_id is not None else None

    def get(self, panel_id: str) -> Panel | None:
        """Returns the panel with this id, or None."""
        return next((panel for panel in self.panels if panel.id == panel_id), None)

    def index(self, panel_id: str | None) -> int | None:
        """Returns the place of the panel with this id, or None."""
        found = (place for place, panel in enumerate(self.panels) if panel.id == panel_id)
        return next(found, None)


# --- reducers ---------------------------------------------------------------------------------------------------------


def loaded(state: CarouselState, panel: Panel) -> CarouselState:
    """A panel is there: the last one, or in place of the one with its id. The first panel of all is active."""
    place = state.index(panel.id)
    if place is None:
        panels = (*state.panels, panel)
    else:
        panels = (*state.panels[:place], panel, *state.panels[place + 1 :])
    return CarouselState(panels, state.active_id or panel.id)


def updated(state: CarouselState, change: PanelChange) -> CarouselState:
    """Some fields of a panel changed; nothing when there is no such panel."""
    panel = state.get(change.id)
    if panel is None:
        return state
    fields = {
        name: value
        for name in ("kind", "title", "data")
        if (value := getattr(change, name)) is not UNSET
    }
    return loaded(state, msgspec.structs.replace(panel, **fields))


def closed(state: CarouselState, panel_id: str) -> CarouselState:
    """A panel is gone. If it was active, the one that moves into its place is, else the one before it."""
    place = state.index(panel_id)
    if place is None:
        return state
    panels = (*state.panels[:place], *state.panels[place + 1 :])
    if state.active_id != panel_id:
        return CarouselState(panels, state.active_id)
    return CarouselState(panels, panels[min(place, len(panels) - 1)].id if panels else None)


def replaced(state: CarouselState, panels: tuple[Panel, ...]) -> CarouselState:
    """These are the server's panels. Those that were here keep their order, new ones follow in the server's."""
    fresh = {panel.id: panel for panel in panels}
    here = [fresh.pop(panel.id) for panel in state.panels if panel.id in fresh]
    after = CarouselState((*here, *fresh.values()), state.active_id)
    if not after.panels or after.index(state.active_id) is not None:
        return after if after.panels else CarouselState()
    # As if those that are missing had been closed one after the other.
    survivor = state
    for panel in state.panels:
        if after.index(panel.id) is None:
            survivor = closed(survivor, panel.id)
    return attrs.evolve(after, active_id=survivor.active_id or after.panels[0].id)


def went_to(state: CarouselState, panel_id: str) -> CarouselState:
    """A panel is active; nothing when there is no such panel."""
    return state if state.index(panel_id) is None else attrs.evolve(state, active_id=panel_id)


def stepped(state: CarouselState, by: int, *, wraps: bool) -> CarouselState:
    """The panel so many places further is active, or the last one on the way when it does not wrap around."""
    place = state.index(state.active_id)
    if place is None:
        return state
    size = len(state.panels)
    target = (place + by) % size if wraps else min(max(0, place + by), size - 1)
    return attrs.evolve(state, active_id=state.panels[target].id)


def moved(state: CarouselState, panel_id: str, place: int) -> CarouselState:
    """A panel is in another place; places beyond the ends count as the ends."""
    panel = state.get(panel_id)
    if panel is None:
        return state
    others = [other for other in state.panels if other.id != panel_id]
    others.insert(min(max(0, place), len(others)), panel)
    return attrs.evolve(state, panels=tuple(others))


# --- store ------------------------------------------------------------------------------------------------------------


class Carousel:
    """The panels. Made by `Application`.

    Args:
        domain: Of its store.
        sync, report: See `ports`.
        wraps: Whether next after the last panel is the first one.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self, domain: Domain, *, sync: AskForState, report: Report, wraps: bool = False
    ) -> None:
        self._store = Store(CarouselState(), name="stores.carousel", domain=domain)
        self._sync = sync
        self._report = report
        self._wraps = wraps

    def __repr__(self) -> str:
        return f"<Carousel of {len(self._store.get().panels)} panels>"

    @property
    def state(self) -> ReadOnly[CarouselState]:
        """The panels and which one is active."""
        return self._store.read_only

    @property
    def store(self) -> Store[CarouselState]:
        """The store itself; for the composition root, which keeps it in a file."""
        return self._store

    @property
    def panels(self) -> Selection[tuple[Panel, ...]]:
        """The panels in order."""
        return self._store.select(lambda state: state.panels)

    @property
    def active(self) -> Selection[Panel | None]:
        """The panel that is looked at."""
        return self._store.select(lambda state: state.active)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {
            "panel.created": self._created,
            "panel.updated": self._updated,
            "panel.deleted": self._deleted,
            "snapshot": self._replaced,
        }

    def _created(self, envelope: Envelope[PanelCreated]) -> None:
        self.load(envelope.payload.panel)

    def _updated(self, envelope: Envelope[PanelUpdated]) -> None:
        change = envelope.payload.panel
        if self._store.get().get(change.id) is None:
            self._report(
                ErrorKind.PROTOCOL,
                f"panel {change.id} changed and is not here; the panels are fetched again",
                is_retryable=True,
            )
            self._sync(envelope.stream or _APP)
            return
        self._store.update(lambda state: updated(state, change))

    def _deleted(self, envelope: Envelope[PanelDeleted]) -> None:
        self.close(envelope.payload.panel_id)

    def _replaced(self, envelope: Envelope[ChatSnapshot]) -> None:
        panels = envelope.payload.panels
        if panels is not None:
            self._store.update(lambda state: replaced(state, panels))

    # --- actions --------------------------------------------------------------------------------------------------------

    def load(self, panel: Panel) -> None:
        """Adds a panel, or replaces the one with its id."""
        self._store.update(lambda state: loaded(state, panel))

    def update(self, change: PanelChange) -> None:
        """Changes some fields of a panel here.

        Raises:
            KeyError: there is no such panel.
        """
        self._known(change.id)
        self._store.update(lambda state: updated(state, change))

    def close(self, panel_id: str) -> None:
        """Takes a panel away here; the one that moves into its place becomes active, else the one before it."""
        self._store.update(lambda state: closed(state, panel_id))

    def go_to(self, panel_id: str) -> None:
        """Makes a panel the active one.

        Raises:
            KeyError: there is no such panel.
        """
        self._known(panel_id)
        self._store.update(lambda state: went_to(state, panel_id))

    def next(self) -> None:
        """Goes to the next panel; at the end to the first one if the carousel wraps around."""
        self._step(1)

    def previous(self) -> None:
        """Goes to the panel before; at the start to the last one if the carousel wraps around."""
        self._step(-1)

    def move(self, panel_id: str, place: int) -> None:
        """Puts a panel in another place, counted from 0.

        Raises:
            KeyError: there is no such panel.
        """
        self._known(panel_id)
        self._store.update(lambda state: moved(state, panel_id, place))

    def _step(self, by: int) -> None:
        self._store.update(lambda state: stepped(state, by, wraps=self._wraps))

    def _known(self, panel_id: str) -> None:
        if self._store.get().get(panel_id) is None:
            raise KeyError(f"there is no panel {panel_id!r} here; look at carousel.panels")
