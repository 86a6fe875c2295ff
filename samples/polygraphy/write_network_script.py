"""Write a polygraphy network script beside an exported model.

    python write_network_script.py artifacts/vmamba_tiny_s1l8-fp16

then, in that folder, the commands of README.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vmamba_deploy.runtimes.tensorrt import write_network_script


def main() -> None:
    """Write `net.py` into the folder named on the command line."""
    folder = Path(sys.argv[1])
    script = write_network_script(
        folder / "model.onnx", folder / "libvmamba_trt.so", folder / "net.py"
    )
    print(f"wrote {script}")


if __name__ == "__main__":
    main()
