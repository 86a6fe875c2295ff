"""Runtimes: ways to execute an exported model, each one module behind one small protocol."""
