"""Objectives that a run learns, one module each; the loop is given one."""
