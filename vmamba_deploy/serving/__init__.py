"""Exported models behind servers that exist: what those servers read, made from artefacts."""
