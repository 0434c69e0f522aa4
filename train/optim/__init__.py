"""Optimizers, the roles of weights in them, and the schedules of learning rate, momentum and weight decay."""
