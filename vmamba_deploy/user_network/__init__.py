"""A network that a user brings: its file, its inputs and outputs, its weights, its precision."""
