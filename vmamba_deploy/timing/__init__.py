"""How long calls take: in rounds, so that a noisy machine disturbs all alike, and as statistics."""
