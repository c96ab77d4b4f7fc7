"""The event loop of a service: its thread, its one timer, the sleep of the computer.

It knows no connection and no message. `service` uses it.

    background_thread  an event loop in its own daemon thread
    alarm              one timer for many deadlines
    suspension         how long the computer has slept
"""

from .alarm import Alarm
from .background_thread import BackgroundThread
from .suspension import SleepWatch, suspension_clock

__all__ = ["Alarm", "BackgroundThread", "SleepWatch", "suspension_clock"]
