"""wxPython: `WxLoop`, with any window as a target."""

import wx
from counting import count, start

from reactive_ws.gui import WxLoop

program = wx.App()
frame = wx.Frame(None, title="count", size=(320, 140))
label = wx.StaticText(frame)
ui = WxLoop(wx, frame)
ui.bind(count, label, lambda it, value: it.SetLabelText(f"{value:,}"))
start()
frame.Show()
program.MainLoop()
