"""Files that appear whole or not at all, the artefact folder and the manifest beside them."""
