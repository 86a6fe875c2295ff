"""Modules whose whole forward is replaced: what our operator computes, around their own layers."""
