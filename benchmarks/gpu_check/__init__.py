"""What only a GPU can prove and measure, part by part: `python -m benchmarks.gpu_check`.

A thin driver over the project's own commands: `pytest -m gpu` says what is correct, the entries of
`python -m benchmarks` say what takes how long. Every part is a process group of its own with a time
limit. After each part one JSON file and one archive of logs are complete on disk, and a second call
goes on with what is missing.
"""
