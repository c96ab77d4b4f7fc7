"""Reactive stores that keep a program's state live over one WebSocket."""
