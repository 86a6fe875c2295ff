"""Everything that only a GPU can prove, in one run of under nine minutes.

    python3 -m benchmarks.gpu_check

It needs Python, PyTorch, NumPy and nvcc, and no network. Every stage is a process of its own with
a time budget; a stage that fails, hangs or crashes is recorded with its error and the next one
runs. The JSON file is rewritten whole after each stage.
"""
