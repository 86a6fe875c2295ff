"""What public networks import and only a machine with CUDA has: the same names, for any machine.

Parameters have the names of the public functions, since networks pass them by name.
"""
