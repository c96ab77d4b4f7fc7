"""CustomTkinter is Tk: its windows and widgets take `TkLoop`."""

import customtkinter
from counting import count, start

from reactive_ws.gui import TkLoop

window = customtkinter.CTk()
window.title("count")
label = customtkinter.CTkLabel(window, font=("", 40))
label.pack(padx=60, pady=40)
ui = TkLoop(window)
ui.bind(count, label, lambda it, value: it.configure(text=f"{value:,}"))
start()
window.mainloop()
