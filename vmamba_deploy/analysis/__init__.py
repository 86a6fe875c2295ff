"""What a network sees and what its images cost: receptive fields, and figures over sizes."""
