"""pygame: the program's own loop turns a `ManualLoop` once a picture."""

import time

import pygame
from counting import count, start

from reactive_ws.gui import ManualLoop


class Score:
    """The text of the picture."""

    text = ""


pygame.init()
screen = pygame.display.set_mode((320, 120))
pygame.display.set_caption("count")
font, clock, score = pygame.font.Font(None, 60), pygame.time.Clock(), Score()
ui = ManualLoop(clock=time.monotonic)
ui.bind(count, score, lambda it, value: setattr(it, "text", f"{value:,}"))
start()
is_running = True
while is_running:
    is_running = not any(event.type == pygame.QUIT for event in pygame.event.get())
    ui.run_until_now()
    screen.fill("#0f172a")
    screen.blit(font.render(score.text, True, "#e2e8f0"), (30, 40))
    pygame.display.flip()
    clock.tick(60)
ui.close()
pygame.quit()
