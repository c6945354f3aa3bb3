"""Recorded attention: taken apart by stream, and laid on the cells that people see."""
