"""The optional compiled extension; everything else about the package stands in pyproject.toml.

Where there is no C++ compiler, or it fails, the package is installed without: probes then train by torch's operators.
"""

import glob
import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

FOLDER = "satgpu/probes/cpu"
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0"]


class WithConfigs(build_py):
    """Puts the checkout's configs/ into the package, so that an installed satgpu finds them by name."""

    def run(self):
        super().run()
        if not self.editable_mode:
            folder = os.path.join(self.build_lib, "satgpu", "configs")
            self.mkpath(folder)
            for path in sorted(glob.glob("configs/*.yaml")):
                self.copy_file(path, folder)


class OptionalBuild(build_ext):
    """Builds a plain shared library, which is loaded by ctypes and is no module of any one Python."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as error:  # whatever a missing or foreign compiler raises
            print(f"satgpu is installed without its compiled extension: {error}", file=sys.stderr)

    def get_ext_filename(self, fullname):
        *folders, name = fullname.split(".")
        return os.path.join(*folders, f"{name}.native.so")


setup(
    ext_modules=[
        Extension(
            "satgpu.probes.cpu.fused",
            sources=[f"{FOLDER}/fused.cpp"],
            depends=[f"{FOLDER}/fused_kernel.h", f"{FOLDER}/fused_epoch.h"],
            extra_compile_args=FLAGS,
            language="c++",
            optional=True,
            py_limited_api=True,
        )
    ],
    cmdclass={"build_ext": OptionalBuild, "build_py": WithConfigs},
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
