#!/usr/bin/env python3
"""Executes a Spack recipe with stand-ins for Spack's names: spack_check.py PACKAGE.PY CMAKELISTS.TXT

Whatever it defines for CMake must be an option of ours.
"""
import re
import sys
import types

recipe, cmake_lists = sys.argv[1:]
variants = []


class CMakePackage:
    def define(self, name, value):
        return name

    def define_from_variant(self, name, variant):
        assert variant in variants, f"no variant {variant}"
        return name


def nothing(*args, **kwargs):
    pass


stand_in = types.ModuleType("spack.package")
stand_in.CMakePackage = CMakePackage
stand_in.version = stand_in.depends_on = stand_in.conflicts = nothing
stand_in.variant = lambda name, **kwargs: variants.append(name)
sys.modules["spack"] = types.ModuleType("spack")
sys.modules["spack.package"] = stand_in

names = {}
with open(recipe) as file:
    exec(compile(file.read(), recipe, "exec"), names)
with open(cmake_lists) as file:
    options = set(re.findall(r"option\((\w+)", file.read()))
options.add("BUILD_SHARED_LIBS")  # CMake's own
unknown = [name for name in names["Rankpool"]().cmake_args() if name not in options]
if unknown:
    sys.exit(f"not options of CMakeLists.txt: {unknown}")
