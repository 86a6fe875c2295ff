"""Networks with linear layers in 8 bits: calibrated on images, written, and proven.

The pass over the graph is `exporting.quantize`; what was done is `artifacts.quantization_facts`.
"""
