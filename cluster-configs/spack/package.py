# Put it into a repository of yours: <repo>/packages/rankpool/package.py
from spack.package import *


class Rankpool(CMakePackage):
    """Python's process pools for C++ programs, over MPI."""

    git = "CHANGE: the address of the repository"

    version("main", branch="main")

    variant("shared", default=True, description="Build a shared library")
    variant("tools", default=True, description="Build rankpool-run and its kin")
    variant("examples", default=False, description="Build the examples")

    depends_on("cxx", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("cli11", type="build", when="+tools")
    depends_on("help2man", type="build", when="+tools")
    depends_on("openmpi@4.1:")
    depends_on("boost@1.74: +serialization")

    conflicts("%gcc@:11", msg="rankpool needs C++20 as GCC 12 has it")
    conflicts("%clang@:15", msg="rankpool needs C++20 as Clang 16 has it")

    def cmake_args(self):
        return [
            self.define("BUILD_TESTING", False),
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define_from_variant("RANKPOOL_BUILD_TOOLS", "tools"),
            self.define_from_variant("RANKPOOL_BUILD_EXAMPLES", "examples"),
        ]
