"""The process beside the worker in which pages are parsed, within limits of time and memory."""
