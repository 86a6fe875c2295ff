from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from vmamba_deploy.errors import EnvironmentProblem, IntegrityError
from vmamba_deploy.native import cuda, fetch, headers
from vmamba_deploy.native.toolchain import HostCompiler


def fake_nvcc(root: Path, version: str, newest_gcc: int = 15) -> Path:
    nvcc = root / "bin/nvcc"
    nvcc.parent.mkdir(parents=True)
    nvcc.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "release {version[:4]}, V{version}" && exit\n'
        f'echo "#\\$ TOP={root}" >&2\n'
    )
    nvcc.chmod(0o755)
    config = root / "include/crt/host_config.h"
    config.parent.mkdir(parents=True)
    config.write_text(f"#if __GNUC__ > {newest_gcc}\n#error unsupported\n#endif\n")
    return nvcc


def test_cuda_is_looked_for_in_order(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDACXX", raising=False)
    on_path = fake_nvcc(tmp_path / "path", "13.0.1")
    home = fake_nvcc(tmp_path / "home", "13.0.2")
    named = fake_nvcc(tmp_path / "named", "13.0.3")
    monkeypatch.setenv("CUDA_HOME", str(home.parent.parent))
    monkeypatch.setenv("PATH", "/bin")
    assert cuda.find_cuda() == cuda.CudaToolkit(home, "13.0.2")
    monkeypatch.setenv("PATH", f"{on_path.parent}:/bin")
    assert cuda.find_cuda() == cuda.CudaToolkit(on_path, "13.0.1")
    monkeypatch.setenv("CUDACXX", str(named))
    assert cuda.find_cuda() == cuda.CudaToolkit(named, "13.0.3")


def test_the_packaged_compiler_is_found_where_the_machine_has_none(tmp_path, monkeypatch):
    packaged = fake_nvcc(tmp_path / "nvidia/cu13", "13.0.88")
    for name in ("libcudart_static.a", "libcudart.so.13"):
        (tmp_path / "nvidia/cu13/lib").mkdir(exist_ok=True)
        (tmp_path / "nvidia/cu13/lib" / name).write_text("")
    for variable in ("CUDACXX", "CUDA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setattr(cuda, "_USUAL_ROOT", tmp_path / "usual")
    monkeypatch.setattr(cuda.sysconfig, "get_path", lambda name: str(tmp_path))
    found = cuda.require_cuda()
    assert found == cuda.CudaToolkit(packaged, "13.0.88", tmp_path / "nvidia/cu13")
    # Its `lib` is not where nvcc looks, and CMake asks for a link that it lacks.
    assert str(tmp_path / "nvidia/cu13/lib") in found.environment()["LIBRARY_PATH"]
    options = found.cmake_options(HostCompiler(Path("/usr/bin/g++"), "g++ 12", 12))
    assert f"-DCUDA_CUDART={tmp_path / 'nvidia/cu13/lib/libcudart.so.13'}" in options
    usual = fake_nvcc(tmp_path / "usual", "13.1.0")
    assert cuda.require_cuda() == cuda.CudaToolkit(usual, "13.1.0")


def test_a_compiler_that_nvcc_refuses_is_told(tmp_path, monkeypatch):
    toolkit = cuda.CudaToolkit(fake_nvcc(tmp_path, "13.0.88", newest_gcc=15), "13.0.88")
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setattr(cuda, "find_gcc", lambda at_most: None)
    newer = HostCompiler(Path("/usr/bin/g++"), "g++ 16", 16)
    with pytest.raises(EnvironmentProblem, match="up to version 15") as caught:
        toolkit.host_compiler(newer)
    assert caught.value.hint == "apt-get install g++-15"
    accepted = HostCompiler(Path("/usr/bin/g++"), "g++ 15", 15)
    assert toolkit.host_compiler(accepted) is accepted


def test_without_nvcc_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(cuda, "find_cuda", lambda: None)
    with pytest.raises(EnvironmentProblem, match="nvcc") as caught:
        cuda.require_cuda()
    assert "pip install 'vmamba-deploy[native]'" in (caught.value.hint or "")


def test_the_variable_for_headers_wins(tmp_path, monkeypatch):
    (tmp_path / "NvInferRuntime.h").write_text("")
    monkeypatch.setenv("TENSORRT_INCLUDE_DIR", str(tmp_path))
    assert headers.TENSORRT.require() == tmp_path


@pytest.mark.parametrize("known", ["", None])
def test_tensorrts_headers_of_a_jetson(tmp_path, monkeypatch, known):
    """Where NVIDIA's packages put them, also for a Python that comes from elsewhere."""
    monkeypatch.setattr(headers.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(headers.sysconfig, "get_config_var", lambda name: known)
    assert Path("/usr/include/aarch64-linux-gnu") in headers.TENSORRT.usual_folders()


def test_a_variable_that_names_the_wrong_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("ONNXRUNTIME_INCLUDE_DIR", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"has no onnxruntime_c_api\.h"):
        headers.ONNXRUNTIME.require()


def test_missing_headers_name_the_variable(monkeypatch):
    monkeypatch.setenv("VMAMBA_ALLOW_DOWNLOADS", "0")
    monkeypatch.setattr(headers.Headers, "find", lambda self: None)
    with pytest.raises(EnvironmentProblem, match="ONNX Runtime") as caught:
        headers.ONNXRUNTIME.require()
    assert "ONNXRUNTIME_INCLUDE_DIR" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "#define TRT_MAJOR_ENTERPRISE 10\n#define TRT_MINOR_ENTERPRISE 14\n"
        "#define TRT_PATCH_ENTERPRISE 1\n#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE\n",
        "#define NV_TENSORRT_MAJOR 10 //!< major\n#define NV_TENSORRT_MINOR 14\n"
        "#define NV_TENSORRT_PATCH 1\n",
    ],
)
def test_the_version_in_tensorrts_headers(tmp_path, text):
    (tmp_path / "NvInferVersion.h").write_text(text)
    assert headers.TENSORRT.version(tmp_path) == "10.14.1"


def test_the_version_in_onnxruntimes_headers(tmp_path):
    (tmp_path / "onnxruntime_c_api.h").write_text("#pragma once\n#define ORT_API_VERSION 21\n")
    assert headers.ONNXRUNTIME.version(tmp_path) == "21"


def test_changed_tensorrt_headers_are_refused(tmp_path):
    folder = tmp_path / "kernel_lens/include/tensorrt"
    folder.mkdir(parents=True)
    (folder / "NvInferRuntime.h").write_text("// not the one\n")
    with pytest.raises(IntegrityError, match="kernel-lens"):
        headers.check_tensorrt_package(tmp_path)


@pytest.fixture
def no_debian(tmp_path, monkeypatch):
    """A machine without ONNX Runtime's headers, and with no Debian mirror to fetch them from."""

    def refuse(*_: object) -> None:
        raise EnvironmentProblem("no Debian mirror")

    monkeypatch.setattr(headers, "debian_packages", refuse)
    monkeypatch.setattr(headers, "toolchain_folder", lambda: tmp_path / "toolchain")
    monkeypatch.setattr(headers, "_SYSTEM_INCLUDES", ())
    monkeypatch.delenv("ONNXRUNTIME_INCLUDE_DIR", raising=False)
    monkeypatch.delenv("VMAMBA_ALLOW_DOWNLOADS", raising=False)
    published = tmp_path / "onnxruntime_c_api.h"
    published.write_text("#define ORT_API_VERSION 21\n")
    monkeypatch.setattr(headers, "ONNXRUNTIME_HEADER_URL", published.as_uri())
    digest = hashlib.sha256(published.read_bytes()).hexdigest()
    monkeypatch.setattr(headers, "ONNXRUNTIME_HEADER_SHA256", digest)
    return published


def test_without_debian_onnxruntimes_header_comes_from_its_makers(no_debian):
    folder = headers.ONNXRUNTIME.require()
    assert headers.ONNXRUNTIME.version(folder) == "21"
    no_debian.unlink()
    assert headers.ONNXRUNTIME.require() == folder


def test_without_debian_and_network_both_reasons_are_told(no_debian):
    no_debian.unlink()
    with pytest.raises(EnvironmentProblem, match=r"no Debian mirror; .* cannot be fetched"):
        headers.ONNXRUNTIME.require()


def test_a_changed_file_is_refused_and_not_kept(tmp_path):
    served = tmp_path / "served.h"
    served.write_text("// not the one\n")
    with pytest.raises(IntegrityError, match="was not kept"):
        fetch.known_file(served.as_uri(), "0" * 64, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """apt of a Debian 12 whose sources a test writes: sources.list, and sources.list.d."""
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed")
    for folder in ("lists/partial", "sources.list.d"):
        (tmp_path / folder).mkdir(parents=True)
    options = {
        "Dir::Etc::SourceList": tmp_path / "sources.list",
        "Dir::Etc::SourceParts": tmp_path / "sources.list.d",
        "Dir::State::Lists": tmp_path / "lists",
    }
    text = "".join(f'{name} "{value}";\n' for name, value in options.items())
    (tmp_path / "apt.conf").write_text(text)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    release = {"ID": "debian", "VERSION_CODENAME": "bookworm"}
    monkeypatch.setattr(fetch.platform, "freedesktop_os_release", lambda: release)
    return tmp_path


ONE_LINE = (
    "# deb http://off.example/a bookworm main\n"
    "deb-src http://src.example/a bookworm main\n"
    "deb http://other.example/a bookworm contrib\n"
    "deb http://later.example/a bookworm-updates main\n"
)


def test_the_mirror_of_a_source_in_one_line(apt):
    line = "deb [signed-by=/k.gpg] http://one.example/a bookworm main contrib\n"
    (apt / "sources.list").write_text(ONE_LINE + line)
    assert fetch.main_mirror() == "http://one.example/a"


def test_the_mirror_of_a_source_in_a_stanza(apt):
    (apt / "sources.list").write_text(ONE_LINE)
    (apt / "sources.list.d/two.sources").write_text(
        "Types: deb\nEnabled: no\nURIs: http://off.example/b\nSuites: bookworm\n"
        "Components: main\n\n"
        "Types: deb\n# a comment\nURIs: http://two.example/a/\nSuites: bookworm bookworm-updates\n"
        "Components: main\n"
    )
    (apt / "sources.list.d/ignored.save").write_text("deb http://off.example/c bookworm main\n")
    assert fetch.main_mirror() == "http://two.example/a"


def test_without_a_mirror_of_the_release_that_is_told(apt):
    (apt / "sources.list").write_text(ONE_LINE)
    with pytest.raises(EnvironmentProblem, match="no Debian mirror"):
        fetch.main_mirror()


def test_several_packages_are_downloaded_by_one_apt(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(fetch, "output_of", lambda command: commands.append(list(command)))
    monkeypatch.setattr(fetch, "main_mirror", lambda: "http://mirror.example/debian")
    monkeypatch.setattr(fetch, "_DEBIAN_KEYRING", Path(__file__))
    monkeypatch.setattr(fetch.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    fetch.debian_packages(["libone-dev", "libone1"], "bookworm", tmp_path / "unpacked")
    update, download = commands
    assert update[-1] == "update"
    assert download[-3:] == ["download", "libone-dev", "libone1"]
    assert list((tmp_path / "unpacked").iterdir()) == []  # apt's own folder is gone
