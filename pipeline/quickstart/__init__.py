"""A small web made of the documentation on this machine: what `groundup quickstart` builds its corpus from."""
