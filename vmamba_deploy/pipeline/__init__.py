"""Whole runs: what a command does, in order, without a terminal."""
