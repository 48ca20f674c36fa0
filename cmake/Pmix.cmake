# The headers of PMIx, which Open MPI uses: with them the library can make MPI jobs for tasks of several ranks. Nothing is
# linked: libpmix is loaded by the first such task.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(RANKPOOL_PMIX QUIET pmix)
endif()
find_path(RANKPOOL_PMIX_INCLUDE_DIR pmix_server.h
  HINTS ${RANKPOOL_PMIX_INCLUDE_DIRS} "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/pmix2/include"
  PATH_SUFFIXES pmix pmix2/include)
if(RANKPOOL_PMIX_INCLUDE_DIR)
  set(RANKPOOL_HAS_PMIX TRUE)
else()
  set(RANKPOOL_HAS_PMIX FALSE)
  message(STATUS "The headers of PMIx are not there: tasks of several ranks are left out")
endif()
