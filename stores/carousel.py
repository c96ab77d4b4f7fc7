"""The carousel store: the panels in order, and which one is active.

The panels are a replica (`created`, `updated`, `deleted` are its reducers): the server creates, changes and deletes them.
The user goes from one to another, orders them, and closes and changes them for himself; nothing of that is sent. The store
draws nothing: `Panel.data` is for the code that draws panels of that kind.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import attrs
import msgspec
from msgspec import UNSET, UnsetType
from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain, refuse_copy, shallow
from reactive_ws.replicas import ReplicaStatus
from reactive_ws.state import Map, ReadOnly, Selection, Store, derived
from reactive_ws.wire import Envelope

from .collections import Choice
from .outside import AskForState, Follow, Handlers, Report
from .wire import Panel, PanelChange, PanelCreated, PanelDeleted, PanelUpdated

__all__ = ["Carousel", "CarouselState"]

_APP = "app"
"""The stream of everything that belongs to no session."""
_Panels = tuple[Panel, ...]


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


@attrs.frozen
class Edit:
    """A panel that was added or changed here.

    Attributes:
        panel: As it is here.
        base: As the server had it then; None when it had none. The edit holds until the server says something else about it.
    """

    panel: Panel
    base: Panel | None = None


def _no_edits() -> Map[str, Edit]:
    return Map()


@attrs.frozen
class OwnPanels:
    """The choices and changes of the user.

    Attributes:
        choice: The active panel, and the user's order; panels that are not in it follow in the server's.
        hidden: Ids of the server's panels that the user closed.
        edits: The panels that were added or changed here, by id.
    """

    choice: Choice = attrs.field(factory=Choice)
    hidden: frozenset[str] = frozenset()
    edits: Map[str, Edit] = attrs.field(factory=_no_edits)


# --- reducers ---------------------------------------------------------------------------------------------------------


def loaded(state: Mapping[str, Any]) -> _Panels | UnsetType:
    """Returns the panels of the server's state; UNSET when it says nothing about panels."""
    found = state.get("panels")
    return UNSET if found is None else msgspec.convert(found, _Panels)


def created(panels: _Panels, entry: PanelCreated) -> _Panels:
    """A panel is there: the last one, or in place of the one with its id."""
    new = entry.panel
    if any(one.id == new.id for one in panels):
        return tuple(new if one.id == new.id else one for one in panels)
    return (*panels, new)


def updated(panels: _Panels, entry: PanelUpdated) -> _Panels:
    """Some fields of a panel changed; nothing when there is no such panel."""
    change = entry.panel
    return tuple(changed(one, change) if one.id == change.id else one for one in panels)


def deleted(panels: _Panels, entry: PanelDeleted) -> _Panels:
    """A panel is gone."""
    return tuple(one for one in panels if one.id != entry.panel_id)


def changed(panel: Panel, change: PanelChange) -> Panel:
    """Returns a panel with the new values of some fields."""
    fields = {
        name: value
        for name in ("kind", "title", "data")
        if (value := getattr(change, name)) is not UNSET
    }
    return msgspec.structs.replace(panel, **fields)


def shown(panels: _Panels, own: OwnPanels) -> CarouselState:
    """Returns the panels as the user sees them."""
    found = {one.id: one for one in panels if one.id not in own.hidden}
    for name, edit in own.edits.items():
        if found.get(name) == edit.base:
            found[name] = edit.panel
    in_order = {name: found.pop(name) for name in own.choice.among if name in found}
    in_order.update(found)
    return CarouselState(tuple(in_order.values()), own.choice.among_these(in_order))


def settled(
    own: OwnPanels, gone: AbstractSet[str], panels: _Panels, state: CarouselState
) -> OwnPanels:
    """The panels changed: the choice is made from them, and what was noted of those that are gone goes."""
    there = {one.id: one for one in panels}
    ids = [one.id for one in state.panels]
    choice, edits, hidden = own.choice, own.edits, own.hidden - gone
    if choice.id is None or choice.id in (*ids, *gone, *hidden):
        choice = choice.settled(ids)
    for name, edit in own.edits.items():
        if name in gone or (name in there and there[name] != edit.base):
            edits = edits.delete(name)
    if hidden == own.hidden and edits is own.edits and choice is own.choice:
        return own
    return OwnPanels(choice, hidden, edits)


def is_same(one: CarouselState, other: CarouselState) -> bool:
    """Whether two states have the same panels and the same active one."""
    return (
        one.active_id == other.active_id
        and len(one.panels) == len(other.panels)
        and all(map(operator.is_, one.panels, other.panels))
    )


def added(own: OwnPanels, panels: _Panels, panel: Panel) -> OwnPanels:
    """A panel is there that the program gave, or it is in place of the one with its id."""
    base = next((one for one in panels if one.id == panel.id), None)
    state = shown(panels, own)
    others = (one.id for one in state.panels if one.id != panel.id)
    choice = own.choice
    if state.get(panel.id) is None:
        choice = Choice(state.active_id or panel.id, (*others, panel.id))
    edits = own.edits.set(panel.id, Edit(panel, base))
    return OwnPanels(choice, own.hidden - {panel.id}, edits)


def closed(own: OwnPanels, panels: _Panels, panel_id: str) -> OwnPanels:
    """The user closed a panel. If it was active, the one that moves into its place is, else the one before it."""
    state = shown(panels, own)
    ids = tuple(one.id for one in state.panels)
    if panel_id not in ids:
        return own
    edits = own.edits.delete(panel_id) if panel_id in own.edits else own.edits
    is_there = any(one.id == panel_id for one in panels)
    hidden = own.hidden | {panel_id} if is_there else own.hidden
    return OwnPanels(Choice(state.active_id, ids), hidden, edits)


