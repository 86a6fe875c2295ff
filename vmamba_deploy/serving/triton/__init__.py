"""A model repository of Triton Inference Server from an artefact folder."""
