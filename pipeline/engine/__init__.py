"""Runs the tasks of a stage: phases, records, fingerprints, and the executors that datatrove brings."""
