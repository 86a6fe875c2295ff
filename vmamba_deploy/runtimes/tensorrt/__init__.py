"""TensorRT in its two flavours: choosing, building and running engines."""
