"""Export: from a VMamba model to one ONNX file that every runtime can take."""
