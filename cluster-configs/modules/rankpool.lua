-- Untested. Environment module for Lmod: module load rankpool
help([[rankpool: Python's process pools for C++ programs, over MPI]])
whatis("Name: rankpool")
whatis("Description: Python's process pools for C++ programs, over MPI")

local prefix = "/opt/rankpool"  -- CHANGE: the prefix given to cmake --install

depends_on("openmpi", "boost")
prepend_path("PATH", pathJoin(prefix, "bin"))
prepend_path("CMAKE_PREFIX_PATH", prefix)
prepend_path("PKG_CONFIG_PATH", pathJoin(prefix, "lib/pkgconfig"))
