# What `cmake --install` puts where, in three components: `library` (a shared library, if that is made), `dev` (what programs are built
# with) and `tools` (commands). Headers, CMake's and pkg-config's files go by where they are: a prefix may be moved.
set(rankpool_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rankpool")
set(rankpool_data_dir "${CMAKE_INSTALL_DATADIR}/rankpool")
find_program(RANKPOOL_HELP2MAN help2man)
mark_as_advanced(RANKPOOL_HELP2MAN)

# rankpool_command(TARGET DESCRIPTION): installs a command, its manual page, which help2man makes of --help and --version, and its
# completion in bash, which reads --help too.
function(rankpool_command target description)
  if(NOT RANKPOOL_INSTALL)
    return()
  endif()
  install(TARGETS ${target} EXPORT rankpoolTools RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
  install(FILES "${PROJECT_SOURCE_DIR}/cmake/completion.bash" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
          RENAME ${target} COMPONENT tools)
  if(RANKPOOL_HELP2MAN AND NOT CMAKE_CROSSCOMPILING)
    set(page "${PROJECT_BINARY_DIR}/man/${target}.1")
    file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/man")
    # Started in its folder: help2man does not bear spaces in the path of a program.
    add_custom_command(OUTPUT "${page}"
      COMMAND "${RANKPOOL_HELP2MAN}" --no-info --section=1 --manual=rankpool --source "rankpool ${PROJECT_VERSION}"
              --name "${description}" --output "${page}" "./$<TARGET_FILE_NAME:${target}>"
      WORKING_DIRECTORY "$<TARGET_FILE_DIR:${target}>"
      DEPENDS ${target} VERBATIM COMMENT "Making the manual page of ${target}")
    add_custom_target(man_${target} ALL DEPENDS "${page}")
    install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT tools)
  endif()
endfunction()

function(rankpool_install)
  set(generated "${PROJECT_BINARY_DIR}/generated")
  install(TARGETS rankpool EXPORT rankpool
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library NAMELINK_COMPONENT dev
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev)
  install(DIRECTORY include/rankpool DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev)
  install(FILES "${generated}/rankpool/version.hpp" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/rankpool" COMPONENT dev)

  # -- find_package(rankpool [COMPONENTS tools]): a component is there if its file is
  include(CMakePackageConfigHelpers)
  configure_package_config_file(cmake/rankpoolConfig.cmake.in "${generated}/rankpoolConfig.cmake" INSTALL_DESTINATION "${rankpool_config_dir}")
  write_basic_package_version_file("${generated}/rankpoolConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(FILES cmake/rankpool-mpi.cmake DESTINATION "${rankpool_config_dir}" COMPONENT dev)
  install(FILES "${generated}/rankpoolConfig.cmake" "${generated}/rankpoolConfigVersion.cmake" DESTINATION "${rankpool_config_dir}" COMPONENT dev)
  install(EXPORT rankpool NAMESPACE rankpool:: FILE rankpool-library.cmake DESTINATION "${rankpool_config_dir}" COMPONENT dev)
  if(RANKPOOL_BUILD_TOOLS)
    install(EXPORT rankpoolTools NAMESPACE rankpool:: FILE rankpool-tools.cmake DESTINATION "${rankpool_config_dir}" COMPONENT tools)
  endif()

  # -- pkg-config rankpool
  set(pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  foreach(dir LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
      set(RANKPOOL_PC_${dir} "${CMAKE_INSTALL_${dir}}")
    else()
      set(RANKPOOL_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
    endif()
  endforeach()
  set(RANKPOOL_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  if(NOT IS_ABSOLUTE "${pkgconfig_dir}")
    file(RELATIVE_PATH up "/${pkgconfig_dir}" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(RANKPOOL_PC_PREFIX "\${pcfiledir}/${up}")
  endif()
  # A program takes what a static library needs itself.
  set(RANKPOOL_PC_REQUIRES "")
  set(RANKPOOL_PC_LIBS "")
  if(NOT BUILD_SHARED_LIBS)
    set(RANKPOOL_PC_REQUIRES "Requires: ompi-cxx\n")
    foreach(library z ${RANKPOOL_ISAL_LIBRARY} ${RANKPOOL_BACKTRACE_LIBRARY} dl)
      string(APPEND RANKPOOL_PC_LIBS " -l${library}")
    endforeach()
  endif()
  configure_file(cmake/rankpool.pc.in "${generated}/rankpool.pc" @ONLY)
  install(FILES "${generated}/rankpool.pc" DESTINATION "${pkgconfig_dir}" COMPONENT dev)

  # -- to read and to copy from; the links between them hold
  install(FILES README.md CHANGELOG.md CONTRIBUTING.md LICENSE DESTINATION "${rankpool_data_dir}" COMPONENT dev)
  install(DIRECTORY docs examples DESTINATION "${rankpool_data_dir}" COMPONENT dev)
  install(DIRECTORY cluster-configs DESTINATION "${rankpool_data_dir}" COMPONENT tools)
endfunction()
