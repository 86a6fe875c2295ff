"""Accuracy of an artefact on labelled images: data, journal, scoring, summary.

Runs where artefacts are deployed: needs neither PyTorch nor ONNX. A comparison with PyTorch gets
the network as a callable.
"""