def went_to(own: OwnPanels, panels: _Panels, panel_id: str | None) -> OwnPanels:
    """A panel is active."""
    ids = tuple(one.id for one in shown(panels, own).panels)
    return attrs.evolve(own, choice=Choice(panel_id, ids)) if panel_id in ids else own


def stepped(own: OwnPanels, panels: _Panels, by: int, *, wraps: bool) -> OwnPanels:
    """The panel so many places further is active, or the last one on the way when it does not wrap around."""
    state = shown(panels, own)
    place = state.index(state.active_id)
    if place is None:
        return own
    size = len(state.panels)
    target = (place + by) % size if wraps else min(max(0, place + by), size - 1)
    return went_to(own, panels, state.panels[target].id)


def moved(own: OwnPanels, panels: _Panels, panel_id: str, place: int) -> OwnPanels:
    """A panel is in another place; places beyond the ends count as the ends."""
    state = shown(panels, own)
    ids = [one.id for one in state.panels if one.id != panel_id]
    if len(ids) == len(state.panels):
        return own
    ids.insert(min(max(0, place), len(ids)), panel_id)
    return attrs.evolve(own, choice=Choice(state.active_id, tuple(ids)))


# --- store ------------------------------------------------------------------------------------------------------------


class Carousel:
    """The panels. Made by `Application`.

    Args:
        domain: Of its store.
        follow, sync, report: See `ports`.
        wraps: Whether next after the last panel is the first one.

    Attributes:
        replica: The server's panels; for the composition root, which keeps them in a file.
        own: What the user did; for the same.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        follow: Follow,
        sync: AskForState,
        report: Report,
        wraps: bool = False,
    ) -> None:
        nothing: _Panels = ()
        self.replica = follow(
            _APP,
            nothing,
            {"panel.created": created, "panel.updated": updated, "panel.deleted": deleted},
            snapshot=loaded,
            part="panels",
            takes_unnumbered=True,
        )
        self.own = Store(OwnPanels(), name="stores.carousel.own", domain=domain)
        self._state = derived(self.replica, self.own, shown, equals=is_same, name="stores.carousel")
        self._sync = sync
        self._report = report
        self._wraps = wraps
        self._before: frozenset[str] = frozenset()
        self._watch = CompositeDisposable(
            self._state.select().subscribe(self._changed),
            self.replica.select().subscribe(lambda _: self._changed(self._state.get())),
        )

    def __repr__(self) -> str:
        return f"<Carousel of {len(self._state.get().panels)} panels>"

    @property
    def state(self) -> ReadOnly[CarouselState]:
        """The panels and which one is active."""
        return self._state

    @property
    def panels(self) -> Selection[tuple[Panel, ...]]:
        """The panels in order."""
        return self._state.select(lambda state: state.panels, equals=shallow)

    @property
    def active(self) -> Selection[Panel | None]:
        """The panel that is looked at."""
        return self._state.select(lambda state: state.active)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {"panel.created": self._created, "panel.updated": self._updated}

    @property
    def subscription(self) -> DisposableBase:
        """The subscriptions that keep the user's part up to date; `Application` disposes them."""
        return self._watch

    def _changed(self, state: CarouselState) -> None:
        panels = self.replica.get()
        # A panel of the program's own is gone with its edit.
        now = frozenset(one.id for one in (*panels, *state.panels))
        gone, self._before = self._before - now, now
        self.own.update(lambda own: settled(own, gone, panels, state))

    def _created(self, envelope: Envelope[PanelCreated]) -> None:
        name = envelope.payload.panel.id
        self.own.update(lambda own: attrs.evolve(own, hidden=own.hidden - {name}))

    def _updated(self, envelope: Envelope[PanelUpdated]) -> None:
        name = envelope.payload.panel.id
        is_waiting = self.replica.status.get() is ReplicaStatus.RECOVERING
        if is_waiting or any(one.id == name for one in self.replica.get()):
            return
        self._report(
            ErrorKind.PROTOCOL,
            f"panel {name} changed and is not here; the panels are fetched again",
            is_retryable=True,
        )
        self._sync(envelope.stream or _APP)

    # --- actions --------------------------------------------------------------------------------------------------------

    def load(self, panel: Panel) -> None:
        """Adds a panel here, or replaces the one with its id, until the server says something else about it."""
        panels = self.replica.get()
        self.own.update(lambda own: added(own, panels, panel))

    def update(self, change: PanelChange) -> None:
        """Changes some fields of a panel here, until the server says something else about it.

        Raises:
            KeyError: there is no such panel.
        """
        self.load(changed(self._known(change.id), change))

    def close(self, panel_id: str) -> None:
        """Takes a panel away here; the one that moves into its place becomes active, else the one before it."""
        panels = self.replica.get()
        self.own.update(lambda own: closed(own, panels, panel_id))

    def go_to(self, panel_id: str) -> None:
        """Makes a panel the active one.

        Raises:
            KeyError: there is no such panel.
        """
        self._known(panel_id)
        panels = self.replica.get()
        self.own.update(lambda own: went_to(own, panels, panel_id))

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
        panels = self.replica.get()
        self.own.update(lambda own: moved(own, panels, panel_id, place))

    def _step(self, by: int) -> None:
        panels = self.replica.get()
        self.own.update(lambda own: stepped(own, panels, by, wraps=self._wraps))

    def _known(self, panel_id: str) -> Panel:
        panel = self._state.get().get(panel_id)
        if panel is None:
            raise KeyError(f"there is no panel {panel_id!r} here; look at carousel.panels")
        return panel
