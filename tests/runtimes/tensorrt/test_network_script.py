from __future__ import annotations

import ast
import shutil

import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.tensorrt.network_script import write_network_script


def test_the_script_is_python_and_stands_alone(plugin, scan_model, tmp_path):
    script = write_network_script(
        OnnxModel.read(scan_model(scans=2)), plugin, tmp_path / "out" / "net.py"
    )
    tree = ast.parse(script.read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"base64", "ctypes", "os", "sys", "polygraphy"}
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert "load_network" in names


def test_paths_in_one_folder_are_relative_so_that_it_can_move(plugin, scan_model, tmp_path):
    model = OnnxModel.read(scan_model())
    library = shutil.copy(plugin, tmp_path / "libvmamba_trt.so")
    script = write_network_script(model, library, tmp_path / "net.py")
    assert str(tmp_path) not in script.read_text()


def test_missing_files_are_named(plugin, scan_model, tmp_path):
    model = OnnxModel.read(scan_model())
    with pytest.raises(InputFileError, match=r"libnone\.so"):
        write_network_script(model, tmp_path / "libnone.so", tmp_path / "net.py")
    model.path.unlink()
    with pytest.raises(InputFileError, match=r"scans\.onnx"):
        write_network_script(model, plugin, tmp_path / "net.py")
    assert not (tmp_path / "net.py").exists()
